# SPDX-License-Identifier: GPL-3.0-or-later
"""Sampling of CLEVR scenes by the rules of its generator (clevr-dataset-gen, image_generation/render_images.py). No bpy.

All randomness comes from the generator that is passed in; visibility is geometry (visibility.py), so a scene depends on nothing
but (rng, options): not on Blender, its version, or the machine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...core.errors import UsageError
from ...core.frames import look_at_quaternion_wxyz, project
from ...core.rotations import matrix_from_euler_extrinsic_xyz, quaternion_wxyz_from_matrix
from ...core.scene import Camera, Light, Scene, SceneObject
from ...core.vocabulary import CLEVR
from ..visibility import Solid, instance_map
from . import constants
from .shapes import BOUNDING_RADII, SIGNED_DISTANCES

_COGENT_CUBE_COLORS_A = ("gray", "blue", "brown", "yellow")
_COGENT_CYLINDER_COLORS_A = ("red", "green", "purple", "cyan")
_COLORS = CLEVR.words["color"]

# condition -> shape -> colours that it may have
COLORS_BY_CONDITION: dict[str, dict[str, tuple[str, ...]]] = {
    "full": {"cube": _COLORS, "sphere": _COLORS, "cylinder": _COLORS},
    "cogent_a": {"cube": _COGENT_CUBE_COLORS_A, "sphere": _COLORS, "cylinder": _COGENT_CYLINDER_COLORS_A},
    "cogent_b": {"cube": _COGENT_CYLINDER_COLORS_A, "sphere": _COLORS, "cylinder": _COGENT_CUBE_COLORS_A},
}
CAMERAS = ("jittered", "fixed", "mixed")


@dataclass(frozen=True)
class ClevrOptions:
    """condition: one of COLORS_BY_CONDITION. camera: "jittered" and "fixed" as in CLEVR, "mixed" is either, evenly.
    aspect: picture height over width; visibility is judged on a picture 320 pixels wide."""

    condition: str = "full"
    camera: str = "jittered"
    aspect: float = 0.75

    def __post_init__(self) -> None:
        if self.condition not in COLORS_BY_CONDITION:
            raise UsageError(f"CLEVR has no condition {self.condition!r}; choose one of {', '.join(COLORS_BY_CONDITION)}.")
        if self.camera not in CAMERAS:
            raise UsageError(f"CLEVR has no camera {self.camera!r}; choose one of {', '.join(CAMERAS)}.")


def sample(rng: np.random.Generator, options: ClevrOptions) -> Scene:
    """One scene in CLEVR's world frame, objects ordered left to right in the picture, with its camera and lights."""
    jittered = bool(rng.random() < 0.5) if options.camera == "mixed" else options.camera == "jittered"
    camera = _sample_camera(rng, jittered)
    lights = _sample_lights(rng)
    width_px = constants.VISIBILITY_WIDTH_PX
    height_px = round(width_px * options.aspect)
    count = int(rng.integers(constants.OBJECT_COUNT_RANGE[0], constants.OBJECT_COUNT_RANGE[1] + 1))
    while True:
        objects = _sample_objects_or_none(rng, count, COLORS_BY_CONDITION[options.condition])
        if objects is None:
            continue
        instances = instance_map(camera, [solid_of(item) for item in objects], width_px, height_px)
        counts = np.bincount(instances.ravel(), minlength=len(objects) + 1)[1:]
        if counts.min() >= constants.MINIMUM_VISIBLE_PIXELS:
            return Scene(left_to_right(objects, camera), camera, lights)


def left_to_right(objects: tuple[SceneObject, ...], camera: Camera) -> tuple[SceneObject, ...]:
    """Objects by the pixel column of their centres, the order in which IG-LLM writes programs."""
    locations = np.array([item.location for item in objects]).reshape(-1, 3)
    columns = project(camera, locations, constants.VISIBILITY_WIDTH_PX, constants.VISIBILITY_WIDTH_PX)[:, 0]
    return tuple(objects[index] for index in np.argsort(columns, kind="stable"))


def solid_of(item: SceneObject) -> Solid:
    """The object as visibility.py wants it."""
    if item.shape is None or item.size is None or item.location is None:
        raise UsageError(f"A CLEVR object needs a shape, a size and a location, got {item}.")
    yaw = item.rotation[0] if item.rotation else 0.0
    cos, sin = math.cos(yaw), math.sin(yaw)
    matrix = np.array([[cos, -sin, 0.0], [sin, cos, 0.0], [0.0, 0.0, 1.0]])
    return Solid(
        SIGNED_DISTANCES[item.shape], item.location, matrix, constants.HALF_EXTENTS[item.size], BOUNDING_RADII[item.shape]
    )


