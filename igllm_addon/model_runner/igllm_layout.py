# SPDX-License-Identifier: GPL-3.0-or-later
"""IG-LLM's layout of a data set: a JSON file of labelled scenes, and their pictures in a tar or a folder. No torch.

    {images/train.tar or images/train/, labels/train.json}, or both beside each other; the JSON is a list of scenes or
    {"info": {...}, "scenes": [...]}; a scene has image_filename and objects; an object has pixel_coords [u, v, depth] and any of
    size, color, material, shape, 3d_coords, rotation.

Objects are taken left to right. What our shards have more is derived: the camera, where the label has none, is fitted to
pixel_coords and 3d_coords, because CLEVR's camera always looks at the origin; with it the scene is turned into the canonical
frame; an object's box is about that of a ball around its centre that touches the ground. `rotation` is a yaw in radians unless
info.rotation_unit says "degrees": CLEVR's released labels hold numbers up to 360 that its generator applied as radians.
"""

from __future__ import annotations

import io
import json
import math
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image
from scipy.optimize import least_squares

from ..core.errors import SceneError, UsageError
from ..core.frames import CLEVR_AZIMUTH_RADIANS, azimuth_canonical, focal_length_px, look_at_quaternion_wxyz, project
from ..core.rotations import FloatArray
from ..core.scene import Camera, Scene, SceneObject
from ..core.vocabulary import WORD_FIELDS, Vocabulary

_PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
_FIRST_GUESS = (CLEVR_AZIMUTH_RADIANS, 0.4943, 11.2637)  # azimuth, elevation, distance of CLEVR's camera before jitter
_WORST_FIT_PX = 3.0  # root mean square; the released pixel_coords are whole numbers


def labelled_pictures(labels: Path, vocabulary: Vocabulary) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """(picture file, label) of each labelled scene, the label with those keys of our shards' labels that training reads."""
    scenes, unit = _scenes_and_rotation_unit(labels)
    for name, picture in _pictures(labels):
        if (scene := scenes.pop(name, None)) is not None:
            yield picture, _label(scene, picture, unit, vocabulary, f"{labels}, {name}")
    if scenes:
        raise UsageError(
            f"{labels} labels {len(scenes)} pictures that are not there, such as {next(iter(scenes))}; complete them."
        )


def _scenes_and_rotation_unit(labels: Path) -> tuple[dict[str, dict[str, Any]], str]:
    try:
        value = json.loads(labels.read_text(encoding="utf-8"))
        scenes = value["scenes"] if isinstance(value, dict) else value
        unit = value.get("info", {}).get("rotation_unit", "radians") if isinstance(value, dict) else "radians"
        return {PurePosixPath(scene["image_filename"]).name: scene for scene in scenes}, unit
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, AttributeError) as caught:
        raise UsageError(
            f"{labels} is no file of labelled scenes ({caught}); expected a list of scenes with image_filename and objects."
        ) from caught


def _pictures(labels: Path) -> Iterator[tuple[str, bytes]]:
    """(file name, bytes) of the pictures that belong to a labels file."""
    folders = (labels.parent.parent / "images" / labels.stem, labels.with_suffix(""))
    for place in folders:
        if place.with_name(place.name + ".tar").is_file():
            yield from _tar_pictures(place.with_name(place.name + ".tar"))
            return
        if place.is_dir():
            yield from (
                (path.name, path.read_bytes()) for path in sorted(place.iterdir()) if path.suffix.lower() in _PICTURE_SUFFIXES
            )
            return
    raise UsageError(f"{labels} has no pictures: expected {folders[0]}.tar, the folder {folders[0]}, or {folders[1]}.tar.")


