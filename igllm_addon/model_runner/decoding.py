# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing programs, statement by statement: greedy, with keys and values cached, and nothing but valid code.

At every step the language model chooses among the tokens that may follow; what the grammar forces (program_tokens.py) costs no
step. A peak that a statement was about is not pointed at again, so the program ends at the latest when all are used.

What follows is fed along with what is known wherever it can be foreseen: `add` before it is chosen, because only the end could
stand in its place, and the words that the tower reads at the peak. The model chooses at every position all the same; where it
chooses another word, what was fed after it is taken back. So passes are saved, and nothing else changes.
Letters as in model.py, with B = 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.errors import WeightsError
from ..core.graphics_code import serialize
from ..core.scene import Camera, Scene, SceneObject
from .geometry import camera_at
from .llama_steps import LlamaSteps
from .lockstep import Asking, Feed, Writing, written_together
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
    """The programs of the pictures of a glimpse, being written together."""

    def __init__(self, model: Igllm, glimpse: Glimpse) -> None:
        self._model, self._glimpse = model, glimpse
        self._steps = LlamaSteps(model.language_model, len(glimpse.score))

    @property
    def passes(self) -> int:
        """Passes through the language model so far, each for all pictures."""
        return self._steps.passes

    def statements(self) -> Iterator[WrittenStatement]:
        """Of the only picture: the camera's statement, then one for each object. Each comes as soon as it is written."""
        if len(self._glimpse.score) != 1:
            raise ValueError(f"the statements of {len(self._glimpse.score)} pictures would be mixed; take programs()")
        yield from (statement for _, statement in self._written())

    def programs(self) -> list[list[WrittenStatement]]:
        """The statements of each picture."""
        result: list[list[WrittenStatement]] = [[] for _ in self._glimpse.score]
        for picture, statement in self._written():
            result[picture].append(statement)
        return result

    @torch.inference_mode()
    def _written(self) -> Iterator[tuple[int, WrittenStatement]]:
        visual = self._model.visual_embeddings(self._glimpse)  # (B, V, D)
        glimpses = [self._glimpse.take(torch.tensor([picture])) for picture in range(len(visual))]
        programs = [_Program(self._model, glimpse, visual[[picture]]) for picture, glimpse in enumerate(glimpses)]
        return written_together(self._steps, [program.write() for program in programs])


