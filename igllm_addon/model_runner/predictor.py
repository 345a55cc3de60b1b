# SPDX-License-Identifier: GPL-3.0-or-later
"""The model as a program sees it: a PIL picture in, plain data out, statement by statement. torch stays inside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image


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


class Predictor:
    """A loaded checkpoint. One picture at a time; not safe to share between threads."""

    @classmethod
    def load(cls, directory: Path | str) -> Predictor:
        """The checkpoint in `directory` (config.json, model.safetensors); WeightsError where it cannot be used."""
        raise NotImplementedError

    def predict(self, image: Image.Image) -> Iterator[Progress | Statement | Prediction]:
        """Progress and statements while they are written; the Prediction is always last. Closing the iterator cancels."""
        raise NotImplementedError
