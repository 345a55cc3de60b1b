# SPDX-License-Identifier: GPL-3.0-or-later
"""Instance masks, depth and normals from geometry against those that Cycles renders, and the files that hold them."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

bpy = pytest.importorskip("bpy", reason="needs the bpy wheel")

from igllm_addon.core.scene import Scene  # noqa: E402  (bpy must be known to exist first)
from igllm_addon.render_templates.clevr.backdrop import trace  # noqa: E402
from igllm_addon.render_templates.clevr.sample import solid_of  # noqa: E402
from igllm_addon.render_templates.labels import scene_rng  # noqa: E402
from igllm_addon.render_templates.passes import Surfaces, pass_parts, trace_surfaces  # noqa: E402
from igllm_addon.render_templates.render import RenderOptions, apply_options  # noqa: E402
from igllm_addon.render_templates.template import template_named  # noqa: E402

sys.path.append(str(Path(__file__).parent))
from cycles_passes import render_passes  # noqa: E402  (a module beside this file, not a package)

CLEVR = template_named("clevr")
WIDTH, HEIGHT = 320, 240


def sampled(index: int) -> Scene:
    return CLEVR.sample(scene_rng(1, "passes", index), CLEVR.options())


def traced(scene: Scene) -> Surfaces:
    assert scene.camera is not None
    solids = [solid_of(item) for item in scene.objects]
    return trace_surfaces(scene.camera, solids, trace, WIDTH, HEIGHT)


def rendered(scene: Scene, folder: Path) -> dict[str, np.ndarray]:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    blender_scene = bpy.context.scene
    blender_side = CLEVR.blender_side()
    blender_side.prepare_world(blender_scene)
    collection = bpy.data.collections.new("passes")
    blender_scene.collection.children.link(collection)
    blender_side.build(scene, collection)
    blender_scene.camera = next(item for item in collection.objects if item.type == "CAMERA")
    shown = [item for item in collection.objects if item.type == "MESH" and item.name != "Ground"]
    for number, item in enumerate(shown, start=1):
        item.pass_index = number
    apply_options(blender_scene, RenderOptions(WIDTH, HEIGHT, samples=1))
    return render_passes(blender_scene, folder / "passes.exr")


@pytest.mark.parametrize("index", range(4))
def test_passes_agree_with_cycles(tmp_path: Path, index: int) -> None:
    scene = sampled(index)

    ours, cycles = traced(scene), rendered(scene, tmp_path)

    numbers = np.arange(1, len(scene.objects) + 1)[:, None, None]
    mine, theirs = ours.instances == numbers, cycles["index"] == numbers
    overlap = (mine & theirs).sum(axis=(1, 2)) / (mine | theirs).sum(axis=(1, 2))
    assert overlap.min() >= 0.98
    same = ours.instances == cycles["index"]
    depth_error = np.abs(ours.depth - cycles["depth"])[same]
    assert np.quantile(depth_error, 0.999) < 0.01
    assert depth_error.max() < 0.05  # at a silhouette, where a surface is seen edge-on
    cosine = np.clip((ours.normals * cycles["normal"]).sum(axis=-1), -1.0, 1.0)
    angle_degrees = np.degrees(np.arccos(cosine))
    # Cycles bends the flat floor by up to a degree towards the sweep, since a mesh's normals run evenly from corner to corner.
    assert angle_degrees[same & (ours.instances == 0)].max() < 1.0
    assert np.quantile(angle_degrees[same & (ours.instances > 0)], 0.99) < 1.0
    assert angle_degrees[same].max() < 10.0  # on the rounding of an edge that is seen edge-on


def test_passes_are_written_as_a_grey_picture_and_two_arrays() -> None:
    scene = sampled(0)
    surfaces = traced(scene)

    parts = pass_parts(CLEVR, scene, ("instances", "depth", "normal"), WIDTH, HEIGHT)

    mask = Image.open(io.BytesIO(parts["instances.png"]))
    depth = np.load(io.BytesIO(parts["depth.npy"]))
    normal = np.load(io.BytesIO(parts["normal.npy"]))
    assert (mask.mode, mask.size) == ("L", (WIDTH, HEIGHT))
    assert np.array_equal(np.asarray(mask), surfaces.instances)
    assert (depth.dtype, depth.shape) == (np.float32, (HEIGHT, WIDTH))
    assert np.array_equal(depth, surfaces.depth.astype(np.float32))
    assert (normal.dtype, normal.shape) == (np.float16, (HEIGHT, WIDTH, 3))
    assert np.abs(np.linalg.norm(normal.astype(float), axis=-1) - 1.0).max() < 2e-3


def test_only_the_passes_asked_for_are_written() -> None:
    assert list(pass_parts(CLEVR, sampled(0), ("depth",), WIDTH, HEIGHT)) == ["depth.npy"]
    assert pass_parts(CLEVR, sampled(0), (), WIDTH, HEIGHT) == {}
