# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels as programs to learn from: which token, number and peak the language model should choose at each position.

Letters: B pictures, M most objects of a picture, K peaks, T program tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from .data import SceneTensors
from .glimpse import Glimpse
from .program_slots import CAMERA_NUMBERS, LOCATION_NUMBERS, Choice, Dialect, Digits, Forced, Number, Slot

NOTHING = -1  # a position at which nothing is to be chosen
_FARTHEST_PEAK_PX = 8.0  # from an object's centre, in a picture of the tower's width


@dataclass(frozen=True, slots=True)
class ProgramTensors:
    """Programs with teacher forcing, all (B, T) integers, padded at the end.

    token: what is fed. target: the token to choose next, or NOTHING. item: from an object's beginning to its end, its row in
    the label; else NOTHING. peak: its visual token, likewise. read: the [NUM] whose numbers are read here, as an index into
    Quantities.slots, or NOTHING; feed: the one whose numbers are fed here.
    """

    token: Tensor
    target: Tensor
    item: Tensor
    peak: Tensor
    read: Tensor
    feed: Tensor

    def to(self, device: torch.device) -> ProgramTensors:
        """The same on another device."""
        return ProgramTensors(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))


@dataclass(frozen=True, slots=True)
class Variety:
    """How texts differ between two readings of a label: keywords in random order, synonyms at random (text dialect only)."""

    rng: np.random.Generator
    shuffle_attributes: bool = False
    synonyms: bool = False


@dataclass(slots=True)
class _Program:
    """Rows of (token, whether it is to be chosen, item, peak, [NUM])."""

    rows: list[tuple[int, bool, int, int, int]] = field(default_factory=list)
    about: tuple[int, int] = (NOTHING, NOTHING)

    def feed(self, tokens: tuple[int, ...], *, chosen: bool, number: int = NOTHING) -> None:
        self.rows.extend((token, chosen, *self.about, number) for token in tokens)

    def columns(self) -> list[list[int]]:
        """The columns of ProgramTensors. The last token is chosen, but not fed."""
        token, _, item, peak, fed = (list(column) for column in zip(*self.rows[:-1], strict=True))
        target = [row[0] if row[1] else NOTHING for row in self.rows[1:]]
        return [token, target, item, peak, [row[4] for row in self.rows[1:]], fed]


def peaks_of_objects(glimpse: Glimpse, scenes: SceneTensors) -> Tensor:
    """(B, M): the peak that shows each object, at most one for each, or NOTHING where the tower overlooked it."""
    result = torch.full(scenes.exists.shape, NOTHING)
    for picture in range(len(scenes.exists)):
        objects = torch.nonzero(scenes.exists[picture])[:, 0]
        distance = torch.cdist(scenes.uv[picture, objects], glimpse.place_px[picture])
        distance = torch.where(glimpse.score[picture] > 0.0, distance, torch.inf)
        rows, columns = linear_sum_assignment(np.minimum(distance.numpy(), 1.0e3))
        near = distance[rows, columns] < _FARTHEST_PEAK_PX
        result[picture, objects[torch.from_numpy(rows)[near]]] = torch.from_numpy(columns)[near]
    return result


def numbers_of(scenes: SceneTensors, dialect: Dialect, field_order: tuple[str, ...]) -> dict[str, Tensor]:
    """Quantity -> the numbers that a model learns to write: of the camera (B, n), of objects (B, M, n). Zeros where none."""
    quantities = dialect.quantities
    encoding, vocabulary = quantities.encoding, quantities.vocabulary
    numbers = {CAMERA_NUMBERS: scenes.camera} if quantities.decoder.camera else {}
    numbers[LOCATION_NUMBERS] = scenes.location[..., : vocabulary.location_length]
    if encoding.count:
        rotation = torch.zeros(*scenes.yaw.shape, encoding.count)
        column = field_order.index("shape") if "shape" in field_order else None
        in_space = vocabulary.rotation_length >= 3
        known = scenes.exists & ~torch.isnan(scenes.rotation).any(dim=2) if in_space else ~torch.isnan(scenes.yaw)
        for b, item in torch.nonzero(known).tolist():
            shape = None if column is None else vocabulary.words["shape"][int(scenes.words[b, item, column])]
            if in_space:
                matrix = scenes.rotation[b, item].reshape(3, 3).double().numpy()
                rotation[b, item] = torch.tensor(encoding.encode_matrix(matrix, shape))
            else:
                rotation[b, item] = torch.tensor(encoding.encode((float(scenes.yaw[b, item]),), shape))
        numbers[quantities.rotation] = rotation
    return numbers


