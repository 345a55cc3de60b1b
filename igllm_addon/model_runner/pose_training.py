# SPDX-License-Identifier: GPL-3.0-or-later
"""The first stage of training for objects that turn in space: the pose tower alone.

The rotation's loss is the distance to the nearest of the rotations that look the same, so that a shape without a front is not
asked where its front is.

Letters: B pictures, M most objects of a picture, N objects of a batch, h and w cells of the centre map.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .augmentation import augmented, plain_pictures, recoloured
from .data import SceneTensors
from .pose_augmentation import rolled
from .pose_geometry import matrix_from_rows
from .pose_tower import FirstLook, PoseDescription, PoseTower
from .tower_training import centre_map_loss, weighed_sum
from .vision import STRIDE

_SPREAD_PER_RADIUS = 0.15  # standard deviation of a centre's Gaussian, of the radius of the ball that holds the object
_CELL_JITTER = 0.45  # cells; a peak can lie one cell beside the centre
# How far a magnified window is off in training: its centre in radii of the ball, the logarithm of its size.
_CENTRE_JITTER, _SIZE_JITTER = 0.08, 0.08
_OF_FIRST_LOOK = ("heat", "offset", "depth")
_LOSS_WEIGHTS = {"heat": 0.5, "offset": 0.3, "depth": 0.3, "rotation": 2.0, "rows": 0.0}  # all others: 1 each
_SMOOTH_ROTATION = 0.3  # of the Frobenius norm, which is 2.8 times the sine of half the angle: beyond about 12 degrees linear
_DEPTH_UNIT = 0.02  # of the logarithm of a depth
_PLACE_UNIT = 0.03  # of the radius of the ball


def pose_step_loss(
    tower: PoseTower,
    batch: SceneTensors,
    rng: np.random.Generator,
    *,
    augment: bool = True,
    roll_degrees: float = 0.0,
    recoloured_share: float = 0.0,
    first_look: bool = True,
    loss_weights: Mapping[str, float] = MappingProxyType({}),
) -> dict[str, Tensor]:
    """The parts of the loss of a batch of scenes under fresh variety; their weighted sum is "loss". recoloured_share: of
    the pictures that get other hues, so that shapes are not known by their colours. first_look: whether the
    network that finds objects learns, too; otherwise it is not even run, since the second look learns about the true places.
    loss_weights: what parts of the loss weigh where that is not what they usually do."""
    pictures, batch = augmented(batch, rng, bands=False) if augment else (plain_pictures(batch), batch)
    if recoloured_share:
        pictures = recoloured(pictures, recoloured_share)
    device = tower.origin.device
    pictures, batch = pictures.to(device), batch.to(device)
    if roll_degrees:
        pictures, batch = rolled(tower, pictures, batch, roll_degrees, rng)
    picture, item = torch.nonzero(batch.exists, as_tuple=True)
    truth = FirstLook(*true_places(tower, batch, picture, item))
    place, log_depth = truth.place, truth.log_depth
    radius = tower.camera.object_radius_m / torch.exp(log_depth)  # in units of the focal length
    per_radius = 1.0 / radius[:, None]
    parts = _first_look_parts(tower, pictures, batch, (picture, item), truth, rng) if first_look else {}
    off = _uniform(rng, (len(picture), 3), 1.0, device)
    guess = FirstLook(place + _CENTRE_JITTER * off[:, :2] * radius[:, None], log_depth + _SIZE_JITTER * off[:, 2])
    seen = tower.describe(pictures, picture, guess)
    parts["place"] = _smooth((seen.place - place) * per_radius / _PLACE_UNIT)
    parts["distance"] = _smooth((seen.log_depth - log_depth) / _DEPTH_UNIT)
    for index, name in enumerate(tower.fields):
        parts[name] = F.cross_entropy(seen.words[name], batch.words[picture, item, index])
    parts["rotation"], parts["rows"] = _rotation_losses(tower, seen, batch, picture, item)
    parts["loss"] = weighed_sum(parts, _LOSS_WEIGHTS, loss_weights, absent=_OF_FIRST_LOOK)
    return parts


def _first_look_parts(
    tower: PoseTower,
    pictures: Tensor,
    batch: SceneTensors,
    objects: tuple[Tensor, Tensor],
    truth: FirstLook,
    rng: np.random.Generator,
) -> dict[str, Tensor]:
    """The parts of the network that finds objects: centre map, offset, depth. objects: picture and column of each."""
    picture, item = objects
    radius = tower.camera.object_radius_m / torch.exp(truth.log_depth)
    maps = tower(pictures)
    uv = batch.uv[picture, item]
    cells = torch.floor(uv / STRIDE + _uniform(rng, tuple(uv.shape), _CELL_JITTER, uv.device)).long()
    column, row = cells[:, 0].clamp(0, maps.heat.shape[2] - 1), cells[:, 1].clamp(0, maps.heat.shape[1] - 1)
    first = tower.first_look(maps, picture, row, column)
    return {
        "heat": centre_map_loss(maps.heat, batch, _spread(tower, batch, picture, item, radius)),
        "offset": _smooth((first.place - truth.place) / radius[:, None] / _PLACE_UNIT),
        "depth": _smooth((first.log_depth - truth.log_depth) / _DEPTH_UNIT),
    }


def true_places(tower: PoseTower, batch: SceneTensors, picture: Tensor, item: Tensor) -> tuple[Tensor, Tensor]:
    """Place (N, 2), in units of the focal length, and logarithm of the depth (N,) of objects, from their locations."""
    local = (batch.location[picture, item] - tower.origin) @ tower.world_from_camera
    depth = (-local[:, 2]).clamp(min=1e-3)
    return local[:, :2] / depth[:, None], torch.log(depth)


def _rotation_losses(
    tower: PoseTower, seen: PoseDescription, batch: SceneTensors, picture: Tensor, item: Tensor
) -> tuple[Tensor, Tensor]:
    """Of the rotation, and of the two rows of which it was made: their squared distance from those of the rotation that looks
    like the true one and is nearest to it, whose gradient is large even where all is still wrong."""
    truth = batch.rotation[picture, item]
    known = ~torch.isnan(truth).any(dim=1)
    if not bool(known.any()):
        return seen.rotation.sum() * 0.0, seen.rows.sum() * 0.0
    shape = torch.zeros_like(picture)
    if "shape" in tower.fields:
        shape = batch.words[picture, item, tower.fields.index("shape")]
    found, rows, true, shape = seen.rotation[known], seen.rows[known], truth[known].reshape(-1, 3, 3), shape[known]
    distance = tower.alike.distance(found, true, shape)
    with torch.no_grad():
        frame = found @ matrix_from_rows(rows).transpose(1, 2)
        target = (frame.transpose(1, 2) @ tower.alike.nearest(true, found, shape))[:, :2].flatten(1)  # (N, 6)
    rotation = F.smooth_l1_loss(distance, torch.zeros_like(distance), beta=_SMOOTH_ROTATION)
    return rotation, (rows - target).square().sum(dim=1).mean()


def _spread(tower: PoseTower, batch: SceneTensors, picture: Tensor, item: Tensor, radius: Tensor) -> Tensor:
    """(B, M) cells: the standard deviation of a centre's Gaussian."""
    focal_px = tower.config.input_width_px * tower.camera.focal_length_mm / tower.camera.sensor_width_mm
    spread = torch.ones(batch.exists.shape, device=radius.device)
    spread[picture, item] = (_SPREAD_PER_RADIUS * radius * focal_px / STRIDE).clamp(min=0.5)
    return spread


def _smooth(error: Tensor) -> Tensor:
    return F.smooth_l1_loss(error, torch.zeros_like(error)) / math.sqrt(10.0)


def _uniform(rng: np.random.Generator, shape: tuple[int, ...], reach: float, device: torch.device) -> Tensor:
    return torch.from_numpy(rng.uniform(-reach, reach, shape).astype(np.float32)).to(device)
