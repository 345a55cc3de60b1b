# SPDX-License-Identifier: GPL-3.0-or-later
"""Writing programs, statement by statement: greedy, with keys and values cached, and nothing but valid code with any weights.

At a choice the language model chooses among what may follow (token_choices.py); what the grammar forces waits and is fed with the
next thing that is not, so it costs no pass. A number is read from the very pass that would predict its [NUM]. A peak that a
statement was about is not pointed at again. What the model writes becomes canonical graphics code here, whatever its dialect.

What follows is fed along with what is known wherever it can be foreseen: another statement before it is chosen, because only the
end could stand in its place, and the words that the tower reads at the peak. The model chooses at every position all the same;
where it chooses another word, what was fed after it is taken back. So passes are saved, and nothing else changes.
Letters as in model.py, with B = 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from ..core.graphics_code import serialize
from ..core.scene import Camera, Scene, SceneObject
from .calibration import calibrated
from .config import GeometryConfig
from .geometry import camera_at
from .llama_steps import LlamaSteps
from .lockstep import Asking, Writing, written_together
from .model import Glimpse, Igllm
from .program_slots import ANOTHER, CAMERA_NUMBERS, LOCATION_NUMBERS, Choice, Digits, Forced, Number, Slot
from .token_feeding import TokenFeeding, finite

_DECIMALS = 4  # a tenth of a millimetre, far below what a picture tells
_QUATERNION_DECIMALS = 7
_DISTANCE_RANGE_M = (0.1, 1000.0)
_ELEVATION_LIMIT_RADIANS = 1.5  # just short of straight above, where a camera has no azimuth
_MOST_POSITIONS = 1024  # of a program, as in IG-LLM; a statement that has begun is written to its end


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
    """One program being written. Its generators ask for embeddings to be fed and are sent the hidden states after them."""

    def __init__(self, model: Igllm, glimpse: Glimpse, visual: Tensor) -> None:
        self._model, self._glimpse, self._visual = model, glimpse, visual
        self._dialect, self._quantities, self._vocabulary = model.dialect, model.quantities, model.config.vocabulary
        self._free = torch.ones(glimpse.score.shape[1], dtype=torch.bool, device=glimpse.score.device)
        told = {name: chances[0] for name, chances in model.told_words(glimpse).items()}  # (K, words)
        self._foreseen = {name: chances.argmax(dim=1).tolist() for name, chances in told.items()}
        self._starts = model.word_starts(told)
        self._feeding = TokenFeeding(model)
        self._begin()

    def _begin(self, confidence: float = 1.0) -> None:
        """Nothing is known yet about the next statement, but that it comes."""
        self._numbers: dict[str, list[float]] = {}
        self._words: dict[str, str] = {}
        self._guessed: dict[str, str] = {}
        self._confidence = confidence
        self._peak: int | None = None

    def write(self) -> Writing[WrittenStatement]:
        """The camera's statement, where there is one, then one for each object."""
        dialect, feeding = self._dialect, self._feeding
        feeding.push_embedded(self._model.before_program(self._visual)[0])
        feeding.push(*dialect.after_picture)
        feeding.positions = 0  # a picture of many tokens leaves a program as much room as any
        if dialect.camera:
            yield from self._fill(dialect.camera, ())
            yield WrittenStatement(serialize(Scene((), self._camera()), self._vocabulary), None, 1.0)
        pointed_at = len(self._free) if self._model.config.decoder.pointer else self._vocabulary.object_limit
        for _ in range(min(pointed_at, self._vocabulary.object_limit)):
            object_slots = dialect.object_slots(dialect.arguments)
            self._begin()
            comes, certainty = yield from self._choose(dialect.another, object_slots)
            if not comes or feeding.positions > _MOST_POSITIONS:
                return
            self._begin(certainty)
            yield from self._fill(object_slots, None)
            turns = self._turns(self._words.get("shape"))
            if turns:
                yield from self._fill(dialect.rotation_slots(), ())
            yield from self._fill(dialect.closing, ())
            item = self._object()
            confidence = calibrated(self._confidence, self._model.config.calibration)
            yield WrittenStatement(serialize(Scene((item,)), self._vocabulary), item, confidence)

    def _fill(self, slots: tuple[Slot, ...], after: tuple[Slot, ...] | None) -> Asking[WrittenStatement, None]:
        """Write the slots. after: what follows them, to be foreseen; None: what follows an object's arguments."""
        for index, slot in enumerate(slots):
            if isinstance(slot, Forced):
                self._feeding.push(*slot.tokens)
            elif isinstance(slot, Choice):
                rest = slots[index + 1 :] + (self._after_arguments() if after is None else after)
                word, certainty = yield from self._choose(slot, rest)
                self._words[slot.field] = str(word)
                self._confidence *= certainty
            elif isinstance(slot, Digits):
                number, _ = yield from self._feeding.walk(slot.root, lambda walked: ())
                self._numbers.setdefault(slot.quantity, []).append(number)
            else:
                yield from self._read(slot)

    def _choose(self, choice: Choice, rest: tuple[Slot, ...]) -> Asking[WrittenStatement, tuple[str | bool, float]]:
        """What the model chooses, and how probable it is among what could be chosen."""
        starts: dict[int, float] = {}
        if choice.field in self._starts and self._peak is not None:
            tokens = self._model.tokens.word_tokens(choice.field)
            starts = dict(zip(tokens, self._starts[choice.field][self._peak].tolist(), strict=True))
        return (yield from self._feeding.walk(choice.root, lambda walked: self._expected(choice, walked, rest), starts))

    def _expected(self, choice: Choice, walked: tuple[int, ...], rest: tuple[Slot, ...]) -> tuple[int, ...]:
        """The tokens that are likely to come once these of a choice are there, as far as something can be foreseen."""
        expected: list[int] = []
        for slot, done in ((choice, walked), *((slot, ()) for slot in rest)):
            if isinstance(slot, Forced):
                expected += slot.tokens
                continue
            guess = (True if slot.field == ANOTHER else self._guessed.get(slot.field)) if isinstance(slot, Choice) else None
            if guess is None or not isinstance(slot, Choice):
                break
            fitting = [spelling for spelling in slot.spellings[guess] if spelling[: len(done)] == done]
            if not fitting:
                break
            expected += fitting[0][len(done) :]
        return tuple(expected)

    def _after_arguments(self) -> tuple[Slot, ...]:
        """What follows an object's arguments, if it has the shape that it seems to have."""
        dialect = self._dialect
        if self._turns(self._words.get("shape", self._guessed.get("shape"))):
            return dialect.rotation_slots()
        return (*dialect.closing, dialect.another, *dialect.object_slots(dialect.arguments))

    def _read(self, number: Number) -> Asking[WrittenStatement, None]:
        """Read the numbers of a [NUM] from the state that predicts it, and feed it."""
        model, glimpse, pointer = self._model, self._glimpse, self._model.config.decoder.pointer
        hidden = (yield from self._feeding.state(()))[None]  # (1, D)
        begins_location = number.quantity == LOCATION_NUMBERS and number.first == 0
        location = rotation = glimpse.camera
        if pointer and begins_location:
            self._point(hidden)
        if pointer:
            peak = self._peak or 0  # of the camera's numbers it does not matter
            location, rotation = glimpse.location[:, peak], glimpse.rotation[:, peak]
            if number.quantity not in (CAMERA_NUMBERS, LOCATION_NUMBERS):
                rotation = model.rotation_start(rotation, [self._words.get("shape")])
        numbers = model.start_of(number, glimpse.camera, location, rotation) + model.numeric_heads[number.head](hidden)
        if number.quantity == LOCATION_NUMBERS:
            numbers = numbers.clamp(-self._vocabulary.location_limit, self._vocabulary.location_limit)
        self._numbers.setdefault(number.quantity, []).extend(finite(model, numbers[0].tolist()))
        embedded = self._feeding.embedded([self._dialect.number_token])
        if model.config.decoder.feed_numbers:
            embedded = embedded + model.embed_numbers(number.head, numbers)
        if self._peak is not None and begins_location:
            embedded = embedded + self._visual[:, 1 + self._peak]
        self._feeding.push_embedded(embedded)

    def _point(self, hidden: Tensor) -> None:
        """Choose the peak that the next statement is about, and see what words the tower reads there."""
        logits = self._model.pointer_logits(hidden[:, None], self._visual)[0, 0]
        pointed = torch.softmax(logits.masked_fill(~self._free, -math.inf), dim=0)
        peak = self._peak = int(pointed.argmax())
        self._free[peak] = False
        self._confidence *= float(pointed[peak]) * float(self._glimpse.score[0, peak])
        words = self._vocabulary.words
        self._guessed = {name: words[name][best[peak]] for name, best in self._foreseen.items()}

    def _turns(self, shape: str | None) -> bool:
        return self._quantities.rotation in self._quantities.counts and self._vocabulary.carries_rotation(shape)

    def _camera(self) -> Camera:
        distance, elevation = self._numbers[CAMERA_NUMBERS]
        distance = min(max(distance, _DISTANCE_RANGE_M[0]), _DISTANCE_RANGE_M[1])
        elevation = min(max(elevation, -_ELEVATION_LIMIT_RADIANS), _ELEVATION_LIMIT_RADIANS)
        geometry = self._model.config.geometry
        assert isinstance(geometry, GeometryConfig)  # ModelConfig lets no other model write a camera
        camera = camera_at(geometry, distance, elevation)
        x, y, z = (round(value, _DECIMALS) for value in camera.location)
        a, b, c, d = (round(value, _QUATERNION_DECIMALS) for value in camera.quaternion_wxyz)
        return Camera((x, y, z), (a, b, c, d), camera.focal_length_mm, camera.sensor_width_mm)

    def _object(self) -> SceneObject:
        limit = self._vocabulary.location_limit
        location = [min(max(round(value, _DECIMALS), -limit), limit) for value in self._numbers[LOCATION_NUMBERS]]
        x, y, z = (*location, 0.0)[:3]
        rotation = None
        if numbers := self._numbers.get(self._quantities.rotation):
            rotation = self._quantities.encoding.decode(numbers, self._words.get("shape"))
        return SceneObject(**self._words, location=(x, y, z), rotation=rotation)
