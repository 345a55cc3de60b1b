# SPDX-License-Identifier: GPL-3.0-or-later
"""The label of one sample, and the randomness it hangs on. No bpy: a label depends on nothing but its arguments.

A sample is named by (seed, split, index). Its scene and its render noise come from two independent streams of that name, so any
sample can be made alone, in any order, by any number of workers. docs/data.md describes every key of a label.
"""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.errors import SceneError
from ..core.frames import project
from ..core.graphics_code import serialize
from ..core.scene import Scene, SceneObject
from ..core.scene_json import scene_to_json
from ..core.vocabulary import WORD_FIELDS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .render_options import RenderOptions
    from .template import Template

FORMAT = "igllm-label"
VERSION = 1


def _stream(seed: int, split: str, index: int, *part: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(zlib.crc32(split.encode()), index, *part))


def scene_rng(seed: int, split: str, index: int) -> np.random.Generator:
    """The generator from which the sample's scene is drawn."""
    return np.random.default_rng(_stream(seed, split, index))


def cycles_seed(seed: int, split: str, index: int) -> int:
    """The sample's noise pattern, in [0, 2**31): what RenderOptions.seed is set to."""
    return int(_stream(seed, split, index, 1).generate_state(1)[0] >> 1)


def code_of(template: Template, scene: Scene) -> str:
    """The sample's graphics code: canonical text in the frame that the picture determines."""
    return serialize(template.in_code(template.canonical(scene)), template.vocabulary)


def label_of(
    template: Template,
    scene: Scene,
    *,
    split: str,
    seed: int,
    index: int,
    render: RenderOptions,
    options: Any,
    blender_version: str,
) -> dict[str, Any]:
    """The label of a sample, ready for label_bytes. `scene` is in the world frame and has a camera; `render` is how it was
    rendered, its seed included."""
    canonical = template.canonical(scene)
    return {
        "format": FORMAT,
        "version": VERSION,
        "template": template.name,
        "split": split,
        "seed": seed,
        "index": index,
        "blender_version": blender_version,
        "render": {
            "engine": render.engine,
            "samples": render.samples,
            "denoise": render.denoise,
            "width_px": render.width_px,
            "height_px": render.height_px,
            "cycles_seed": render.seed,
        },
        "options": asdict(options),
        "scene": scene_to_json(scene),
        "scene_canonical": scene_to_json(canonical),
        "objects": _objects_of(template, scene, canonical, render),
    }


def label_bytes(label: dict[str, Any]) -> bytes:
    """The label's one text: sorted keys, no spaces, shortest numbers that read back exactly."""
    return json.dumps(label, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _objects_of(template: Template, scene: Scene, canonical: Scene, render: RenderOptions) -> list[dict[str, Any]]:
    if scene.camera is None:
        raise SceneError("a scene without a camera has no label")
    locations = np.array([item.location for item in scene.objects], dtype=np.float64).reshape(-1, 3)
    pixels = project(scene.camera, locations, render.width_px, render.height_px)
    instances = template.instance_map(scene, render.width_px, render.height_px)
    return [
        template.object_facts(item) | _object_label(item, turned, pixels[number - 1].tolist(), instances == number)
        for number, (item, turned) in enumerate(zip(scene.objects, canonical.objects, strict=True), start=1)
    ]


def _object_label(item: SceneObject, turned: SceneObject, pixel: list[float], visible: NDArray[np.bool_]) -> dict[str, Any]:
    """`turned` is the object in the canonical frame, `visible` the (height, width) picture of its visible pixels."""
    words = {name: getattr(item, name) for name in (*WORD_FIELDS, "texture")}
    label: dict[str, Any] = {name: word for name, word in words.items() if word is not None}
    label |= {
        "3d_coords": list(item.location or ()),
        "3d_coords_canonical": list(turned.location or ()),
        "pixel_coords": pixel,
        "bbox_px": bounding_box_px_or_none(visible),
        "visible_pixels": int(visible.sum()),
    }
    if item.rotation is not None and turned.rotation is not None:
        if len(item.rotation) == 1:
            label["yaw_radians"], label["yaw_radians_canonical"] = item.rotation[0], turned.rotation[0]
        else:
            label["rotation"] = list(item.rotation)
    return label


def bounding_box_px_or_none(visible: NDArray[np.bool_]) -> list[int] | None:
    """[x0, y0, x1, y1], half open, of the true pixels of (height, width); None where there are none."""
    if not visible.any():
        return None
    rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
    return [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]
