# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a confidence means what it says, over statements that turned out right or wrong. numpy; no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

BINS = 10


@dataclass(frozen=True, slots=True)
class Reliability:
    """statements: those that came with a confidence. right_share and mean_confidence: over these, equal for a calibrated model.
    calibration_error and auroc: see below. A figure that nothing was measured for is nan."""

    statements: int
    right_share: float
    mean_confidence: float
    calibration_error: float
    auroc: float


def reliability(confidences: Sequence[float], right: Sequence[bool]) -> Reliability:
    """The figures over statements, each with its confidence in [0, 1] and whether it is right."""
    if not confidences:
        return Reliability(0, math.nan, math.nan, math.nan, math.nan)
    return Reliability(
        statements=len(confidences),
        right_share=float(np.mean(right)),
        mean_confidence=float(np.mean(confidences)),
        calibration_error=expected_calibration_error(confidences, right),
        auroc=auroc(confidences, right),
    )


def expected_calibration_error(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """Mean over statements of |mean confidence - share of right ones| in their bin: ten of equal width, 1.0 in the last."""
    bins = np.minimum((np.asarray(confidences) * BINS).astype(np.int64), BINS - 1)
    excess = np.bincount(bins, weights=np.asarray(confidences) - np.asarray(right, dtype=np.float64), minlength=BINS)
    return float(np.abs(excess).sum() / len(bins))


def auroc(confidences: Sequence[float], right: Sequence[bool]) -> float:
    """The chance that a right statement is more confident than a wrong one, ties counting half; nan unless there are both."""
    values, hits = np.asarray(confidences), np.asarray(right, dtype=bool)
    positives, negatives = values[hits], np.sort(values[~hits])
    if not len(positives) or not len(negatives):
        return math.nan
    below, up_to = np.searchsorted(negatives, positives, "left"), np.searchsorted(negatives, positives, "right")
    return float((below + up_to).sum() / (2 * len(positives) * len(negatives)))
