# SPDX-License-Identifier: GPL-3.0-or-later
"""Poses under a fixed camera, differentiably: rays, places in space, rotations, and which rotations of a shape look alike.

Letters: N objects, S shapes, K turns of the largest symmetry. A place in the picture is (x, y) in units of the focal length from
the picture's centre, y upward, as in geometry.py. Rotations are matrices (N, 3, 3) from the object's frame into the world's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..core.rotations import matrix_from_quaternion_wxyz
from ..core.symmetries import symmetry_of
from ..core.vocabulary import Vocabulary
from .config import FixedCamera

_LEAST = 1e-6


def camera_focal_px(camera: FixedCamera, width_px: int) -> float:
    """The focal length in pixels of a picture this wide."""
    return width_px * camera.focal_length_mm / camera.sensor_width_mm


def matrix_world_from_camera(camera: FixedCamera) -> Tensor:
    """(3, 3)."""
    return torch.from_numpy(matrix_from_quaternion_wxyz(camera.quaternion_wxyz).astype(np.float32))


def point_seen(origin: Tensor, world_from_camera: Tensor, place: Tensor, depth: Tensor) -> Tensor:
    """The points (N, 3) in the world that are seen at `place` (N, 2), `depth` (N,) in front of the camera at `origin` (3,)."""
    toward = torch.cat([place, -torch.ones_like(place[:, :1])], dim=1)
    result: Tensor = origin + depth[:, None] * (toward @ world_from_camera.T)
    return result


def turn_toward(place: Tensor) -> Tensor:
    """(N, 3, 3): the least turn, in the camera's frame, that takes its direction of view to the ray through `place` (N, 2).

    An object looks the same, but for perspective, wherever in the picture it is, if it turns along with the ray to it.
    """
    x, y = place.unbind(dim=1)
    length = torch.sqrt(1.0 + x * x + y * y)
    # From (0, 0, -1) to (x, y, -1) / length; the axis lies in the picture's plane, so the general formula becomes this one.
    cosine = 1.0 / length
    a, b = x / length, y / length
    share = 1.0 / (1.0 + cosine)
    rows = (
        (1.0 - a * a * share, -a * b * share, -a),
        (-a * b * share, 1.0 - b * b * share, -b),
        (a, b, cosine),
    )
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


def matrix_from_rows(six: Tensor) -> Tensor:
    """(N, 6) to (N, 3, 3): two rows made orthonormal, and their cross product (Zhou et al. 2019, arXiv 1812.07035)."""
    first = torch.nn.functional.normalize(six[:, :3], dim=1, eps=_LEAST)
    second = six[:, 3:] - (first * six[:, 3:]).sum(dim=1, keepdim=True) * first
    second = torch.nn.functional.normalize(second, dim=1, eps=_LEAST)
    return torch.stack([first, second, torch.linalg.cross(first, second)], dim=1)


@dataclass(frozen=True, slots=True)
class Alike:
    """Which rotations look alike, by shape. turns (S, K, 3, 3), filled up with the identity; axis (S, 3): about which any turn
    looks the same where free (S,) bool; ball (S,) bool: shapes that look the same after any turn at all."""

    turns: Tensor
    axis: Tensor
    free: Tensor
    ball: Tensor

    @classmethod
    def of(cls, vocabulary: Vocabulary) -> Alike:
        """From the symmetries that a vocabulary states for its shapes."""
        groups = [symmetry_of(vocabulary.symmetries.get(word, ())) for word in vocabulary.words.get("shape", ("",))]
        most = max(len(group.turns) for group in groups)
        turns = np.stack([np.concatenate([g.turns, np.broadcast_to(np.eye(3), (most - len(g.turns), 3, 3))]) for g in groups])
        axes = np.stack([np.zeros(3) if group.axis is None else group.axis for group in groups])
        return cls(
            torch.from_numpy(turns.astype(np.float32)),
            torch.from_numpy(axes.astype(np.float32)),
            torch.tensor([group.axis is not None for group in groups]),
            torch.tensor([group.any_turn for group in groups]),
        )

    def distance(self, found: Tensor, truth: Tensor, shape: Tensor) -> Tensor:
        """(N,): how far `found` is from the nearest rotation that looks like `truth`, as the Frobenius norm of the difference,
        which is sqrt(8) times the sine of half the angle. shape (N,): which shape each is."""
        between = _Between.of(self, found, truth, shape)
        square = (6.0 - 2.0 * between.best.amax(dim=1)).clamp(min=0.0)
        return torch.where(self.ball.to(found.device)[shape], torch.zeros_like(square), torch.sqrt(square + _LEAST))

    def nearest(self, rotation: Tensor, to: Tensor, shape: Tensor) -> Tensor:
        """(N, 3, 3): of the rotations that look like `rotation`, the one that is nearest to `to`. shape (N,). What looks the same
        after any turn at all comes back as it is."""
        between = _Between.of(self, to, rotation, shape)
        rows, chosen = torch.arange(len(shape), device=shape.device), between.best.argmax(dim=1)
        free, axis = self.free.to(shape.device)[shape], self.axis.to(shape.device)[shape]
        angle = torch.atan2(between.sine[rows, chosen], between.cosine[rows, chosen])
        turn = _about_axis(axis, torch.where(free, angle, torch.zeros_like(angle)))
        return rotation @ self.turns.to(shape.device)[shape][rows, chosen] @ turn


@dataclass(frozen=True, slots=True)
class _Between:
    """How rotations and all that look like others compare, K turns each: best (N, K), the trace of their quotient, the larger the
    nearer, after the best turn about the axis where there is a free one. As a function of that turn the trace is a constant,
    a cosine and a sine, times these (N, K)."""

    best: Tensor
    cosine: Tensor
    sine: Tensor

    @classmethod
    def of(cls, alike: Alike, fixed: Tensor, turned: Tensor, shape: Tensor) -> _Between:
        """fixed, turned (N, 3, 3), the latter by all turns of its shape (N,)."""
        device = fixed.device
        turns, axis, free = alike.turns.to(device)[shape], alike.axis.to(device)[shape], alike.free.to(device)[shape]
        between = (fixed.transpose(1, 2) @ turned)[:, None] @ turns  # (N, K, 3, 3)
        trace = between.diagonal(dim1=2, dim2=3).sum(dim=2)
        along = torch.einsum("ni,nkij,nj->nk", axis, between, axis)
        skew = torch.stack(
            [
                between[..., 1, 2] - between[..., 2, 1],
                between[..., 2, 0] - between[..., 0, 2],
                between[..., 0, 1] - between[..., 1, 0],
            ],
            dim=2,
        )
        sine, cosine = (skew * axis[:, None]).sum(dim=2), trace - along
        best = along + torch.sqrt(cosine.square() + sine.square() + _LEAST)
        return cls(torch.where(free[:, None], best, trace), cosine, sine)


def _about_axis(axis: Tensor, angle: Tensor) -> Tensor:
    """(N, 3, 3): turns about unit vectors (N, 3) by angles (N,); where the angle is zero the axis may be, too."""
    x, y, z = axis.unbind(dim=1)
    zero = torch.zeros_like(x)
    rows = ((zero, -z, y), (z, zero, -x), (-y, x, zero))
    cross = torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)
    sine, cosine = torch.sin(angle)[:, None, None], torch.cos(angle)[:, None, None]
    return torch.eye(3, device=axis.device) + sine * cross + (1.0 - cosine) * (cross @ cross)


def about_view(angle: Tensor) -> Tensor:
    """(B, 3, 3): turns by these angles (B,), counter-clockwise in the picture, in the camera's frame."""
    cosine, sine, zero, one = torch.cos(angle), torch.sin(angle), torch.zeros_like(angle), torch.ones_like(angle)
    rows = ((cosine, -sine, zero), (sine, cosine, zero), (zero, zero, one))
    return torch.stack([torch.stack(row, dim=1) for row in rows], dim=1)


def mean_rotation(rotations: Tensor) -> Tensor:
    """(R, N, 3, 3) to (N, 3, 3): the rotation with the least sum of squared (Frobenius) distances to R rotations (Moakher 2002,
    SIAM J. Matrix Anal. Appl. 24)."""
    left, _, right = torch.linalg.svd(rotations.mean(dim=0))
    sign = torch.ones_like(left[:, 0])
    sign[:, 2] = torch.linalg.det(left @ right)
    result: Tensor = left @ (sign[:, :, None] * right)
    return result
