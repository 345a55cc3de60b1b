# SPDX-License-Identifier: GPL-3.0-or-later
"""Average precision as CLEVR's set-property prediction counts it (DSPN, Slot Attention, iDSPN). numpy; no torch.

Per picture, the statements are taken by falling confidence. A statement counts only if all four words equal those of a labelled
object that no earlier statement used; the nearest such object is then used up, even if it is too far. It is a true positive if
that object is nearer than the threshold: 3D distance in world units, z included. Average precision is the area under the
picture's precision over recall, interpolated at all points; the figure for a set is the mean over its pictures.

The protocol knows no picture without objects, for CLEVR has none. Here such a picture scores 1 if nothing was predicted, else 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..core.scene import SceneObject
from ..core.vocabulary import WORD_FIELDS

AP_THRESHOLDS_M = (math.inf, 1.0, 0.5, 0.25, 0.125, 0.0625)


def words_of(item: SceneObject) -> tuple[str | None, ...]:
    """Colour, size, material and shape, in the order of graphics code."""
    return tuple(getattr(item, name) for name in WORD_FIELDS)


def distance_m(first: SceneObject, second: SceneObject) -> float:
    """How far apart two objects are; both must have a location."""
    assert first.location is not None and second.location is not None
    return math.dist(first.location, second.location)


def used_distances_m(
    truth: Sequence[SceneObject], predicted: Sequence[SceneObject], confidences: Sequence[float] | None
) -> tuple[float, ...]:
    """By falling confidence, how far each statement is from the object that it uses up; inf where it finds none.

    Equal confidences keep the order of the statements, and so do statements without confidences. No threshold enters here,
    because an object is used up whether or not it is near enough.
    """
    ranks = [0.0] * len(predicted) if confidences is None else [-confidence for confidence in confidences]
    unused = dict(enumerate(truth))
    distances = []
    for statement in (predicted[index] for index in np.argsort(ranks, kind="stable")):
        found = {i: distance_m(item, statement) for i, item in unused.items() if words_of(item) == words_of(statement)}
        distances.append(min(found.values(), default=math.inf))
        if found:
            del unused[min(found, key=found.__getitem__)]
    return tuple(distances)


def average_precision(distances_m: Sequence[float], truth_count: int, threshold_m: float) -> float:
    """One picture's average precision from its `used_distances_m`."""
    if truth_count == 0:
        return 0.0 if distances_m else 1.0
    if not distances_m:
        return 0.0
    right = np.asarray(distances_m) < threshold_m  # inf is not nearer than inf: what found no object is never right
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    best_from_here_on = np.maximum.accumulate(precision[::-1])[::-1]
    return float(best_from_here_on[right].sum() / truth_count)  # recall grows by 1 / truth_count at each right statement
