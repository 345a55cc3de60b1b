# SPDX-License-Identifier: GPL-3.0-or-later
"""Confidences that mean what they say: of the statements with a confidence of 0.8, four in five are right.

What a model multiplies together as it writes a statement orders statements well but is too modest or too sure. Two numbers,
fitted on pictures that no training saw, mend that: Platt scaling of the logit (Platt 1999, "Probabilistic outputs for
support vector machines"; Guo et al. 2017, arXiv 1706.04599).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

_LEAST = 1e-6  # a confidence is at least that far from 0 and 1


def calibrated(confidence: float, calibration: tuple[float, float]) -> float:
    """sigmoid(scale * logit(confidence) + shift), for `calibration` = (scale, shift)."""
    scale, shift = calibration
    if calibration == (1.0, 0.0):
        return confidence
    inside = min(max(confidence, _LEAST), 1.0 - _LEAST)
    return 1.0 / (1.0 + math.exp(-(scale * math.log(inside / (1.0 - inside)) + shift)))


def fit_calibration(confidences: Sequence[float], right: Sequence[bool]) -> tuple[float, float]:
    """(scale, shift) under which the statements, each right or not, are likeliest; the scale is not negative: the order stays."""
    inside = np.clip(np.asarray(confidences, dtype=np.float64), _LEAST, 1.0 - _LEAST)
    logit, sign = np.log(inside / (1.0 - inside)), np.where(np.asarray(right), 1.0, -1.0)

    def unlikeliness(two: NDArray[np.float64]) -> float:
        return float(np.logaddexp(0.0, -sign * (two[0] * logit + two[1])).mean())

    found = minimize(unlikeliness, np.array([1.0, 0.0]), bounds=[(0.0, None), (None, None)])
    return float(found.x[0]), float(found.x[1])
