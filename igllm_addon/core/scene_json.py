# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene as JSON data and back, without loss. Standard library only.

    {"objects": [{"shape": str, "size": str, "color": str, "material": str, "location": [x, y, z], "rotation": [number, ...],
                  "texture": str}],
     "camera": {"location": [x, y, z], "quaternion_wxyz": [w, x, y, z], "focal_length_mm": number, "sensor_width_mm": number},
     "lights": [{"name": str, "kind": "area" or "sun", "location": [x, y, z], "quaternion_wxyz": [w, x, y, z],
                 "power": number, "size": number, "color_rgb": [r, g, b]}],
     "backdrop": str}

An object leaves out what is None, "camera" is null where there is none, and "backdrop" is left out; every other key is
required. Units and axes are those of scene.py. Reading is strict: a key that is unknown or missing and a value of another type
raise SceneError, and its sentence names the place, as in objects[2].location.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TypeAlias

from .errors import SceneError
from .scene import Camera, Light, Scene, SceneObject
from .vocabulary import WORD_FIELDS

Json: TypeAlias = dict[str, "Json"] | list["Json"] | str | int | float | bool | None

_SCENE_KEYS = ("objects", "camera", "lights")
_OBJECT_KEYS = ("shape", "size", "color", "material", "location", "rotation", "texture")
_CAMERA_KEYS = ("location", "quaternion_wxyz", "focal_length_mm", "sensor_width_mm")
_LIGHT_KEYS = ("name", "kind", "location", "quaternion_wxyz", "power", "size", "color_rgb")


def scene_to_json(scene: Scene) -> dict[str, Json]:
    """Plain dictionaries, lists, strings and floats, ready for json.dumps."""
    value: dict[str, Json] = {
        "objects": [_record(item, _OBJECT_KEYS) for item in scene.objects],
        "camera": None if scene.camera is None else _record(scene.camera, _CAMERA_KEYS),
        "lights": [_record(light, _LIGHT_KEYS) for light in scene.lights],
    }
    return value if scene.backdrop is None else {**value, "backdrop": scene.backdrop}


def scene_from_json(data: object) -> Scene:
    """The scene that scene_to_json was given; `data` is what json.loads returns."""
    record = _dictionary(data, "the scene", required=_SCENE_KEYS, optional=("backdrop",))
    objects, lights = _list(record["objects"], "objects"), _list(record["lights"], "lights")
    return Scene(
        objects=tuple(_object(item, f"objects[{index}]") for index, item in enumerate(objects)),
        camera=None if record["camera"] is None else _camera(record["camera"]),
        lights=tuple(_light(item, f"lights[{index}]") for index, item in enumerate(lights)),
        backdrop=_text(record["backdrop"], "backdrop") if "backdrop" in record else None,
    )


def _record(value: SceneObject | Camera | Light, keys: tuple[str, ...]) -> dict[str, Json]:
    fields = ((key, getattr(value, key)) for key in keys)
    return {key: _plain(field) for key, field in fields if field is not None}


def _plain(field: str | float | tuple[float, ...]) -> Json:
    # json.dumps knows no numpy number, and a scene may have been built from some.
    if isinstance(field, tuple):
        return [float(number) for number in field]
    return field if isinstance(field, str) else float(field)


def _object(data: object, path: str) -> SceneObject:
    record = _dictionary(data, path, optional=_OBJECT_KEYS)
    words = {key: _text(record[key], f"{path}.{key}") for key in (*WORD_FIELDS, "texture") if key in record}
    location = rotation = None
    if "location" in record:
        x, y, z = _numbers(record["location"], f"{path}.location", 3)
        location = (x, y, z)
    if "rotation" in record:
        rotation = _numbers(record["rotation"], f"{path}.rotation")
    return SceneObject(location=location, rotation=rotation, **words)


def _camera(data: object) -> Camera:
    record = _dictionary(data, "camera", required=_CAMERA_KEYS)
    x, y, z = _numbers(record["location"], "camera.location", 3)
    qw, qx, qy, qz = _numbers(record["quaternion_wxyz"], "camera.quaternion_wxyz", 4)
    focal_length_mm = _number(record["focal_length_mm"], "camera.focal_length_mm")
    sensor_width_mm = _number(record["sensor_width_mm"], "camera.sensor_width_mm")
    return Camera((x, y, z), (qw, qx, qy, qz), focal_length_mm, sensor_width_mm)


def _light(data: object, path: str) -> Light:
    record = _dictionary(data, path, required=_LIGHT_KEYS)
    x, y, z = _numbers(record["location"], f"{path}.location", 3)
    qw, qx, qy, qz = _numbers(record["quaternion_wxyz"], f"{path}.quaternion_wxyz", 4)
    r, g, b = _numbers(record["color_rgb"], f"{path}.color_rgb", 3)
    return Light(
        name=_text(record["name"], f"{path}.name"),
        kind=_text(record["kind"], f"{path}.kind"),
        location=(x, y, z),
        quaternion_wxyz=(qw, qx, qy, qz),
        power=_number(record["power"], f"{path}.power"),
        size=_number(record["size"], f"{path}.size"),
        color_rgb=(r, g, b),
    )


def _dictionary(data: object, path: str, required: tuple[str, ...] = (), optional: tuple[str, ...] = ()) -> Mapping[str, object]:
    if not isinstance(data, dict):
        raise SceneError(f"{path} must be an object with keys, got {_shown(data)}")
    for key in data:
        if key not in required and key not in optional:
            raise SceneError(f"{path} has the unknown key {_shown(key)}; the keys are {', '.join(required + optional)}")
    for key in required:
        if key not in data:
            raise SceneError(f"{path} lacks the key {key!r}; the keys are {', '.join(required + optional)}")
    return data


def _list(data: object, path: str) -> list[object]:
    if not isinstance(data, list):
        raise SceneError(f"{path} must be a list, got {_shown(data)}")
    return data


def _text(data: object, path: str) -> str:
    if not isinstance(data, str):
        raise SceneError(f"{path} must be a string, got {_shown(data)}")
    return data


def _number(data: object, path: str) -> float:
    # A bool is an int to Python, an int may be too large for a float, and nan is not at most anything.
    if isinstance(data, bool) or not isinstance(data, int | float) or not abs(data) <= sys.float_info.max:
        raise SceneError(f"{path} must be a finite number, got {_shown(data)}")
    return float(data)


def _numbers(data: object, path: str, length: int | None = None) -> tuple[float, ...]:
    values = _list(data, path)
    if length is not None and len(values) != length:
        raise SceneError(f"{path} must hold {length} numbers, got {len(values)}")
    return tuple(_number(value, f"{path}[{index}]") for index, value in enumerate(values))


def _shown(data: object) -> str:
    """A value's beginning, whatever its size: a short text of a scalar, the type of anything that can be large."""
    if isinstance(data, str):
        return ascii(data[:40])
    return repr(data) if isinstance(data, float | bool | None) else f"a value of type {type(data).__name__}"