def programs_of(
    scenes: SceneTensors,
    peaks: Tensor | None,
    dialect: Dialect,
    field_order: tuple[str, ...],
    numbers: Mapping[str, Tensor],
    variety: Variety | None = None,
) -> ProgramTensors:
    """Programs of labelled scenes, objects as the label lists them (left to right), those without a peak left out.

    peaks: (B, M), or None where no statement is about a peak. field_order: the fields of scenes.words, in the order of its last
    axis. numbers: as numbers_of gives them.
    """
    writer = _Writer(dialect, field_order, variety)
    programs = [
        writer.program(
            scenes.words[b].tolist(),
            scenes.exists[b].tolist(),
            None if peaks is None else peaks[b].tolist(),
            {name: values[b] for name, values in numbers.items()},
        )
        for b in range(len(scenes.exists))
    ]
    longest = max(len(columns[0]) for columns in programs)
    padding = (dialect.after_picture[0], NOTHING, NOTHING, NOTHING, NOTHING, NOTHING)
    return ProgramTensors(
        *(
            torch.tensor([[*columns[index], *[padding[index]] * (longest - len(columns[index]))] for columns in programs])
            for index in range(len(padding))
        )
    )


class _Writer:
    """Labels to programs in one dialect."""

    def __init__(self, dialect: Dialect, field_order: tuple[str, ...], variety: Variety | None) -> None:
        self._dialect, self._fields, self._variety = dialect, field_order, variety
        self._vocabulary = dialect.quantities.vocabulary
        self._index = {number: index for index, number in enumerate(dialect.quantities.slots)}

    def program(
        self, words: list[list[int]], exists: list[bool], peaks: list[int] | None, numbers: Mapping[str, Tensor]
    ) -> list[list[int]]:
        """The columns of one scene's program."""
        dialect, program = self._dialect, _Program()
        program.feed(dialect.after_picture, chosen=False)
        self._write(program, dialect.camera, {}, {name: values.tolist() for name, values in numbers.items() if values.dim() == 1})
        for item, is_there in enumerate(exists):
            if not is_there or (peaks is not None and peaks[item] == NOTHING):
                continue
            named = {name: self._vocabulary.words[name][words[item][column]] for column, name in enumerate(self._fields)}
            own = {name: values[item].tolist() for name, values in numbers.items() if values.dim() == 2}
            program.about = (item, NOTHING if peaks is None else peaks[item])
            program.feed(self._spelling(dialect.another, True), chosen=True)
            self._write(program, self._object(named), named, own)
        program.about = (NOTHING, NOTHING)
        program.feed(self._spelling(dialect.another, False), chosen=True)
        return program.columns()

    def _object(self, named: Mapping[str, str]) -> tuple[Slot, ...]:
        dialect, variety = self._dialect, self._variety
        quantities = dialect.quantities
        turns = quantities.rotation in quantities.counts and self._vocabulary.carries_rotation(named.get("shape"))
        if variety is None or not variety.shuffle_attributes or not dialect.any_order:
            return (*dialect.object_slots(dialect.arguments), *(dialect.rotation_slots() if turns else ()), *dialect.closing)
        arguments = (*dialect.arguments, *((quantities.rotation,) if turns else ()))
        order = tuple(arguments[index] for index in variety.rng.permutation(len(arguments)))
        return (*dialect.object_slots(order), *dialect.closing)

    def _write(
        self, program: _Program, slots: tuple[Slot, ...], named: Mapping[str, str], numbers: Mapping[str, list[float]]
    ) -> None:
        learns = self._dialect.learns_forced
        for slot in slots:
            if isinstance(slot, Forced):
                program.feed(slot.tokens, chosen=learns)
            elif isinstance(slot, Choice):
                program.feed(self._spelling(slot, named[slot.field]), chosen=True)
            elif isinstance(slot, Digits):
                program.feed(slot.root.spelling(numbers[slot.quantity][slot.first]), chosen=True)
            elif isinstance(slot, Number):
                program.feed((self._dialect.number_token,), chosen=learns, number=self._index[slot])

    def _spelling(self, choice: Choice, value: str | bool) -> tuple[int, ...]:
        several = choice.spellings[value]
        if self._variety is None or not self._variety.synonyms or len(several) == 1:
            return several[0]
        return several[int(self._variety.rng.integers(len(several)))]
