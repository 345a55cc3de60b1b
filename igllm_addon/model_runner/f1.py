# SPDX-License-Identifier: GPL-3.0-or-later
"""F1 at distances: how many labelled objects were found, and how many statements found one. numpy and scipy; no torch.

A statement may find an object that lies within the distance (the limit included) and, where words are required, has the same
four words. Of all ways to pair them one to one, the one with the most pairs counts, and among those the one with the least sum
of distances (Hungarian): no other order of statements and no confidence changes it. F1 is 2 * pairs / (objects + statements),
each summed over all pictures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from ..core.scene import SceneObject
from .average_precision import distance_m, words_of

F1_DISTANCES_M = (0.5, 0.25, 0.125, 0.0625)


def found_within(
    truth: Sequence[SceneObject], predicted: Sequence[SceneObject], limit_m: float, words_required: bool
) -> tuple[tuple[int, int], ...]:
    """(index of an object, index of the statement that finds it), one to one."""
    distances = np.array([[distance_m(item, statement) for statement in predicted] for item in truth], dtype=np.float64)
    distances = distances.reshape(len(truth), len(predicted))
    allowed = distances <= limit_m
    if words_required:
        allowed &= np.array([[words_of(a) == words_of(b) for b in predicted] for a in truth], dtype=bool).reshape(allowed.shape)
    # One forbidden pair costs more than all allowed ones together, so that the number of allowed pairs comes first.
    forbidden = 1.0 + limit_m * (len(truth) + len(predicted))
    rows, columns = linear_sum_assignment(np.where(allowed, distances, forbidden))
    return tuple((int(i), int(j)) for i, j in zip(rows, columns, strict=True) if allowed[i, j])


def f1_score(pairs: int, objects: int, statements: int) -> float:
    """Harmonic mean of precision and recall; nan where there is neither an object nor a statement."""
    return 2.0 * pairs / (objects + statements) if objects + statements else math.nan
