# SPDX-License-Identifier: GPL-3.0-or-later
"""Sampled scenes keep CLEVR's rules."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from igllm_addon.core.errors import UsageError
from igllm_addon.core.frames import azimuth_canonical, azimuth_radians, project
from igllm_addon.core.scene import Scene
from igllm_addon.core.vocabulary import CLEVR
from igllm_addon.render_templates.clevr import constants
from igllm_addon.render_templates.clevr.sample import COLORS_BY_CONDITION, ClevrOptions, canonical_camera, sample, solid_of
from igllm_addon.render_templates.visibility import instance_map

SCENES = [sample(np.random.default_rng(seed), ClevrOptions()) for seed in range(30)]


def places(scene: Scene) -> np.ndarray:
    return np.array([item.location for item in scene.objects])


def test_the_same_seed_gives_the_same_scene() -> None:
    again = sample(np.random.default_rng(7), ClevrOptions())

    assert again == SCENES[7]


@pytest.mark.parametrize("scene", SCENES)
def test_counts_places_and_heights_are_clevrs(scene: Scene) -> None:
    xyz = places(scene)

    assert 3 <= len(scene.objects) <= 10
    assert np.abs(xyz[:, :2]).max() <= 3.0
    assert [item.location[2] for item in scene.objects if item.location] == [
        constants.HALF_EXTENTS[item.size or ""] for item in scene.objects
    ]


@pytest.mark.parametrize("scene", SCENES)
def test_objects_keep_their_distance(scene: Scene) -> None:
    xyz = places(scene)
    pairs = list(itertools.combinations(range(len(xyz)), 2))
    gaps = [math.dist(xyz[a, :2], xyz[b, :2]) - xyz[a, 2] - xyz[b, 2] for a, b in pairs]
    across = [abs((xyz[a, :2] - xyz[b, :2]) @ np.array(constants.RIGHT_XY)) for a, b in pairs]

    assert min(gaps) >= 0.25
    assert min(across) >= 0.4


@pytest.mark.parametrize("scene", SCENES)
def test_every_object_shows_200_pixels_and_stands_left_to_right(scene: Scene) -> None:
    assert scene.camera is not None
    instances = instance_map(scene.camera, [solid_of(item) for item in scene.objects], 320, 240)
    columns = project(scene.camera, places(scene), 320, 240)[:, 0]

    assert np.bincount(instances.ravel(), minlength=len(scene.objects) + 1)[1:].min() >= 200
    assert (np.diff(columns) > 0).all()


@pytest.mark.parametrize("scene", SCENES)
def test_only_cubes_carry_a_yaw_within_an_eighth_turn(scene: Scene) -> None:
    yaws = [item.rotation for item in scene.objects]

    assert [yaw is not None for yaw in yaws] == [item.shape == "cube" for item in scene.objects]
    assert all(-math.pi / 4 <= yaw[0] < math.pi / 4 for yaw in yaws if yaw)


@pytest.mark.parametrize("condition", ["cogent_a", "cogent_b"])
def test_cogent_conditions_hold_back_colours(condition: str) -> None:
    scenes = [sample(np.random.default_rng(seed), ClevrOptions(condition=condition)) for seed in range(10)]

    pairs = {(item.shape, item.color) for scene in scenes for item in scene.objects}

    assert all(color in COLORS_BY_CONDITION[condition][shape or ""] for shape, color in pairs)
    assert len(pairs) > 12


def test_cogent_a_and_b_swap_cubes_and_cylinders() -> None:
    a, b = COLORS_BY_CONDITION["cogent_a"], COLORS_BY_CONDITION["cogent_b"]

    assert (a["cube"], a["cylinder"]) == (b["cylinder"], b["cube"])
    assert sorted(a["cube"] + a["cylinder"]) == sorted(CLEVR.words["color"])


def test_the_origin_projects_to_the_centre_of_the_picture() -> None:
    pixel = project(canonical_camera(), [[0.0, 0.0, 0.0]], 320, 240)[0]

    assert pixel == pytest.approx([160.0, 120.0, 11.26], abs=5e-3)


def test_a_jittered_camera_becomes_clevrs_azimuth_in_the_canonical_frame_and_keeps_the_picture() -> None:
    scene = SCENES[0]
    canonical = azimuth_canonical(scene, constants.AZIMUTH_RADIANS, CLEVR)
    assert scene.camera is not None and canonical.camera is not None

    before = project(scene.camera, places(scene), 320, 240)
    after = project(canonical.camera, places(canonical), 320, 240)

    assert azimuth_radians(scene.camera) != pytest.approx(constants.AZIMUTH_RADIANS, abs=1e-4)
    assert azimuth_radians(canonical.camera) == pytest.approx(constants.AZIMUTH_RADIANS, abs=1e-12)
    assert after == pytest.approx(before, abs=1e-9)


@pytest.mark.parametrize("options", [{"condition": "cogent_c"}, {"camera": "orbiting"}])
def test_unknown_options_are_named(options: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=next(iter(options.values()))):
        ClevrOptions(**options)
