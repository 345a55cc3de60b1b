# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of posed objects: rotations modulo symmetry, Chamfer distance and ADD-S of their meshes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from igllm_addon.core.scene import SceneObject
from igllm_addon.core.vocabulary import CLEVR, Vocabulary
from igllm_addon.model_runner.metrics import report, score_picture
from igllm_addon.model_runner.pose_metrics import add_s, chamfer, class_of, load_points, rotation_error_degrees_or_none

SHAPES = Vocabulary(
    template="shapes",
    words={"shape": ("chair_a", "chair_b", "mug_a")},
    rotation_length=3,
    symmetries={"mug_a": ((0.0, 0.0, 1.0, 0),)},
)
CUBE = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
STICK = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
POINTS = {"chair_a": CUBE, "chair_b": CUBE * 2.0, "mug_a": STICK}


def at(shape: str, location: tuple[float, float, float], yaw_degrees: float) -> SceneObject:
    return SceneObject(shape=shape, location=location, rotation=(0.0, 0.0, math.radians(yaw_degrees)))


def test_a_rotations_error_is_the_angle_between() -> None:
    error = rotation_error_degrees_or_none(at("chair_a", (0, 0, 0), 10.0), at("chair_b", (1, 0, 0), 40.0), SHAPES)

    assert error == pytest.approx(30.0)


def test_a_turn_that_cannot_be_seen_is_no_error() -> None:
    error = rotation_error_degrees_or_none(at("mug_a", (0, 0, 0), 10.0), at("mug_a", (0, 0, 0), 140.0), SHAPES)

    assert error == pytest.approx(0.0, abs=1e-5)


def test_without_a_rotation_there_is_no_error() -> None:
    bare = SceneObject(shape="chair_a", location=(0.0, 0.0, 0.0))

    assert rotation_error_degrees_or_none(bare, at("chair_a", (0, 0, 0), 0.0), SHAPES) is None
    assert rotation_error_degrees_or_none(at("chair_a", (0, 0, 0), 0.0), bare, SHAPES) is None


def test_the_chamfer_distance_of_a_small_shift_is_the_shift() -> None:
    distance = chamfer(at("chair_a", (0.0, 0.0, 0.0), 0.0), at("chair_a", (0.1, 0.0, 0.0), 0.0), POINTS)

    assert distance == pytest.approx(0.1)


def test_a_cube_turned_by_a_right_angle_fills_the_same_space() -> None:
    truth, turned = at("chair_a", (0.3, 0.2, 0.1), 0.0), at("chair_a", (0.3, 0.2, 0.1), 90.0)

    assert chamfer(truth, turned, POINTS) == pytest.approx(0.0, abs=1e-9)
    assert add_s(truth, turned, POINTS) == pytest.approx(0.0, abs=1e-9)


def test_another_shape_shows_in_the_chamfer_distance_alone() -> None:
    truth, other = at("chair_a", (0.0, 0.0, 0.0), 0.0), at("chair_b", (0.0, 0.0, 0.0), 0.0)

    assert chamfer(truth, other, POINTS) == pytest.approx(math.sqrt(0.75))
    assert add_s(truth, other, POINTS) == pytest.approx(0.0, abs=1e-9)


def test_a_report_counts_rotations_classes_and_meshes() -> None:
    truth = [at("chair_a", (0.0, 0.0, 0.0), 0.0), at("mug_a", (5.0, 0.0, 0.0), 0.0)]
    predicted = [at("chair_b", (0.0, 0.0, 0.0), 8.0), at("mug_a", (5.0, 0.0, 0.5), 77.0)]

    poses = report([score_picture(truth, predicted)], SHAPES, POINTS).poses

    assert poses is not None
    assert poses.rotations == 2
    assert poses.geodesic_mean_degrees == pytest.approx(4.0, abs=1e-4)
    assert poses.within_degrees == {"5": 0.5, "10": 1.0, "30": 1.0}
    assert poses.class_accuracy == 1.0
    assert poses.add_s_right == pytest.approx(0.5)
    assert poses.chamfer_mean > 0.2


def test_without_points_the_meshes_figures_are_none() -> None:
    truth = [at("chair_a", (0.0, 0.0, 0.0), 0.0)]

    found = report([score_picture(truth, truth)], SHAPES).to_json()["poses"]

    assert isinstance(found, dict)
    assert found["chamfer_mean"] is None
    assert found["geodesic_mean_degrees"] == 0.0


def test_a_template_of_yaws_has_no_poses() -> None:
    assert report([], CLEVR).poses is None


def test_the_class_stands_before_the_first_underscore() -> None:
    assert class_of("airplane_jet_liner") == "airplane"
    assert class_of(None) == ""


def test_points_are_read_from_a_data_sets_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "meshes.npz", chair_a=CUBE.astype(np.float32))

    assert np.array_equal(load_points(tmp_path / "meshes.npz")["chair_a"], CUBE)
    assert load_points(tmp_path / "missing.npz") == {}