def canonical_camera() -> Camera:
    """CLEVR's own camera, unjittered."""
    return _camera_at(np.array(constants.CAMERA_LOCATION))


def _camera_at(location: NDArray[np.float64]) -> Camera:
    position = (float(location[0]), float(location[1]), float(location[2]))
    return Camera(
        position, look_at_quaternion_wxyz(position, (0.0, 0.0, 0.0)), constants.FOCAL_LENGTH_MM, constants.SENSOR_WIDTH_MM
    )


def _sample_camera(rng: np.random.Generator, jittered: bool) -> Camera:
    jitter = rng.uniform(-constants.CAMERA_JITTER, constants.CAMERA_JITTER, 3) if jittered else np.zeros(3)
    return _camera_at(np.array(constants.CAMERA_LOCATION) + jitter)


def _sample_lights(rng: np.random.Generator) -> tuple[Light, ...]:
    lights = []
    for name, location, power, size, color in constants.AREA_LIGHTS:
        position = np.array(location) + rng.uniform(-constants.LIGHT_JITTER, constants.LIGHT_JITTER, 3)
        x, y, z = (float(value) for value in position)
        lights.append(Light(name, "area", (x, y, z), look_at_quaternion_wxyz((x, y, z), (0.0, 0.0, 0.0)), power, size, color))
    return (*lights, sun())


def sun() -> Light:
    """CLEVR's sun, which is never jittered."""
    matrix = matrix_from_euler_extrinsic_xyz(np.array(constants.SUN_ROTATION_EULER_XYZ))
    w, x, y, z = (float(value) for value in quaternion_wxyz_from_matrix(matrix))
    return Light("Sun", "sun", (0.0, 0.0, 8.0), (w, x, y, z), constants.SUN_STRENGTH, constants.SUN_ANGLE_RADIANS)


def _sample_objects_or_none(
    rng: np.random.Generator, count: int, colors_by_shape: dict[str, tuple[str, ...]]
) -> tuple[SceneObject, ...] | None:
    """`count` objects in sampling order, or None where one of them found no place in its tries."""
    objects: list[SceneObject] = []
    placed: list[tuple[float, float, float]] = []  # x, y, half extent
    for _ in range(count):
        size = _choice(rng, CLEVR.words["size"])
        half_extent = constants.HALF_EXTENTS[size]
        place = _free_place_or_none(rng, placed, half_extent)
        if place is None:
            return None
        placed.append((*place, half_extent))
        shape = _choice(rng, CLEVR.words["shape"])
        color = _choice(rng, colors_by_shape[shape])
        material = _choice(rng, CLEVR.words["material"])
        yaw = float(rng.uniform(0.0, 2.0 * math.pi))
        objects.append(
            SceneObject(
                shape=shape,
                size=size,
                color=color,
                material=material,
                location=(*place, half_extent),
                rotation=(_quarter_turn_wrapped(yaw),) if CLEVR.carries_rotation(shape) else None,
            )
        )
    return tuple(objects)


def _choice(rng: np.random.Generator, words: tuple[str, ...]) -> str:
    """The draw of rng.choice(words), without making an array of the words each time."""
    return words[int(rng.integers(len(words)))]


def _quarter_turn_wrapped(yaw: float) -> float:
    """A cube's yaw in [-π/4, π/4): the picture knows it modulo a quarter turn."""
    return (yaw + math.pi / 4.0) % (math.pi / 2.0) - math.pi / 4.0


def _free_place_or_none(
    rng: np.random.Generator, placed: list[tuple[float, float, float]], half_extent: float
) -> tuple[float, float] | None:
    for _ in range(constants.TRIES_PER_OBJECT):
        x, y = (float(value) for value in rng.uniform(-constants.POSITION_LIMIT, constants.POSITION_LIMIT, 2))
        if all(_is_clear(x, y, half_extent, *other) for other in placed):
            return x, y
    return None


def _is_clear(x: float, y: float, half_extent: float, other_x: float, other_y: float, other_half_extent: float) -> bool:
    dx, dy = x - other_x, y - other_y
    if math.hypot(dx, dy) - half_extent - other_half_extent < constants.MARGIN_BETWEEN_OBJECTS:
        return False
    across = abs(dx * constants.RIGHT_XY[0] + dy * constants.RIGHT_XY[1])
    along = abs(dx * constants.FRONT_XY[0] + dy * constants.FRONT_XY[1])
    return across >= constants.MARGIN_ALONG_DIRECTIONS and along >= constants.MARGIN_ALONG_DIRECTIONS
