# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing a program, statement by statement: greedy, with keys and values cached, and nothing but valid code.

At every step the language model chooses among the tokens that may follow; what the grammar forces (program_tokens.py) costs no
step. A peak that a statement was about is not pointed at again, so the program ends at the latest when all are used.
Letters as in model.py, with B = 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache

from ..core.errors import WeightsError
from ..core.graphics_code import serialize
from ..core.scene import Camera, Scene, SceneObject
from .geometry import camera_at
from .model import Glimpse, Igllm
from .program_tokens import ADD, CAMERA, CAMERA_NUMBERS, END, LOCATION_NUMBERS, NUMBER, START, YAW_NUMBERS

_DECIMALS = 4  # a tenth of a millimetre, far below what a picture tells
_QUATERNION_DECIMALS = 7
_DISTANCE_RANGE_M = (0.1, 1000.0)
_ELEVATION_LIMIT_RADIANS = 1.5  # just short of straight above, where a camera has no azimuth


@dataclass(frozen=True, slots=True)
class WrittenStatement:
    """One line of canonical graphics code, newline included. `item` is None for the camera's statement."""

    text: str
    item: SceneObject | None
    confidence: float


class ProgramWriter:
    """One program being written for one picture."""

    def __init__(self, model: Igllm, glimpse: Glimpse) -> None:
        self._model, self._glimpse = model, glimpse
        self._vocabulary, self._tokens = model.config.vocabulary, model.tokens
        self._cache = DynamicCache()
        self._free = torch.ones(glimpse.score.shape[1], dtype=torch.bool)
        self.steps = 0  # passes through the language model so far

    def statements(self) -> Iterator[WrittenStatement]:
        """The camera's statement, then one for each object. Each next() writes one."""
        camera, hidden = self._write_camera()
        yield WrittenStatement(serialize(Scene((), camera), self._vocabulary), None, 1.0)
        for _ in range(min(len(self._free), self._vocabulary.object_limit)):
            probability = self._probability_of_another(hidden)
            if probability < 0.5:
                return
            item, confidence, hidden = self._write_object()
            yield WrittenStatement(serialize(Scene((item,)), self._vocabulary), item, probability * confidence)

    @torch.inference_mode()
    def _write_camera(self) -> tuple[Camera, Tensor]:
        model = self._model
        self._visual = model.visual_embeddings(self._glimpse)  # (1, V, D)
        start = model.embed_tokens(torch.tensor([[START, CAMERA]]))
        hidden = self._step(torch.cat([self._visual, start], dim=1))
        numbers = self._glimpse.camera + model.numeric_heads[CAMERA_NUMBERS](hidden)
        hidden = self._feed_numbers(CAMERA_NUMBERS, numbers)
        distance, elevation = self._finite(numbers)
        distance = min(max(distance, _DISTANCE_RANGE_M[0]), _DISTANCE_RANGE_M[1])
        elevation = min(max(elevation, -_ELEVATION_LIMIT_RADIANS), _ELEVATION_LIMIT_RADIANS)
        return _rounded(camera_at(model.config.geometry, distance, elevation)), hidden

    @torch.inference_mode()
    def _probability_of_another(self, hidden: Tensor) -> float:
        logits = self._model.language_model.lm_head(hidden)[0, [ADD, END]]
        return self._finite(torch.softmax(logits, dim=0))[0]

    @torch.inference_mode()
    def _write_object(self) -> tuple[SceneObject, float, Tensor]:
        model, tokens = self._model, self._tokens
        hidden = self._feed_token(ADD)
        pointed = torch.softmax(
            model.pointer_logits(hidden[:, None], self._visual)[0, 0].masked_fill(~self._free, -math.inf), dim=0
        )
        peak = int(pointed.argmax())
        self._free[peak] = False
        confidence = float(pointed[peak]) * float(self._glimpse.score[0, peak])
        limit = self._vocabulary.location_limit
        location = (self._glimpse.location[:, peak] + model.numeric_heads[LOCATION_NUMBERS](hidden)).clamp(-limit, limit)
        hidden = self._feed_numbers(LOCATION_NUMBERS, location, self._visual[:, 1 + peak])
        words: dict[str, str] = {}
        token = ADD
        for field in tokens.fields:
            choices = tokens.word_tokens(field)
            probabilities = torch.softmax(model.language_model.lm_head(hidden)[0, choices.start : choices.stop], dim=0)
            best = int(probabilities.argmax())
            confidence *= float(probabilities[best])
            words[field] = self._vocabulary.words[field][best]
            token = choices.start + best
            hidden = self._feed_token(token)
        rotation = None
        if self._vocabulary.rotation_length == 1 and tokens.carries_rotation(token):
            direction = self._glimpse.yaw[:, peak] + model.numeric_heads[YAW_NUMBERS](hidden)
            hidden = self._feed_numbers(YAW_NUMBERS, direction)
            sine, cosine = self._finite(direction)
            order = self._vocabulary.yaw_symmetry_orders.get(words["shape"], 1) or 1
            rotation = (round(math.atan2(sine, cosine) / order, _DECIMALS),)
        x, y, z = (round(number, _DECIMALS) for number in self._finite(location))
        return SceneObject(**words, location=(x, y, z), rotation=rotation), confidence, hidden

    def _feed_token(self, token: int) -> Tensor:
        return self._step(self._model.embed_tokens(torch.tensor([[token]])))

    def _feed_numbers(self, quantity: str, numbers: Tensor, about: Tensor | None = None) -> Tensor:
        """Feed a [NUM] with its numbers (1, n) and, for a location, the visual token that it is about (1, D)."""
        embedded = self._model.embed_tokens(torch.tensor([[NUMBER]])) + self._model.embed_numbers(quantity, numbers)[:, None]
        return self._step(embedded if about is None else embedded + about[:, None])

    def _step(self, embedded: Tensor) -> Tensor:
        """Feed embeddings (1, T, D); the hidden state (1, D) after the last."""
        self.steps += 1
        output = self._model.language_model.model(inputs_embeds=embedded, past_key_values=self._cache, use_cache=True)
        hidden: Tensor = output.last_hidden_state[:, -1]
        return hidden

    def _finite(self, numbers: Tensor) -> list[float]:
        values: list[float] = numbers.flatten().tolist()
        if not all(math.isfinite(value) for value in values):
            raise WeightsError(
                f"the weights of {self._model.config.name!r} lead to numbers that are not finite; install them again"
            )
        return values


def _rounded(camera: Camera) -> Camera:
    x, y, z = (round(value, _DECIMALS) for value in camera.location)
    a, b, c, d = (round(value, _QUATERNION_DECIMALS) for value in camera.quaternion_wxyz)
    return Camera((x, y, z), (a, b, c, d), camera.focal_length_mm, camera.sensor_width_mm)
