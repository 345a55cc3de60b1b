# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels: what they hold, in which frame, and that nothing but a sample's name decides them."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from igllm_addon.core.frames import azimuth_radians, look_at_quaternion_wxyz, project
from igllm_addon.core.graphics_code import parse
from igllm_addon.core.scene import Camera, Scene, SceneObject
from igllm_addon.core.scene_json import scene_from_json
from igllm_addon.render_templates.labels import (
    bounding_box_px_or_none,
    code_of,
    cycles_seed,
    label_bytes,
    label_of,
    scene_rng,
)
from igllm_addon.render_templates.render_options import RenderOptions
from igllm_addon.render_templates.template import template_named

CLEVR = template_named("clevr")
OPTIONS = CLEVR.options(camera="jittered")
RENDER = RenderOptions(240, 180, samples=6, seed=123)
BALL = SceneObject("sphere", "large", "red", "metal", (0.0, 0.0, 0.7))
CUBE = SceneObject("cube", "small", "blue", "rubber", (2.0, 1.0, 0.35), (0.25,))


def sampled(index: int, seed: int = 1, split: str = "train") -> Scene:
    return CLEVR.sample(scene_rng(seed, split, index), OPTIONS)


def label(scene: Scene, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = {"split": "train", "seed": 1, "index": 4, "render": RENDER, "options": OPTIONS}
    return label_of(CLEVR, scene, blender_version="4.5.15", **(values | changes))


def seen_from(location: tuple[float, float, float], *objects: SceneObject) -> Scene:
    return Scene(objects, Camera(location, look_at_quaternion_wxyz(location, (0.0, 0.0, 0.0))))


def test_a_label_names_its_sample_and_how_it_was_rendered() -> None:
    made = label(sampled(4))

    assert {key: made[key] for key in ("format", "version", "template", "split", "seed", "index", "blender_version")} == {
        "format": "igllm-label",
        "version": 1,
        "template": "clevr",
        "split": "train",
        "seed": 1,
        "index": 4,
        "blender_version": "4.5.15",
    }
    assert made["render"] == {
        "engine": "cycles",
        "samples": 6,
        "denoise": True,
        "width_px": 240,
        "height_px": 180,
        "cycles_seed": 123,
    }
    assert made["options"] == {"condition": "full", "camera": "jittered", "aspect": 0.75}


def test_the_documentation_names_every_key() -> None:
    made = label(sampled(4))
    text = (Path(__file__).resolve().parents[2] / "docs" / "data.md").read_text(encoding="utf-8")

    keys = {*made, *made["render"], *made["options"]}.union(*made["objects"])

    assert sorted(key for key in keys if f"`{key}`" not in text) == []


def test_label_bytes_are_sorted_compact_and_read_back_exactly() -> None:
    scene = sampled(4)

    text = label_bytes(label(scene))

    assert text.startswith(b'{"blender_version":"4.5.15","format":"igllm-label","index":4,"objects":[{"3d_coords":[')
    assert b" " not in text
    assert scene_from_json(json.loads(text)["scene"]) == scene


def test_the_same_name_gives_the_same_bytes_and_another_name_another_scene() -> None:
    assert label_bytes(label(sampled(4))) == label_bytes(label(sampled(4)))
    assert sampled(4) != sampled(5)
    assert sampled(4) != sampled(4, seed=2)
    assert sampled(4) != sampled(4, split="val")


def test_another_process_gives_the_same_bytes() -> None:
    program = (
        "import sys; from igllm_addon.render_templates.labels import *;"
        "from igllm_addon.render_templates.template import template_named;"
        "from igllm_addon.render_templates.render_options import RenderOptions; t = template_named('clevr');"
        "o = t.options(camera='jittered'); s = t.sample(scene_rng(1, 'train', 4), o);"
        "l = label_of(t, s, split='train', seed=1, index=4, render=RenderOptions(240, 180, samples=6, seed=123), options=o,"
        "blender_version='4.5.15'); sys.stdout.buffer.write(label_bytes(l)); assert 'bpy' not in sys.modules"
    )

    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert finished.stdout == label_bytes(label(sampled(4)))


def test_the_streams_of_a_name_never_drift() -> None:
    # 0x5C66E4A3 is the CRC-32 of b"train". Data sets hang on these numbers.
    scene_stream = np.random.default_rng(np.random.SeedSequence(1, spawn_key=(0x5C66E4A3, 4)))

    assert scene_rng(1, "train", 4).random() == scene_stream.random() == 0.14503818648373834
    assert cycles_seed(1, "train", 4) == 1565046310


def test_the_canonical_scene_has_the_cameras_own_azimuth() -> None:
    scene = sampled(4)
    assert scene.camera is not None

    canonical = scene_from_json(label(scene)["scene_canonical"])

    assert canonical.camera is not None
    assert azimuth_radians(canonical.camera) == pytest.approx(math.atan2(-6.5076, 7.4811), abs=1e-12)
    assert azimuth_radians(scene.camera) != pytest.approx(math.atan2(-6.5076, 7.4811), abs=1e-6)


def test_both_frames_project_to_the_same_pixels() -> None:
    made = label(sampled(4))
    canonical = scene_from_json(made["scene_canonical"])
    assert canonical.camera is not None

    pixels = project(canonical.camera, [item["3d_coords_canonical"] for item in made["objects"]], 240, 180)

    assert pixels == pytest.approx(np.array([item["pixel_coords"] for item in made["objects"]]), abs=1e-9)


def test_pixel_coordinates_of_the_origin_are_the_pictures_middle() -> None:
    scene = seen_from((7.0, -6.0, 5.0), replace(BALL, location=(0.0, 0.0, 0.0)))

    (ball,) = label(scene)["objects"]

    assert ball["pixel_coords"] == pytest.approx([120.0, 90.0, math.sqrt(7.0**2 + 6.0**2 + 5.0**2)])


def test_a_box_encloses_the_visible_pixels_of_a_ball() -> None:
    scene = seen_from((0.0, -10.0, 0.7), replace(BALL, location=(0.0, 0.0, 0.7)))

    (ball,) = label(scene)["objects"]

    # Focal length 262.5 px; the silhouette of a ball of radius 0.7 about 10 away is 18.4 px in radius and lower than the middle.
    left, top, right, bottom = ball["bbox_px"]
    assert (right - left, bottom - top) == (36, 37)
    assert left + right == 240
    assert ball["visible_pixels"] == pytest.approx(math.pi * 18.4**2, rel=0.02)


def test_a_hidden_object_has_no_box_and_no_pixels() -> None:
    behind = replace(CUBE, location=(0.0, 1.5, 0.35))
    scene = seen_from((0.0, -10.0, 0.7), replace(BALL, location=(0.0, -1.0, 0.7)), behind)

    _, cube = label(scene)["objects"]

    assert cube["bbox_px"] is None
    assert cube["visible_pixels"] == 0


def test_only_cubes_have_a_yaw() -> None:
    ball, cube = label(seen_from((7.4811, -6.5076, 5.3437), BALL, CUBE))["objects"]

    assert cube["yaw_radians"] == 0.25
    assert cube["yaw_radians_canonical"] == pytest.approx(0.25)
    assert "yaw_radians" not in ball


def test_a_canonical_yaw_turns_with_the_scene() -> None:
    turned = 0.1
    x, y = 7.4811, -6.5076
    camera = (x * math.cos(turned) - y * math.sin(turned), x * math.sin(turned) + y * math.cos(turned), 5.3437)

    _, cube = label(seen_from(camera, BALL, CUBE))["objects"]

    assert cube["yaw_radians_canonical"] == pytest.approx(0.25 - turned)


def test_graphics_code_is_the_canonical_scene() -> None:
    scene = sampled(4)

    result = parse(code_of(CLEVR, scene), CLEVR.vocabulary)

    assert result.error is None
    assert result.scene == replace(scene_from_json(label(scene)["scene_canonical"]), lights=())


def test_a_bounding_box_is_half_open() -> None:
    visible = np.zeros((5, 7), dtype=bool)
    visible[1, 2] = visible[3, 4] = True

    assert bounding_box_px_or_none(visible) == [2, 1, 5, 4]
    assert bounding_box_px_or_none(np.zeros((5, 7), dtype=bool)) is None
