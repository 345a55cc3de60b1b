# SPDX-License-Identifier: GPL-3.0-or-later
"""The tower: shapes for any height, geometry against the one of the pure layer, peaks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import GEOMETRY, noise_pictures, noise_scenes, tiny_model

from igllm_addon.core.frames import azimuth_radians, project, unproject_to_height
from igllm_addon.model_runner.geometry import camera_at, camera_distance, ground_xy, usual_depth
from igllm_addon.model_runner.tower_training import object_depths, tower_step_loss
from igllm_addon.model_runner.vision import strongest_peaks


@pytest.mark.parametrize("height_px", [32, 43, 48, 70])
def test_a_tower_takes_pictures_of_any_height(height_px: int) -> None:
    tower = tiny_model(0).tower

    maps = tower(noise_pictures(1, 2, height_px))

    cells = -(-height_px // 16) * 4
    assert maps.heat.shape == (2, cells, 16)
    assert maps.fine.shape == (2, 8, cells, 16)
    assert maps.coarse.shape == (2, 8, cells // 2, 8)
    assert maps.camera.shape == (2, 2)
    assert maps.pictures.shape[2] == height_px


def test_descriptions_have_a_row_for_each_place() -> None:
    tower = tiny_model(0).tower
    maps = tower(noise_pictures(1, 2))

    seen = tower.describe(maps, torch.tensor([0, 1, 1]), torch.tensor([0, 3, 11]), torch.tensor([0, 15, 7]), torch.ones(3))

    assert seen.features.shape == (3, 16)
    assert {name: tuple(logits.shape) for name, logits in seen.words.items()} == {
        "color": (3, 8),
        "size": (3, 2),
        "material": (3, 2),
        "shape": (3, 3),
    }
    assert seen.xy.shape == seen.place.shape == seen.yaw.shape == (3, 2)
    assert bool(((seen.height >= 0.35) & (seen.height <= 0.7)).all())


def test_a_place_that_is_not_trusted_has_no_say_in_the_camera() -> None:
    tower = tiny_model(0, 0.3).tower
    maps = tower(noise_pictures(1, 2))
    places = torch.tensor([0, 0, 1]), torch.tensor([2, 3, 11]), torch.tensor([4, 15, 7])

    nobody = tower.describe(maps, *places, torch.zeros(3))
    second = tower.describe(maps, *places, torch.tensor([0.0, 1e9, 0.0]))
    all_of_them = tower.describe(maps, *places, torch.ones(3))

    assert torch.allclose(nobody.camera, maps.camera)
    assert torch.allclose(second.camera[0], second.votes[1], atol=1e-4)
    assert torch.allclose(second.camera[1], maps.camera[1])
    assert bool((all_of_them.camera != maps.camera).all())


def test_a_depth_and_a_place_tell_how_far_the_camera_is() -> None:
    camera = camera_at(GEOMETRY, 11.7, 0.46)
    locations = [(1.0, -2.0, 0.7), (-2.5, 0.5, 0.35), (0.2, 2.9, 0.7)]
    u, v, depth = np.array(project(camera, locations, 240, 180)).T
    focal = 240 * 35.0 / 32.0
    place = torch.tensor(np.stack([(u - 120.0) / focal, (90.0 - v) / focal], axis=1))
    height = torch.tensor([0.7, 0.35, 0.7], dtype=torch.float64)

    found = camera_distance(place, height, torch.tensor(depth), torch.full((3,), 0.46).double())

    assert np.allclose(found.numpy(), 11.7, atol=1e-9)


def test_the_usual_depth_is_that_of_the_usual_camera() -> None:
    camera = camera_at(GEOMETRY, GEOMETRY.distance_m, GEOMETRY.elevation_radians)
    u, v, depth = project(camera, [(1.0, -2.0, 0.7)], 240, 180)[0]
    focal = 240 * 35.0 / 32.0
    place = torch.tensor([[(u - 120.0) / focal, (90.0 - v) / focal]], dtype=torch.float64)

    found = usual_depth(GEOMETRY, place, torch.tensor([0.7], dtype=torch.float64))

    assert found.tolist() == pytest.approx([depth])


def test_ground_positions_agree_with_the_pure_layer() -> None:
    camera = camera_at(GEOMETRY, 11.7, 0.46)
    u, v, z = np.array([30.0, 120.0, 200.5]), np.array([60.0, 90.0, 170.25]), np.array([0.7, 0.35, 0.35])
    expected = unproject_to_height(camera, u, v, z, 240, 180)[:, :2]
    focal = 240 * 35.0 / 32.0
    place = torch.tensor(np.stack([(u - 120.0) / focal, (90.0 - v) / focal], axis=1))

    found = ground_xy(GEOMETRY, place, torch.tensor(z), torch.full((3,), 11.7).double(), torch.full((3,), 0.46).double())

    assert np.allclose(found.numpy(), expected, atol=1e-9)


def test_the_camera_stands_at_the_canonical_azimuth_and_shows_the_origin_in_the_middle() -> None:
    camera = camera_at(GEOMETRY, 11.0, 0.5)

    u, v, depth = project(camera, [(0.0, 0.0, 0.0)], 240, 180)[0]

    assert (u, v, depth) == pytest.approx((120.0, 90.0, 11.0))
    assert azimuth_radians(camera) == pytest.approx(GEOMETRY.azimuth_radians)


def test_rays_above_the_horizon_meet_the_ground_at_a_finite_place() -> None:
    place = torch.tensor([[0.0, 5.0]], requires_grad=True)

    found = ground_xy(GEOMETRY, place, torch.tensor([0.7]), torch.tensor([11.0]), torch.tensor([0.5]))
    found.sum().backward()

    assert bool(torch.isfinite(found).all())
    assert place.grad is not None
    assert bool(torch.isfinite(place.grad).all())


def test_peaks_are_local_maxima_from_left_to_right() -> None:
    heat = torch.full((1, 5, 7), -9.0)
    heat[0, 1, 5], heat[0, 1, 4], heat[0, 3, 1] = 3.0, 2.0, 1.0

    score, row, column = strongest_peaks(heat, 2)

    assert row.tolist() == [[3, 1]]
    assert column.tolist() == [[1, 5]]
    assert score[0].tolist() == pytest.approx([0.7311, 0.9526], abs=1e-4)


def test_the_towers_loss_reaches_every_parameter() -> None:
    tower = tiny_model(0, 0.5).tower.requires_grad_(True).train()

    parts = tower_step_loss(tower, noise_scenes(2, 4), np.random.default_rng(0))
    parts["loss"].backward()

    assert set(parts) == {
        *("heat", "offset", "color", "size", "material", "shape", "yaw", "xy", "camera", "votes", "depth", "loss")
    }
    assert [name for name, parameter in tower.named_parameters() if parameter.grad is None] == []
    assert all(bool(torch.isfinite(value)) for value in parts.values())


def test_the_loss_of_the_depth_is_nought_where_the_depth_is_right() -> None:
    tower = tiny_model(0, 0.5).tower
    scenes = noise_scenes(2, 1)
    camera = camera_at(GEOMETRY, *scenes.camera[0].tolist())
    expected = [depth for _, _, depth in project(camera, scenes.location[0, :2].tolist(), 64, 48)]

    found = object_depths(tower.geometry, scenes, torch.tensor([0, 0]), torch.tensor([0, 1]))

    assert found.tolist() == pytest.approx(expected, rel=1e-5)
