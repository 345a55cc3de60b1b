# SPDX-License-Identifier: GPL-3.0-or-later
"""The model as a program sees it: a PIL picture in, plain data out, statement by statement. torch stays inside."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from ..core.errors import UsageError
from .answers import Prediction, Progress, Statement
from .checkpoint import load_checkpoint
from .data import resized
from .decoding import ProgramWriter

if TYPE_CHECKING:
    from PIL import Image

    from .model import Igllm

__all__ = ["Prediction", "Predictor", "Progress", "Statement"]

_ASPECT_RANGE = (0.25, 4.0)  # height over width of a picture that can show a scene


class Predictor:
    """A loaded checkpoint. One picture at a time; not safe to share between threads."""

    def __init__(self, model: Igllm) -> None:
        self._model = model

    @classmethod
    def load(cls, directory: Path | str) -> Predictor:
        """The checkpoint in `directory` (config.json, model.safetensors); WeightsError where it cannot be used."""
        return cls(load_checkpoint(Path(directory)))

    @property
    def name(self) -> str:
        """What the checkpoint calls itself."""
        return self._model.config.name

    def predict(self, image: Image.Image) -> Iterator[Progress | Statement | Prediction]:
        """Progress and statements while they are written; the Prediction is always last. Closing the iterator cancels."""
        yield Progress("looking at the picture", 0.0)
        glimpse = self._model.look(picture_tensor(image, self._model.config.vision.input_width_px))
        # How many objects there are shows only at the end, so the fraction of the writing is not known.
        yield Progress("writing the program", None)
        texts: list[str] = []
        confidences: list[float] = []
        for statement in ProgramWriter(self._model, glimpse).statements():
            texts.append(statement.text)
            if statement.item is not None:
                confidences.append(statement.confidence)
            yield Statement(statement.text, statement.confidence)
        yield Prediction("".join(texts), tuple(confidences))

    def predict_many(self, images: Iterable[Image.Image], batch: int = 16) -> Iterator[Prediction]:
        """The predictions for many pictures, in their order. At most `batch` pictures are held, and looked at together."""
        pictures = (picture_tensor(image, self._model.config.vision.input_width_px) for image in images)
        for _, alike in groupby(pictures, key=lambda picture: picture.shape):
            while together := list(islice(alike, batch)):
                yield from self._predict_together(torch.cat(together))

    def _predict_together(self, pictures: torch.Tensor) -> Iterator[Prediction]:
        for statements in ProgramWriter(self._model, self._model.look(pictures)).programs():
            confidences = tuple(statement.confidence for statement in statements if statement.item is not None)
            yield Prediction("".join(statement.text for statement in statements), confidences)


def picture_tensor(image: Image.Image, width_px: int) -> torch.Tensor:
    """(1, 3, H, W) float in [0, 1], W = width_px."""
    low, high = _ASPECT_RANGE
    if not low <= image.height / image.width <= high:
        raise UsageError(
            f"The picture is {image.width}x{image.height} pixels; its height must be between {low:g} and {high:g} times"
            " its width, so crop it first."
        )
    pixels = np.array(resized(image, width_px), dtype=np.float32)
    return torch.from_numpy(pixels).permute(2, 0, 1)[None] / 255.0
