# SPDX-License-Identifier: GPL-3.0-or-later
"""The tower: shapes for any height, geometry against the one of the pure layer, peaks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_models import GEOMETRY, TINY, noise_pictures, noise_scenes, tiny_model

from igllm_addon.core.frames import azimuth_radians, project, unproject_to_height
from igllm_addon.model_runner.geometry import camera_at, ground_xy
from igllm_addon.model_runner.tower_training import tower_step_loss
from igllm_addon.model_runner.vision import VisionTower, strongest_peaks


@pytest.mark.parametrize("height_px", [32, 43, 48, 70])
def test_a_tower_takes_pictures_of_any_height(height_px: int) -> None:
    tower = tiny_model(0).tower

    maps = tower(noise_pictures(1, 2, height_px))

    cells = -(-height_px // 16) * 4
    assert maps.heat.shape == (2, cells, 16)
    assert maps.fine.shape == (2, 8, cells, 16)
    assert maps.coarse.shape == (2, 8, cells // 2, 8)
    assert maps.camera.shape == (2, 2)
    assert maps.height_px == height_px


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
    torch.manual_seed(0)
    tower = VisionTower(replace(TINY.vision, camera_votes=True), GEOMETRY, TINY.vocabulary).eval()
    maps = tower(noise_pictures(1, 2))
    places = torch.tensor([0, 0, 1]), torch.tensor([2, 3, 11]), torch.tensor([4, 15, 7])

    nobody = tower.describe(maps, *places, torch.zeros(3))
    second = tower.describe(maps, *places, torch.tensor([0.0, 1e6, 0.0]))
    all_of_them = tower.describe(maps, *places, torch.ones(3))

    assert torch.allclose(nobody.camera, maps.camera)
    assert torch.allclose(second.camera[0], second.votes[1], atol=1e-4)
    assert torch.allclose(second.camera[1], maps.camera[1])
    assert bool((all_of_them.camera != maps.camera).all())


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


@pytest.mark.parametrize("camera_votes", [False, True])
def test_the_towers_loss_reaches_every_parameter(camera_votes: bool) -> None:
    torch.manual_seed(0)
    tower = VisionTower(replace(TINY.vision, camera_votes=camera_votes), GEOMETRY, TINY.vocabulary)

    parts = tower_step_loss(tower, noise_scenes(2, 4), np.random.default_rng(0))
    parts["loss"].backward()

    expected = {"heat", "offset", "color", "size", "material", "shape", "yaw", "xy", "camera", "loss"}
    assert set(parts) == expected | ({"votes"} if camera_votes else set())
    assert [name for name, parameter in tower.named_parameters() if parameter.grad is None] == []
    assert all(bool(torch.isfinite(value)) for value in parts.values())
