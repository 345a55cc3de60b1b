# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in one Blender: do generated samples, their labels and this Blender agree? Prints one line of JSON.

    python tests/versions/check_version.py -- DATA            with the bpy wheel
    blender --background --python tests/versions/check_version.py -- DATA

DATA is the folder of a small `igllm generate` run with all passes. Needs nothing but Blender's own Python and numpy.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import sys
import tarfile
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE.parents[1]), str(HERE.parent / "bpy")]

import bpy  # noqa: E402  (the path must be set first)
import numpy as np  # noqa: E402
from cycles_passes import render_passes  # noqa: E402

from igllm_addon.core.graphics_code import parse  # noqa: E402
from igllm_addon.core.scene import Scene  # noqa: E402
from igllm_addon.core.scene_json import scene_from_json  # noqa: E402
from igllm_addon.render_templates.render import RenderOptions, apply_options  # noqa: E402
from igllm_addon.render_templates.template import template_named  # noqa: E402

CLEVR = template_named("clevr")


def samples_of(folder: Path) -> list[dict[str, bytes]]:
    samples: dict[str, dict[str, bytes]] = {}
    for shard in sorted(folder.glob("*.tar")):
        with tarfile.open(shard) as archive:
            for member in archive.getmembers():
                key, _, extension = member.name.partition(".")
                file = archive.extractfile(member)
                assert file is not None
                samples.setdefault(key, {})[extension] = file.read()
    return list(samples.values())


def built(scene: Scene) -> bpy.types.Collection:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    CLEVR.blender_side().prepare_world(bpy.context.scene)
    collection = bpy.data.collections.new("check")
    bpy.context.scene.collection.children.link(collection)
    CLEVR.blender_side().build(scene, collection)
    bpy.context.scene.camera = next(item for item in collection.objects if item.type == "CAMERA")
    return collection


def round_trip_error(scene: Scene) -> float:
    """The largest difference between the scene and what this Blender holds of it; infinite where a word differs."""
    read = CLEVR.blender_side().read_scene(built(scene))
    words = [(item.shape, item.size, item.color, item.material) for item in scene.objects]
    if words != [(item.shape, item.size, item.color, item.material) for item in read.objects]:
        return float("inf")
    return float(np.abs(numbers_of(scene) - numbers_of(read)).max())


def numbers_of(scene: Scene) -> np.ndarray:
    assert scene.camera is not None
    objects = [value for item in scene.objects for value in (*(item.location or ()), *(item.rotation or ()))]
    lights = [value for light in scene.lights for value in (*light.location, *light.quaternion_wxyz, light.power, light.size)]
    return np.array([*objects, *lights, *scene.camera.location, *scene.camera.quaternion_wxyz])


def worst_overlap(scene: Scene, instances: np.ndarray) -> float:
    """The smallest IoU of an object's mask with the one that this Blender's Cycles renders."""
    collection = built(scene)
    shown = [item for item in collection.objects if item.type == "MESH" and item.name != "Ground"]
    for number, item in enumerate(shown, start=1):
        item.pass_index = number
    height, width = instances.shape
    apply_options(bpy.context.scene, RenderOptions(width, height, samples=1))
    with tempfile.TemporaryDirectory() as folder:
        index = render_passes(bpy.context.scene, Path(folder) / "passes.exr")["index"]
    numbers = np.arange(1, len(scene.objects) + 1)[:, None, None]
    mine, theirs = instances == numbers, index == numbers
    return float(((mine & theirs).sum(axis=(1, 2)) / (mine | theirs).sum(axis=(1, 2))).min())


def scenes_text(scenes: list[Scene]) -> str:
    """The scenes without their last digits, in which numpy builds with different BLAS libraries differ."""
    words = [(item.shape, item.size, item.color, item.material) for scene in scenes for item in scene.objects]
    return repr(words) + repr([[f"{value:.9f}" for value in numbers_of(scene)] for scene in scenes])


def mask_of(sample: dict[str, bytes]) -> np.ndarray:
    """The instance mask, read by this Blender itself."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mask.png"
        path.write_bytes(sample["instances.png"])
        image = bpy.data.images.load(str(path))
        image.colorspace_settings.name = "Non-Color"
        values = np.empty(image.size[0] * image.size[1] * 4, dtype=np.float32)
        image.pixels.foreach_get(values)
        pixels = values.reshape(image.size[1], image.size[0], 4)[::-1, :, 0]
        bpy.data.images.remove(image)
    return np.round(pixels * 255.0).astype(int)


def picture_mean(sample: dict[str, bytes], folder: Path) -> float:
    path = folder / "picture.png"
    path.write_bytes(sample["png"])
    image = bpy.data.images.load(str(path))
    values = np.empty(image.size[0] * image.size[1] * 4, dtype=np.float32)
    image.pixels.foreach_get(values)
    bpy.data.images.remove(image)
    return float(values.reshape(-1, 4)[:, :3].mean() * 255.0)


def main() -> int:
    data = Path(sys.argv[sys.argv.index("--") + 1]) / "train"
    samples = samples_of(data)
    labels = [json.loads(sample["json"]) for sample in samples]
    scenes = [scene_from_json(label["scene"]) for label in labels]
    version = ".".join(str(number) for number in bpy.app.version)
    assert {label["blender_version"] for label in labels} == {version}, "a label names another Blender"
    assert all(parse(sample["code.txt"].decode(), CLEVR.vocabulary).error is None for sample in samples)
    assert all(np.load(io.BytesIO(sample["depth.npy"])).dtype == np.float32 for sample in samples)
    with tempfile.TemporaryDirectory() as folder:
        means = [picture_mean(sample, Path(folder)) for sample in samples]
    found = {
        "blender": bpy.app.version_string,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "samples": len(samples),
        "round_trip": max(round_trip_error(scene) for scene in scenes),
        "worst_iou": min(worst_overlap(scene, mask_of(sample)) for scene, sample in zip(scenes, samples, strict=True)),
        "mean": sum(means) / len(means),
        "scenes": hashlib.sha256(scenes_text(scenes).encode()).hexdigest()[:12],
        "pictures": hashlib.sha256(b"".join(sample["png"] for sample in samples)).hexdigest()[:12],
    }
    print("FOUND " + json.dumps(found), flush=True)
    return 0 if found["round_trip"] < 1e-5 and found["worst_iou"] > 0.9 else 1


if __name__ == "__main__":
    sys.exit(main())
