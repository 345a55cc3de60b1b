# SPDX-License-Identifier: GPL-3.0-or-later
"""Scenes as JSON values: scene_to_json and scene_from_json. Standard library only.

A scene is {"objects": [...], "camera": {...}, "lights": [...]}, each part an object with the fields of its class in scene.py,
under the same names and in the same units. A field that is None is left out, and so is a camera that a scene does not have.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .errors import SceneError
from .scene import Camera, Light, Scene, SceneObject

_WORDS = ("shape", "size", "color", "material")


def scene_to_json(scene: Scene) -> dict[str, Any]:
    """The scene as dictionaries, lists, strings and floats, ready for json.dumps."""
    value: dict[str, Any] = {
        "objects": [_object_to_json(item) for item in scene.objects],
        "lights": [_light_to_json(light) for light in scene.lights],
    }
    if scene.camera is not None:
        value["camera"] = _camera_to_json(scene.camera)
    return value


def scene_from_json(value: Any) -> Scene:
    """The scene that scene_to_json wrote; anything else raises a SceneError that names the place."""
    scene = _mapping(value, "a scene", {"objects", "camera", "lights"})
    camera = scene.get("camera")
    return Scene(
        objects=tuple(_object_from_json(item, f"object {n}") for n, item in enumerate(_list(scene, "objects"), start=1)),
        camera=None if camera is None else _camera_from_json(camera),
        lights=tuple(_light_from_json(item, f"light {n}") for n, item in enumerate(_list(scene, "lights"), start=1)),
    )


def _object_to_json(item: SceneObject) -> dict[str, Any]:
    value: dict[str, Any] = {name: word for name in _WORDS if (word := getattr(item, name)) is not None}
    if item.location is not None:
        value["location"] = _floats(item.location)
    if item.rotation is not None:
        value["rotation"] = _floats(item.rotation)
    return value


def _camera_to_json(camera: Camera) -> dict[str, Any]:
    return {
        "location": _floats(camera.location),
        "quaternion_wxyz": _floats(camera.quaternion_wxyz),
        "focal_length_mm": float(camera.focal_length_mm),
        "sensor_width_mm": float(camera.sensor_width_mm),
    }


def _light_to_json(light: Light) -> dict[str, Any]:
    return {
        "name": light.name,
        "kind": light.kind,
        "location": _floats(light.location),
        "quaternion_wxyz": _floats(light.quaternion_wxyz),
        "power": float(light.power),
        "size": float(light.size),
        "color_rgb": _floats(light.color_rgb),
    }


def _object_from_json(value: Any, what: str) -> SceneObject:
    item = _mapping(value, what, {*_WORDS, "location", "rotation"})
    words = {name: _text(item, name, what) for name in _WORDS if item.get(name) is not None}
    location = _numbers(item, "location", what, 3) if item.get("location") is not None else None
    rotation = _numbers(item, "rotation", what, None) if item.get("rotation") is not None else None
    return SceneObject(**words, location=location, rotation=rotation)  # type: ignore[arg-type]


def _camera_from_json(value: Any) -> Camera:
    what = "the camera"
    camera = _mapping(value, what, {"location", "quaternion_wxyz", "focal_length_mm", "sensor_width_mm"})
    return Camera(
        _numbers(camera, "location", what, 3),  # type: ignore[arg-type]
        _numbers(camera, "quaternion_wxyz", what, 4),  # type: ignore[arg-type]
        _number(camera, "focal_length_mm", what),
        _number(camera, "sensor_width_mm", what),
    )


def _light_from_json(value: Any, what: str) -> Light:
    light = _mapping(value, what, {"name", "kind", "location", "quaternion_wxyz", "power", "size", "color_rgb"})
    return Light(
        _text(light, "name", what),
        _text(light, "kind", what),
        _numbers(light, "location", what, 3),  # type: ignore[arg-type]
        _numbers(light, "quaternion_wxyz", what, 4),  # type: ignore[arg-type]
        _number(light, "power", what),
        _number(light, "size", what),
        _numbers(light, "color_rgb", what, 3),  # type: ignore[arg-type]
    )


def _floats(values: tuple[float, ...]) -> list[float]:
    return [float(value) for value in values]


def _mapping(value: Any, what: str, known: set[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise SceneError(f"{what} must be a JSON object, got {type(value).__name__}")
    if unknown := sorted(set(value) - known):
        raise SceneError(f"{what} has the unknown field {unknown[0]!r}; known are {', '.join(sorted(known))}")
    return value


def _list(value: Mapping[str, Any], name: str) -> list[Any]:
    found = value.get(name, [])
    if not isinstance(found, list):
        raise SceneError(f"a scene's {name} must be a list, got {type(found).__name__}")
    return found


def _text(value: Mapping[str, Any], name: str, what: str) -> str:
    found = value.get(name)
    if not isinstance(found, str):
        raise SceneError(f"{what} needs a text as its {name}, got {found!r}")
    return found


def _number(value: Mapping[str, Any], name: str, what: str) -> float:
    found = value.get(name)
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not _is_finite(found):
        raise SceneError(f"{what} needs a finite number as its {name}, got {found!r}")
    return float(found)


def _numbers(value: Mapping[str, Any], name: str, what: str, length: int | None) -> tuple[float, ...]:
    found = value.get(name)
    if not isinstance(found, list) or (length is not None and len(found) != length):
        raise SceneError(f"{what} needs {length or 'some'} numbers as its {name}, got {found!r}")
    return tuple(_number({name: entry}, name, what) for entry in found)


def _is_finite(number: int | float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:  # an integer beyond every float
        return False