class _Program:
    """One program being written. Its generators ask for embeddings to be fed and are sent the hidden states after them.

    Between statements these are two: the one in which `add` or the end is chosen, and the one after `add`.
    """

    def __init__(self, model: Igllm, glimpse: Glimpse, visual: Tensor) -> None:
        self._model, self._glimpse, self._visual = model, glimpse, visual
        self._vocabulary, self._tokens = model.config.vocabulary, model.tokens
        self._free = torch.ones(glimpse.score.shape[1], dtype=torch.bool)
        self._foreseen = _foreseen_words(model, glimpse)

    def write(self) -> Writing[WrittenStatement]:
        """The camera's statement, then one for each object."""
        model = self._model
        hidden = yield Feed(torch.cat([self._visual[0], self._embedded(START, CAMERA)]))
        numbers = self._glimpse.camera + model.numeric_heads[CAMERA_NUMBERS](hidden[-1:])
        yield WrittenStatement(serialize(Scene((), self._camera(numbers)), self._vocabulary), None, 1.0)
        hidden = yield Feed(torch.cat([self._number(CAMERA_NUMBERS, numbers), self._embedded(ADD)]))
        for _ in range(min(len(self._free), self._vocabulary.object_limit)):
            logits = model.language_model.lm_head(hidden[-2])[[ADD, END]]
            probability = self._finite(torch.softmax(logits, dim=0))[0]
            if probability < 0.5:
                return
            hidden = yield from self._write_object(hidden[-1:], probability)

    def _write_object(self, hidden: Tensor, confidence: float) -> Asking[WrittenStatement, Tensor]:
        """Write the statement of one object from the state after its `add` (1, D); the states after it."""
        model, glimpse = self._model, self._glimpse
        peak, probability = self._point(hidden)
        limit = self._vocabulary.location_limit
        location = (glimpse.location[:, peak] + model.numeric_heads[LOCATION_NUMBERS](hidden)).clamp(-limit, limit)
        x, y, z = (round(number, _DECIMALS) for number in self._finite(location))
        number = self._number(LOCATION_NUMBERS, location) + self._visual[:, 1 + peak]
        words, certainty, hidden = yield from self._write_words(number, self._foreseen[peak])
        confidence *= probability * certainty
        named = {
            name: self._vocabulary.words[name][token - self._tokens.word_tokens(name).start]
            for name, token in zip(self._tokens.fields, words, strict=True)
        }
        if not self._turns(words[-1]):
            yield self._statement(SceneObject(**named, location=(x, y, z)), confidence)
            return hidden
        direction = glimpse.yaw[:, peak] + model.numeric_heads[YAW_NUMBERS](hidden[-1:])
        sine, cosine = self._finite(direction)
        order = self._vocabulary.yaw_symmetry_orders.get(named["shape"], 1) or 1
        rotation = (round(math.atan2(sine, cosine) / order, _DECIMALS),)
        yield self._statement(SceneObject(**named, location=(x, y, z), rotation=rotation), confidence)
        return (yield Feed(torch.cat([self._number(YAW_NUMBERS, direction), self._embedded(ADD)])))

    def _point(self, hidden: Tensor) -> tuple[int, float]:
        """The peak that the next statement is about, and how sure that is an object."""
        logits = self._model.pointer_logits(hidden[:, None], self._visual)[0, 0]
        pointed = torch.softmax(logits.masked_fill(~self._free, -math.inf), dim=0)
        peak = int(pointed.argmax())
        self._free[peak] = False
        return peak, float(pointed[peak]) * float(self._glimpse.score[0, peak])

    def _write_words(self, before: Tensor, foreseen: Sequence[int]) -> Asking[WrittenStatement, tuple[list[int], float, Tensor]]:
        """Choose a token for each field after feeding `before` (1, D); with them their probability and the states after them.

        What is foreseen is fed before it is chosen; what follows a token that was foreseen wrongly is taken back.
        """
        chosen: list[int] = []
        probability, forget = 1.0, 0
        while True:
            ahead = list(foreseen[len(chosen) :])
            last = (chosen + ahead)[-1:]
            is_whole = len(chosen) + len(ahead) == len(self._tokens.fields)
            follows = [ADD] if is_whole and not self._turns(last[0]) else []
            fed = torch.cat([before, self._embedded(*ahead, *follows)])
            hidden = yield Feed(fed, forget)
            logits = self._model.language_model.lm_head(hidden)
            for position, field in enumerate(self._tokens.fields[len(chosen) :]):
                choices = self._tokens.word_tokens(field)
                probabilities = torch.softmax(logits[position, choices.start : choices.stop], dim=0)
                best = int(probabilities.argmax())
                probability *= float(probabilities[best])
                chosen.append(choices.start + best)
                if ahead[position : position + 1] != chosen[-1:]:
                    before, forget = self._embedded(chosen[-1]), len(fed) - 1 - position
                    break
            else:
                return chosen, probability, hidden

    def _turns(self, shape_token: int) -> bool:
        return self._vocabulary.rotation_length == 1 and self._tokens.carries_rotation(shape_token)

    def _embedded(self, *tokens: int) -> Tensor:
        return self._model.embed_tokens(torch.tensor(tokens, dtype=torch.int64))

    def _number(self, quantity: str, numbers: Tensor) -> Tensor:
        """A [NUM] with its numbers (1, n), to be fed (1, D)."""
        return self._embedded(NUMBER) + self._model.embed_numbers(quantity, numbers)

    def _statement(self, item: SceneObject, confidence: float) -> WrittenStatement:
        return WrittenStatement(serialize(Scene((item,)), self._vocabulary), item, confidence)

    def _camera(self, numbers: Tensor) -> Camera:
        distance, elevation = self._finite(numbers)
        distance = min(max(distance, _DISTANCE_RANGE_M[0]), _DISTANCE_RANGE_M[1])
        elevation = min(max(elevation, -_ELEVATION_LIMIT_RADIANS), _ELEVATION_LIMIT_RADIANS)
        return _rounded(camera_at(self._model.config.geometry, distance, elevation))

    def _finite(self, numbers: Tensor) -> list[float]:
        values: list[float] = numbers.flatten().tolist()
        if not all(math.isfinite(value) for value in values):
            raise WeightsError(
                f"the weights of {self._model.config.name!r} lead to numbers that are not finite; install them again"
            )
        return values


def _foreseen_words(model: Igllm, glimpse: Glimpse) -> list[list[int]]:
    """For each peak of the only picture, the tokens of the words that the tower reads there, in the order of the fields."""
    first = model.config.vision.feature_width + 1  # as Igllm.look lays out the tokens
    best: dict[str, Tensor] = {}
    for name in model.tower.fields:
        count = len(model.config.vocabulary.words[name])
        best[name] = glimpse.tokens[0, :, first : first + count].argmax(dim=1) + model.tokens.word_tokens(name).start
        first += count
    tokens: list[list[int]] = torch.stack([best[name] for name in model.tokens.fields], dim=1).tolist()
    return tokens


def _rounded(camera: Camera) -> Camera:
    x, y, z = (round(value, _DECIMALS) for value in camera.location)
    a, b, c, d = (round(value, _QUATERNION_DECIMALS) for value in camera.quaternion_wxyz)
    return Camera((x, y, z), (a, b, c, d), camera.focal_length_mm, camera.sensor_width_mm)
