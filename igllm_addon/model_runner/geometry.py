# SPDX-License-Identifier: GPL-3.0-or-later
"""From the picture to the ground and back, differentiably: core/frames.py for tensors and a camera that looks at the origin.

Letters: N points. A place in the picture is (x, y) in units of the focal length from the picture's centre, y upward; so it
does not depend on the picture's size or aspect. The camera stands at `distance` (N,) metres from the origin and at the angle
`elevation` (N,) over the ground.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..core.frames import look_at_quaternion_wxyz
from ..core.scene import Camera
from .config import GeometryConfig

# Rays that climb, or fall less than this per unit of depth, meet the ground too far away to matter.
_LEAST_FALL = 0.05


def focal_length_px(geometry: GeometryConfig, width_px: int) -> float:
    """The focal length in pixels of a picture this wide."""
    return width_px * geometry.focal_length_mm / geometry.sensor_width_mm


def ground_xy(geometry: GeometryConfig, place: Tensor, height: Tensor, distance: Tensor, elevation: Tensor) -> Tensor:
    """Where the rays through `place` (N, 2) meet the height z = `height` (N,): world x, y (N, 2) in the canonical frame."""
    cosine, sine = torch.cos(elevation), torch.sin(elevation)
    fall = (cosine * place[:, 1] - sine).clamp(max=-_LEAST_FALL)
    depth = (height - distance * sine) / fall
    # Along the horizontal direction from the camera's foot to the origin, and to the right of it.
    ahead = depth * (cosine + sine * place[:, 1]) - distance * cosine
    right = depth * place[:, 0]
    toward_x, toward_y = -math.cos(geometry.azimuth_radians), -math.sin(geometry.azimuth_radians)
    return torch.stack([ahead * toward_x + right * toward_y, ahead * toward_y - right * toward_x], dim=1)


def usual_depth(geometry: GeometryConfig, place: Tensor, height: Tensor) -> Tensor:
    """How deep (N,) the point at `place` (N, 2) and at the height z = `height` (N,) lies if the camera stands in the middle."""
    cosine, sine = math.cos(geometry.elevation_radians), math.sin(geometry.elevation_radians)
    return (height - geometry.distance_m * sine) / (cosine * place[:, 1] - sine).clamp(max=-_LEAST_FALL)


def camera_distance(place: Tensor, height: Tensor, depth: Tensor, elevation: Tensor) -> Tensor:
    """How far (N,) the camera is from the origin if the point at `place` (N, 2) and the height z (N,) lies `depth` (N,) deep."""
    cosine, sine = torch.cos(elevation), torch.sin(elevation)
    return (height - depth * (cosine * place[:, 1] - sine)) / sine.clamp(min=_LEAST_FALL)


def camera_at(geometry: GeometryConfig, distance: float, elevation: float) -> Camera:
    """The camera that looks at the origin from the canonical azimuth."""
    horizontal = distance * math.cos(elevation)
    location = (
        horizontal * math.cos(geometry.azimuth_radians),
        horizontal * math.sin(geometry.azimuth_radians),
        distance * math.sin(elevation),
    )
    rotation = look_at_quaternion_wxyz(location, (0.0, 0.0, 0.0))
    return Camera(location, rotation, geometry.focal_length_mm, geometry.sensor_width_mm)
