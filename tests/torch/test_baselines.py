# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model has to beat: the constant answer and the nearest training picture's labels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tiny_poses import TINY_POSE, TOYS, random_matrix, toy_scenes

from igllm_addon.core.scene import SceneObject
from igllm_addon.model_runner.baselines import constant_answer, nearest_answers, nearest_rotation, picture_features
from igllm_addon.model_runner.model import Igllm


def jack(x: float, yaw: float, shape: str = "jack_plain") -> SceneObject:
    return SceneObject(shape=shape, location=(x, 0.0, 0.0), rotation=(0.0, 0.0, yaw))


def test_the_constant_answer_is_the_mean_of_what_stands_at_each_place() -> None:
    scenes = [
        (jack(-1.0, 0.1), jack(1.0, 0.0)),
        (jack(-2.0, 0.3), jack(2.0, 0.0, "jack_paired")),
        (jack(-3.0, 0.2), jack(3.0, 0.0, "jack_paired")),
        (jack(9.0, 0.0),),
    ]

    left, right = constant_answer(scenes, TOYS)

    assert left.location == pytest.approx((-2.0, 0.0, 0.0))
    assert left.rotation == pytest.approx((0.0, 0.0, 0.2), abs=1e-6)
    assert (left.shape, right.shape) == ("jack_plain", "jack_paired")


def test_the_mean_of_rotations_on_both_sides_of_the_jump_lies_between() -> None:
    answer = constant_answer([(jack(0.0, math.pi - 0.1),), (jack(0.0, -math.pi + 0.1),)], TOYS)

    assert answer[0].rotation is not None
    assert abs(answer[0].rotation[2]) == pytest.approx(math.pi)


def test_the_nearest_rotation_of_a_rotation_is_itself() -> None:
    matrix = random_matrix(np.random.default_rng(1))

    assert np.allclose(nearest_rotation(3.0 * matrix), matrix)
    assert np.linalg.det(nearest_rotation(-matrix)) == pytest.approx(1.0)


def test_a_known_picture_gets_its_own_labels_back() -> None:
    torch.manual_seed(1)
    model, scenes = Igllm(TINY_POSE).eval(), toy_scenes(2, 6)
    labels = [(jack(float(index), 0.0),) for index in range(6)]

    found = nearest_answers(model, scenes.images[[4, 1]], scenes.images, labels)

    assert [entry[0].location for entry in found] == [(4.0, 0.0, 0.0), (1.0, 0.0, 0.0)]


def test_features_of_a_picture_have_no_size_of_their_own() -> None:
    torch.manual_seed(1)
    model = Igllm(TINY_POSE).eval()

    features = picture_features(model, toy_scenes(3, 2).images)

    assert features.shape == (2, 16 + 32)
    assert torch.allclose(features[:, :16].norm(dim=1), torch.ones(2), atol=1e-5)
