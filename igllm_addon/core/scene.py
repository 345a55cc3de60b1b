# SPDX-License-Identifier: GPL-3.0-or-later
"""A scene as data: the one truth that text, Blender and labels follow.

Frame: right-handed world, z up, ground at z = 0, lengths in Blender units (metres). Angles are radians, counter-clockwise
seen from the positive end of the axis. A camera looks along its local -z with local +y up (Blender's convention).
Pixels: u to the right and v downward from the picture's upper left corner, pixel centres at halves.

Values are frozen, hold only tuples, strings and floats, and compare by value. This module needs nothing but the standard library.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from .errors import SceneError

Vector3 = tuple[float, float, float]
QuaternionWxyz = tuple[float, float, float, float]


def _check_finite(values: tuple[float, ...], what: str) -> None:
    if not all(math.isfinite(value) for value in values):
        raise SceneError(f"{what} must be finite numbers, got {values}")


@dataclass(frozen=True, slots=True)
class SceneObject:
    """One object. A field that the template does not use, or that the picture cannot tell, is None.

    `rotation` holds the numbers in the encoding that the template's vocabulary names: one number is a yaw about +z in
    radians (CLEVR cubes), three are Euler angles or a rotation vector, six are the first two rows of the matrix.
    `texture` says how a mesh's own colours are changed, such as "hue120" for a turn of the hue by 120 degrees; graphics code does
    not tell it.
    """

    shape: str | None = None
    size: str | None = None
    color: str | None = None
    material: str | None = None
    location: Vector3 | None = None
    rotation: tuple[float, ...] | None = None
    texture: str | None = None

    def __post_init__(self) -> None:
        _check_finite(self.location or (), "an object's location")
        _check_finite(self.rotation or (), "an object's rotation")


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera with square pixels; its sensor width spans the picture's width, whatever the aspect ratio."""

    location: Vector3
    quaternion_wxyz: QuaternionWxyz
    focal_length_mm: float = 35.0
    sensor_width_mm: float = 32.0

    def __post_init__(self) -> None:
        _check_finite(self.location + self.quaternion_wxyz, "a camera's pose")
        if not (math.isfinite(self.focal_length_mm) and self.focal_length_mm > 0.0):
            raise SceneError(f"a camera's focal length must be positive, got {self.focal_length_mm}")
        if not (math.isfinite(self.sensor_width_mm) and self.sensor_width_mm > 0.0):
            raise SceneError(f"a camera's sensor width must be positive, got {self.sensor_width_mm}")


@dataclass(frozen=True, slots=True)
class Light:
    """A lamp. `power` is watts for kind "area" and irradiance (W/m²) for kind "sun"; `size` is the edge of a square area
    in metres, or the sun's angle in radians; `color_rgb` is linear."""

    name: str
    kind: str
    location: Vector3
    quaternion_wxyz: QuaternionWxyz
    power: float
    size: float
    color_rgb: Vector3 = (1.0, 1.0, 1.0)

    def __post_init__(self) -> None:
        if self.kind not in ("area", "sun"):
            raise SceneError(f"a light's kind must be 'area' or 'sun', got {self.kind!r}")
        _check_finite((*self.location, *self.quaternion_wxyz, self.power, self.size, *self.color_rgb), f"light {self.name!r}")


@dataclass(frozen=True, slots=True)
class Scene:
    """Objects in the order in which graphics code lists them, and how they are seen and lit. `backdrop` names what stands behind
    them where a template has several backdrops; graphics code does not tell it."""

    objects: tuple[SceneObject, ...] = ()
    camera: Camera | None = None
    lights: tuple[Light, ...] = ()
    backdrop: str | None = None