def _tar_pictures(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                extracted = archive.extractfile(member)
                if extracted is not None and member.name.lower().endswith(_PICTURE_SUFFIXES):
                    yield PurePosixPath(member.name).name, extracted.read()
    except (OSError, tarfile.TarError) as caught:
        raise UsageError(f"{path} is not a tar that can be read ({caught}); copy or generate it again.") from caught


def _label(scene: dict[str, Any], picture: bytes, unit: str, vocabulary: Vocabulary, where: str) -> dict[str, Any]:
    try:
        with Image.open(io.BytesIO(picture)) as image:
            width_px, height_px = image.size
        items = sorted(scene["objects"], key=lambda item: float(item["pixel_coords"][0]))
        objects = tuple(_object(item, unit, vocabulary, f"{where}: object {n}") for n, item in enumerate(items))
        pixels = [[float(number) for number in item["pixel_coords"]] for item in items]
        camera = _camera(scene["camera"]) if "camera" in scene else _fitted_camera(objects, pixels, width_px, height_px, where)
        turned = azimuth_canonical(Scene(objects, camera), CLEVR_AZIMUTH_RADIANS, vocabulary)
    except (KeyError, TypeError, ValueError, IndexError, OSError, SceneError) as caught:
        raise UsageError(f"{where} cannot be learned from ({caught!r}); docs/training.md says what a label needs.") from caught
    assert turned.camera is not None
    return {
        "objects": [
            _object_label(item, pixel, turned.camera, width_px, height_px)
            for item, pixel in zip(turned.objects, pixels, strict=True)
        ],
        "scene_canonical": {"camera": {"location": list(turned.camera.location)}},
    }


def _object(item: dict[str, Any], unit: str, vocabulary: Vocabulary, where: str) -> SceneObject:
    if missing := [key for key in (*vocabulary.words, "3d_coords") if key not in item]:
        raise UsageError(
            f"{where} has no {missing[0]!r}, which the stages tower and decoder need; the labels need it to be learned from."
        )
    words = {name: vocabulary.canonical_word_or_none(name, str(item[name])) for name in WORD_FIELDS if name in vocabulary.words}
    if strange := [name for name, word in words.items() if word is None]:
        raise UsageError(
            f"{where} has the {strange[0]} {item[strange[0]]!r}, expected one of {', '.join(vocabulary.words[strange[0]])}."
        )
    x, y, z = (float(number) for number in item["3d_coords"])
    rotation = None
    if vocabulary.carries_rotation(words.get("shape")) and ("yaw_radians" in item or "rotation" in item):
        yaw = float(item["yaw_radians"] if "yaw_radians" in item else item["rotation"])
        rotation = (math.radians(yaw) if unit == "degrees" and "yaw_radians" not in item else yaw,)
    every: dict[str, str | None] = dict.fromkeys(WORD_FIELDS)
    return SceneObject(location=(x, y, z), rotation=rotation, **(every | words))


def _camera(value: dict[str, Any]) -> Camera:
    x, y, z = value["location"]
    a, b, c, d = value["quaternion_wxyz"]
    return Camera((x, y, z), (a, b, c, d), float(value["focal_length_mm"]), float(value["sensor_width_mm"]))


def _fitted_camera(
    objects: tuple[SceneObject, ...], pixels: list[list[float]], width_px: int, height_px: int, where: str
) -> Camera:
    """The camera that looks at the origin and sees the objects' centres at their pixel_coords."""
    points = np.array([item.location for item in objects], dtype=np.float64).reshape(-1, 3)
    seen = np.array([pixel[:2] for pixel in pixels], dtype=np.float64).reshape(-1, 2)

    def misses(pose: FloatArray) -> FloatArray:
        found = project(_looking_at_origin(*pose), points, width_px, height_px)[:, :2]
        return np.nan_to_num(found - seen, nan=1.0e3).ravel()

    if len(objects) < 2:
        raise UsageError(
            f"{where} has no camera and {len(objects)} objects; with fewer than 2 the camera cannot be told from them."
        )
    fit = least_squares(misses, _FIRST_GUESS, x_scale=(0.03, 0.03, 0.3))
    if (error := math.sqrt(float(np.mean(fit.fun**2)))) > _WORST_FIT_PX:
        raise UsageError(
            f"{where} has no camera, and none that looks at the origin sees its objects at their pixel_coords (off by {error:.0f}"
            " pixels); a tower with CLEVR's geometry cannot learn from it."
        )
    return _looking_at_origin(*fit.x)


def _looking_at_origin(azimuth: float, elevation: float, distance: float) -> Camera:
    across = distance * math.cos(elevation)
    location = (across * math.cos(azimuth), across * math.sin(azimuth), distance * math.sin(elevation))
    return Camera(location, look_at_quaternion_wxyz(location, (0.0, 0.0, 0.0)))


def _object_label(item: SceneObject, pixel: list[float], camera: Camera, width_px: int, height_px: int) -> dict[str, Any]:
    assert item.location is not None
    u, v, depth = project(camera, [item.location], width_px, height_px)[0].tolist()
    reach = focal_length_px(camera, width_px) * item.location[2] / depth
    box = [max(0.0, u - reach), max(0.0, v - reach), min(float(width_px), u + reach), min(float(height_px), v + reach)]
    label: dict[str, Any] = {name: word for name in WORD_FIELDS if (word := getattr(item, name)) is not None}
    label |= {"3d_coords_canonical": list(item.location), "pixel_coords": pixel, "bbox_px": box}
    return label | ({"yaw_radians_canonical": item.rotation[0]} if item.rotation is not None else {})
