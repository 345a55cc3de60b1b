# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the dots are. No bpy.

Training points lie on a sparse checkerboard: the unit square is a board of 7 by 7 fields, and a dot stands in one of the 16
fields whose row and column are both even. So every value of x occurs, and every value of y does not occur with it: two thirds of
the picture never show a dot, and the corners do, so that a test point lies between training points and not outside of them. The
published file does not say how its board was drawn; this one is ours. Test points lie anywhere.
"""

from __future__ import annotations

import numpy as np

from ...core.dots import TEST_POINTS, TRAINING_POINTS
from ...core.rotations import FloatArray

FIELDS_PER_SIDE = 7


def checkerboard_points(rng: np.random.Generator, count: int) -> FloatArray:
    """(count, 2) of x, y in [0, 1], all of them in fields with an even row and an even column."""
    fields = 2 * rng.integers(0, (FIELDS_PER_SIDE + 1) // 2, (count, 2))
    return np.asarray((fields + rng.random((count, 2))) / FIELDS_PER_SIDE)


def is_on_checkerboard(points: FloatArray) -> FloatArray:
    """(N,) bool: which of the points (N, 2) lie where training points do."""
    fields = np.floor(points * FIELDS_PER_SIDE).astype(int)
    return np.asarray((fields % 2 == 0).all(axis=1))


def points_of(seed: int, count: int) -> dict[str, FloatArray]:
    """The arrays of a 2d.npz: as many training points as test points, each set from a stream of its own."""
    streams = np.random.SeedSequence(seed).spawn(2)
    on_board, anywhere = (np.random.default_rng(stream) for stream in streams)
    return {TRAINING_POINTS: checkerboard_points(on_board, count), TEST_POINTS: anywhere.random((count, 2))}
