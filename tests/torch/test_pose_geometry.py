# SPDX-License-Identifier: GPL-3.0-or-later
"""Rays, places and rotations under a fixed camera, against core's own functions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tiny_poses import CAMERA, FIXED, random_matrix

from igllm_addon.core.frames import project
from igllm_addon.core.rotations import matrix_from_rotation_6d
from igllm_addon.core.symmetries import Generator, symmetric_geodesic_angle, symmetry_of
from igllm_addon.core.vocabulary import Vocabulary
from igllm_addon.model_runner.pose_geometry import (
    Alike,
    about_view,
    camera_focal_px,
    matrix_from_rows,
    matrix_world_from_camera,
    mean_rotation,
    point_seen,
    turn_toward,
)

SYMMETRIES: dict[str, tuple[Generator, ...]] = {
    "none": (),
    "half_turn": ((0.0, 0.0, 1.0, 2),),
    "square": ((0.0, 0.0, 1.0, 4), (1.0, 0.0, 0.0, 2)),
    "bottle": ((0.0, 0.0, 1.0, 0),),
    "tilted_bottle": ((1.0, 1.0, 0.0, 0),),
    "tube": ((0.0, 0.0, 1.0, 0), (1.0, 0.0, 0.0, 2)),
    "ball": ((0.0, 0.0, 1.0, 0), (1.0, 0.0, 0.0, 0)),
}
VOCABULARY = Vocabulary(template="toys", words={"shape": tuple(SYMMETRIES)}, rotation_length=3, symmetries=SYMMETRIES)


def test_a_point_is_seen_where_core_projects_it() -> None:
    points = np.random.default_rng(1).uniform(-1.0, 1.0, (20, 3))
    u, v, depth = torch.tensor(project(CAMERA, points, 96, 72), dtype=torch.float32).T
    focal = camera_focal_px(FIXED, 96)
    place = torch.stack([(u - 48.0) / focal, (36.0 - v) / focal], dim=1)

    found = point_seen(torch.tensor(FIXED.location), matrix_world_from_camera(FIXED), place, depth)

    assert torch.allclose(found, torch.tensor(points, dtype=torch.float32), atol=1e-5)


def test_the_turn_toward_a_place_takes_the_view_to_its_ray() -> None:
    place = torch.tensor([[0.0, 0.0], [0.3, -0.2], [-0.5, 0.4]])

    turn = turn_toward(place)

    ray = torch.nn.functional.normalize(torch.cat([place, -torch.ones(3, 1)], dim=1), dim=1)
    assert torch.allclose(turn @ torch.tensor([0.0, 0.0, -1.0]), ray, atol=1e-6)
    assert torch.allclose(turn @ turn.transpose(1, 2), torch.eye(3).expand(3, 3, 3), atol=1e-6)
    assert torch.allclose(torch.linalg.det(turn), torch.ones(3), atol=1e-6)
    assert torch.allclose(turn[0], torch.eye(3))


def test_two_rows_become_the_rotation_that_core_makes_of_them() -> None:
    six = torch.tensor(np.random.default_rng(2).normal(size=(10, 6)), dtype=torch.float32)

    found = matrix_from_rows(six)

    assert torch.allclose(found, torch.tensor(matrix_from_rotation_6d(six.numpy()), dtype=torch.float32), atol=1e-5)


@pytest.mark.parametrize("shape", SYMMETRIES)
def test_the_distance_of_rotations_knows_which_of_them_look_alike(shape: str) -> None:
    rng = np.random.default_rng(3)
    found = np.stack([random_matrix(rng) for _ in range(40)])
    truth = np.stack([random_matrix(rng) for _ in range(40)])
    index = torch.full((40,), list(SYMMETRIES).index(shape))

    distance = Alike.of(VOCABULARY).distance(torch.tensor(found).float(), torch.tensor(truth).float(), index)

    angle = symmetric_geodesic_angle(found, truth, symmetry_of(SYMMETRIES[shape]))
    expected = torch.tensor(math.sqrt(8.0) * np.sin(angle / 2.0), dtype=torch.float32)
    assert torch.allclose(distance, expected, atol=3e-3)


@pytest.mark.parametrize("shape", SYMMETRIES)
def test_the_nearest_of_the_rotations_that_look_alike_is_as_near_as_the_distance_says(shape: str) -> None:
    rng = np.random.default_rng(4)
    rotation, to = (torch.tensor(np.stack([random_matrix(rng) for _ in range(40)])).float() for _ in range(2))
    index = torch.full((40,), list(SYMMETRIES).index(shape))
    alike = Alike.of(VOCABULARY)

    found = alike.nearest(rotation, to, index)

    assert float(alike.distance(found, rotation, index).max()) < 5e-3  # it looks the same
    if shape != "ball":
        apart = torch.linalg.matrix_norm(found - to)
        assert torch.allclose(apart, alike.distance(to, rotation, index), atol=5e-3)


def test_the_mean_of_rotations_is_a_rotation_among_them() -> None:
    rng = np.random.default_rng(5)
    middle = torch.tensor(np.stack([random_matrix(rng) for _ in range(10)])).float()
    swings = about_view(torch.tensor([-0.3, 0.0, 0.3]))

    found = mean_rotation(middle[None] @ swings[:, None])

    assert torch.allclose(found, middle, atol=1e-5)
    assert torch.allclose(torch.linalg.det(mean_rotation(torch.randn(3, 10, 3, 3))), torch.ones(10), atol=1e-5)


def test_the_distance_has_a_gradient_where_two_rotations_are_equal() -> None:
    rotation = torch.eye(3)[None].clone().requires_grad_()
    index = torch.tensor([list(SYMMETRIES).index("tube")])

    Alike.of(VOCABULARY).distance(rotation, torch.eye(3)[None], index).sum().backward()

    assert rotation.grad is not None
    assert torch.isfinite(rotation.grad).all()
