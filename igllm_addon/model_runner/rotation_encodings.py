# SPDX-License-Identifier: GPL-3.0-or-later
"""How a model writes rotations, and back to how graphics code writes them. Standard library, numpy and core only.

    encoding     numbers   of a rotation in space
    euler        3         angles about the fixed x, y, z axes, in this order
    euler_int    3         angles about the body's own x, y, z axes, in this order
    aa           3         axis times angle
    6d           6         the first two rows of the matrix
    symmetric    6         as 6d, of one of the rotations that look the same

A template whose rotations are yaws writes one number for the first three, which are the same about a fixed axis, and for
`symmetric` two: sine and cosine of the yaw times the shape's symmetry order, which are equal for all yaws that look the same.
IG-LLM (arXiv 2404.15228) has the first four; labels and graphics code hold a yaw, Euler angles about fixed axes, or 6d.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..core.errors import SceneError
from ..core.rotations import (
    FloatArray,
    euler_extrinsic_xyz_from_matrix,
    euler_intrinsic_xyz_from_matrix,
    matrix_from_euler_extrinsic_xyz,
    matrix_from_euler_intrinsic_xyz,
    matrix_from_rotation_6d,
    matrix_from_rotation_vector,
    rotation_6d_from_matrix,
    rotation_vector_from_matrix,
    wrap_yaw,
    yaw_from_matrix,
)
from ..core.symmetries import Symmetry, least_turned, symmetry_of
from ..core.vocabulary import Vocabulary

_DECIMALS = 4  # of angles in graphics code
_ROW_DECIMALS = 7
_FROM_MATRIX = {
    "euler": euler_extrinsic_xyz_from_matrix,
    "euler_int": euler_intrinsic_xyz_from_matrix,
    "aa": rotation_vector_from_matrix,
    "6d": rotation_6d_from_matrix,
    "symmetric": rotation_6d_from_matrix,
}
_TO_MATRIX = {
    "euler": matrix_from_euler_extrinsic_xyz,
    "euler_int": matrix_from_euler_intrinsic_xyz,
    "aa": matrix_from_rotation_vector,
    "6d": matrix_from_rotation_6d,
    "symmetric": matrix_from_rotation_6d,
}


@dataclass(frozen=True)
class RotationEncoding:
    """One encoding for one vocabulary. A rotation is as graphics code has it: 1, 3 or 6 numbers."""

    kind: str
    vocabulary: Vocabulary

    @property
    def count(self) -> int:
        """How many numbers the model writes; 0 where the vocabulary has no rotations."""
        if self.vocabulary.rotation_length == 0:
            return 0
        if self.vocabulary.rotation_length == 1:
            return {"6d": 6, "symmetric": 2}.get(self.kind, 1)
        return 6 if self.kind in ("6d", "symmetric") else 3

    def symmetry_order(self, shape: str | None) -> int:
        """How many turns about its own z axis leave this shape as it looks; 0: any turn."""
        return self.vocabulary.yaw_symmetry_orders.get(shape or "", 1)

    def symmetry(self, shape: str | None) -> Symmetry:
        """Which turns of this shape cannot be seen."""
        order = self.symmetry_order(shape)
        about_z = () if order == 1 else ((0.0, 0.0, 1.0, order),)
        return symmetry_of(self.vocabulary.symmetries.get(shape or "", about_z))

    def encode(self, rotation: Sequence[float], shape: str | None) -> tuple[float, ...]:
        """The numbers that a model learns to write for this rotation."""
        if self.vocabulary.rotation_length == 1:
            return self._numbers_of_yaw(rotation[0], shape)
        return self.encode_matrix(self.matrix(rotation), shape)

    def encode_matrix(self, matrix: FloatArray, shape: str | None) -> tuple[float, ...]:
        """The same for a rotation in space that is given as a matrix."""
        return _floats(_FROM_MATRIX[self.kind](self._chosen(matrix, shape)))

    def encode_near(self, matrix: FloatArray, shape: str | None, start: Sequence[float]) -> tuple[float, ...]:
        """Of all numbers that are as right as `encode_matrix`'s those nearest to `start`, to which a head adds an offset: of the
        rotations that look the same the nearest, and of its angles those without a jump between."""
        try:
            reference = _TO_MATRIX[self.kind](np.asarray(start, dtype=np.float64))
        except SceneError:
            return self.encode_matrix(matrix, shape)
        nearest = reference @ least_turned(reference.T @ matrix, self.symmetry(shape))
        numbers = np.asarray(_FROM_MATRIX[self.kind](nearest))
        alike = [numbers]
        if self.kind in ("euler", "euler_int"):
            twin = np.array([numbers[0] + math.pi, math.pi - numbers[1], numbers[2] + math.pi])
            alike = [entry + 2.0 * math.pi * np.round((start - entry) / (2.0 * math.pi)) for entry in (numbers, twin)]
        elif self.kind == "aa" and (length := float(np.linalg.norm(numbers))) > 0.0:
            alike.append(numbers * (1.0 - 2.0 * math.pi / length))
        return _floats(min(alike, key=lambda entry: float(np.square(entry - start).sum())))

    def equivalents(self, rotation: Sequence[float], shape: str | None) -> tuple[tuple[float, ...], ...]:
        """Every answer that is as right as `encode`'s, which is among them: a loss takes the one nearest to the prediction."""
        symmetry = self.symmetry(shape)
        if self.vocabulary.rotation_length == 1 or self.kind != "symmetric" or symmetry.axis is not None or symmetry.any_turn:
            return (self.encode(rotation, shape),)
        return tuple(_floats(rotation_6d_from_matrix(matrix)) for matrix in self.matrix(rotation) @ symmetry.turns)

    def decode(self, numbers: Sequence[float], shape: str | None) -> tuple[float, ...]:
        """The rotation for graphics code. Finite numbers that stand for no rotation, such as zeros, become none at all."""
        if self.vocabulary.rotation_length == 1:
            return (round(self._yaw_of_numbers(numbers, shape), _DECIMALS),)
        try:
            matrix = _TO_MATRIX[self.kind](np.asarray(numbers, dtype=np.float64))
        except SceneError:
            matrix = np.eye(3)
        if self.vocabulary.rotation_length == 6:
            return tuple(round(value, _ROW_DECIMALS) for value in _floats(rotation_6d_from_matrix(matrix)))
        return tuple(round(value, _DECIMALS) for value in _floats(euler_extrinsic_xyz_from_matrix(matrix)))

    def _numbers_of_yaw(self, yaw: float, shape: str | None) -> tuple[float, ...]:
        if self.kind == "symmetric":
            phase = yaw * self.symmetry_order(shape)
            return math.sin(phase), math.cos(phase)
        if self.kind == "6d":
            sine, cosine = math.sin(yaw), math.cos(yaw)
            return cosine, -sine, 0.0, sine, cosine, 0.0
        return (yaw,)

    def _yaw_of_numbers(self, numbers: Sequence[float], shape: str | None) -> float:
        order = self.symmetry_order(shape) or 1
        if self.kind == "symmetric":
            return math.atan2(numbers[0], numbers[1]) / order
        if self.kind == "6d":
            try:
                return wrap_yaw(yaw_from_matrix(matrix_from_rotation_6d(numbers)), order)
            except SceneError:
                return 0.0
        return wrap_yaw(numbers[0], order)

    def matrix(self, rotation: Sequence[float]) -> FloatArray:
        """The matrix of a rotation in space as graphics code has it."""
        as_written = matrix_from_rotation_6d if self.vocabulary.rotation_length == 6 else matrix_from_euler_extrinsic_xyz
        return as_written(np.asarray(rotation, dtype=np.float64))

    def _chosen(self, matrix: FloatArray, shape: str | None) -> FloatArray:
        """Of the rotations that look the same, the one that turns least; the same for all of them."""
        return least_turned(matrix, self.symmetry(shape)) if self.kind == "symmetric" else matrix


def _floats(array: FloatArray) -> tuple[float, ...]:
    return tuple(float(value) for value in array)
