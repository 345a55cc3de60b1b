# SPDX-License-Identifier: GPL-3.0-or-later
"""What a predictor yields, apart from it so that serving and its fakes need no torch. The standard library only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """What the predictor is about to do; `fraction` of the whole job that is done, or None where it cannot tell."""

    stage: str
    fraction: float | None


@dataclass(frozen=True, slots=True)
class Statement:
    """One line of graphics code with its newline. `confidence` in [0, 1] that it describes an object of the picture."""

    text: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """The whole program: its statements joined. `confidences` has one number per add(...) statement, in their order."""

    code: str
    confidences: tuple[float, ...]


Answer = Progress | Statement | Prediction
