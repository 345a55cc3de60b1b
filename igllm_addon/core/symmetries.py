# SPDX-License-Identifier: GPL-3.0-or-later
"""Which turns of a shape cannot be seen, and what follows from them for rotations. Standard library and numpy only.

A symmetry is stated as generators (x, y, z, order): the shape looks the same after a turn of 2π/order about that axis of
its own, through its origin; order 0 stands for any turn. A square table is ((0, 0, 1, 4),), a bottle ((0, 0, 1, 0),), a tube that
has no top ((0, 0, 1, 0), (1, 0, 0, 2)), a ball two different axes of order 0. Mirror images are no turns and have no place here.

Letters: K turns of a finite group. A turn g acts on the shape's own axes: matrix and matrix @ g look the same.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .errors import SceneError
from .rotations import (
    FloatArray,
    matrix_from_quaternion_wxyz,
    matrix_from_rotation_vector,
    quaternion_wxyz_from_matrix,
)

Generator = tuple[float, float, float, int]

# The icosahedron's 60 turns are the largest finite group that is neither cyclic nor dihedral; nobody sees a 60-gon's corners.
_MOST_TURNS = 120
_SAME = 1e-6


@dataclass(frozen=True, eq=False)
class Symmetry:
    """turns: (K, 3, 3), the identity first. axis: (3,) unit vector about which any turn looks the same, or None; the whole group
    is then every turn about it followed by one of `turns`. any_turn: a ball; turns is the identity and axis is None."""

    turns: FloatArray
    axis: FloatArray | None = None
    any_turn: bool = False

    @property
    def is_trivial(self) -> bool:
        """Whether the shape looks different after every turn."""
        return len(self.turns) == 1 and self.axis is None and not self.any_turn


def check_generators(generators: Iterable[Generator], whose: str) -> tuple[Generator, ...]:
    """The generators as plain numbers; SceneError where they state no symmetry."""
    checked = []
    for entry in generators:
        if len(entry) != 4 or not all(math.isfinite(value) for value in entry) or not any(entry[:3]):
            raise SceneError(f"the symmetry of {whose} must be lists of an axis x, y, z and an order, got {tuple(entry)}")
        x, y, z, order = entry
        if order != int(order) or order < 0 or order == 1 or order > _MOST_TURNS:
            raise SceneError(f"a symmetry's order must be 0 or 2 … {_MOST_TURNS}, got {order} for {whose}")
        checked.append((float(x), float(y), float(z), int(order)))
    return tuple(checked)


@functools.cache
def symmetry_of(generators: tuple[Generator, ...]) -> Symmetry:
    """The group that the generators make; none make the trivial one."""
    axes = [_unit(entry) for entry in generators if entry[3] == 0]
    finite = [matrix_from_rotation_vector(_unit(entry) * (2.0 * math.pi / entry[3])) for entry in generators if entry[3]]
    turns = _closure(finite)
    if not axes:
        return Symmetry(turns)
    axis = axes[0]
    # An axis that another generator moves elsewhere than onto itself is a second one, and two of them make every turn.
    images = [*axes, *(turns @ axis)]
    if any(abs(float(image @ axis)) < 1.0 - _SAME for image in images):
        return Symmetry(np.eye(3)[None], any_turn=True)
    flips = [turn for turn in turns if float(turn @ axis @ axis) < 0.0]
    return Symmetry(np.stack([np.eye(3), *flips[:1]]), axis)


def symmetric_geodesic_angle(matrix_a: ArrayLike, matrix_b: ArrayLike, symmetry: Symmetry) -> FloatArray:
    """The smallest angle in [0, π] between a and any rotation that looks like b, (..., 3, 3) each to (...)."""
    a, b = np.asarray(matrix_a, dtype=np.float64), np.asarray(matrix_b, dtype=np.float64)
    if symmetry.any_turn:
        return np.zeros(np.broadcast_shapes(a.shape[:-2], b.shape[:-2]))
    relative = np.swapaxes(b, -1, -2) @ a  # the turn of b's own axes that makes it a
    wanted = np.swapaxes(symmetry.turns, -1, -2) @ relative[..., None, :, :]  # (..., K, 3, 3)
    quaternion = quaternion_wxyz_from_matrix(wanted)
    scalar, vector = quaternion[..., 0], quaternion[..., 1:]
    if symmetry.axis is None:
        angles = 2.0 * np.arctan2(np.linalg.norm(vector, axis=-1), scalar)
    else:
        # Of a rotation after the best turn about the axis only what tilts the axis remains.
        along = vector @ symmetry.axis
        across = np.linalg.norm(vector - along[..., None] * symmetry.axis, axis=-1)
        angles = 2.0 * np.arctan2(across, np.hypot(scalar, along))
    return np.asarray(angles.min(axis=-1))


def equivalent_matrices(matrix: ArrayLike, symmetry: Symmetry, steps: int = 24) -> FloatArray:
    """(3, 3) to (K, 3, 3), or (K · steps, 3, 3) where an axis is free: the rotations that look the same, `matrix` first.

    A ball's rotations all look the same; only the given one comes back.
    """
    rotation = np.asarray(matrix, dtype=np.float64)
    turns = symmetry.turns
    if symmetry.axis is not None:
        angles = 2.0 * np.pi * np.arange(steps) / steps
        turns = (turns[:, None] @ matrix_from_rotation_vector(angles[:, None] * symmetry.axis)).reshape(-1, 3, 3)
    return np.asarray(rotation @ turns)


def least_turned(matrix: ArrayLike, symmetry: Symmetry) -> FloatArray:
    """Of the rotations (3, 3) that look like `matrix` the one that turns least, the same for all of them but for ties."""
    rotation = np.asarray(matrix, dtype=np.float64)
    if symmetry.any_turn:
        return np.eye(3)
    alike = rotation @ symmetry.turns
    if symmetry.axis is not None:
        alike = np.stack([_untwisted(entry, symmetry.axis) for entry in alike])
    return np.asarray(alike[int(np.argmax(np.trace(alike, axis1=1, axis2=2)))])


def yaw_order(generators: Iterable[Generator]) -> int:
    """The order of the turns about the vertical axis that cannot be seen: 1 none, 0 all; only generators about z count."""
    orders = [int(entry[3]) for entry in generators if abs(_unit(entry)[2]) > 1.0 - _SAME]
    return 0 if 0 in orders else math.lcm(*orders)


def _untwisted(matrix: FloatArray, axis: FloatArray) -> FloatArray:
    """The matrix after the turn about its own axis that brings it nearest to the identity."""
    quaternion = quaternion_wxyz_from_matrix(matrix)
    along = float(quaternion[1:] @ axis)
    size = math.hypot(float(quaternion[0]), along)
    if size < _SAME:  # the axis is turned over: every turn about it is as near
        return matrix
    back = np.array([quaternion[0], *(-along * axis)]) / size
    return np.asarray(matrix @ matrix_from_quaternion_wxyz(back))


def _closure(generators: list[FloatArray]) -> FloatArray:
    """Every product of the generators, the identity first."""
    found = [np.eye(3)]
    for turn in found:  # grows while it is walked through
        for generator in generators:
            product = turn @ generator
            if not any(np.abs(product - known).max() < _SAME for known in found):
                found.append(product)
                if len(found) > _MOST_TURNS:
                    raise SceneError(f"a symmetry's generators make more than {_MOST_TURNS} turns; state an axis of order 0")
    return np.stack(found)


def _unit(generator: Generator) -> FloatArray:
    axis = np.asarray(generator[:3], dtype=np.float64)
    return np.asarray(axis / np.linalg.norm(axis))
