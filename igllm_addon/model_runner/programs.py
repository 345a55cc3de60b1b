# SPDX-License-Identifier: GPL-3.0-or-later
"""Labels as programs to learn from: which token, number and peak the language model should choose at each position.

Letters: B pictures, M most objects of a picture, K peaks, T program tokens.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from .data import SceneTensors
from .model import Glimpse
from .program_tokens import ADD, CAMERA, END, NUMBER, START, ProgramTokens
from .tower_training import yaw_orders

NOTHING = -1  # a position at which nothing is to be chosen
_FARTHEST_PEAK_PX = 8.0  # from an object's centre, in a picture of the tower's width


@dataclass(frozen=True, slots=True)
class ProgramTensors:
    """Programs with teacher forcing, all (B, T) integers, padded at the end.

    token: what is fed. target: the token to choose next, or NOTHING. item: for a location's [NUM], for `add` and for everything
    up to the object's end, the row of the object in the label; else NOTHING. peak: its visual token, likewise.
    role: 0 nothing, 1 the camera's numbers are read here, 2 a location, 3 a yaw; 4, 5, 6 the same numbers are fed here.
    """

    token: Tensor
    target: Tensor
    item: Tensor
    peak: Tensor
    role: Tensor


READ_CAMERA, READ_LOCATION, READ_YAW, FEED_CAMERA, FEED_LOCATION, FEED_YAW = range(1, 7)


@dataclass(slots=True)
class _Program:
    rows: list[tuple[int, int, int, int, int]] = field(default_factory=list)

    def feed(self, token: int, target: int, item: int = NOTHING, peak: int = NOTHING, role: int = 0) -> None:
        self.rows.append((token, target, item, peak, role))


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


def programs_of(scenes: SceneTensors, peaks: Tensor, tokens: ProgramTokens, field_order: tuple[str, ...]) -> ProgramTensors:
    """Programs of labelled scenes, objects as the label lists them (left to right), those without a peak left out.

    field_order: the fields of scenes.words, in the order of its last axis.
    """
    columns = [field_order.index(name) for name in tokens.fields]
    starts = [tokens.word_tokens(name).start for name in tokens.fields]
    programs = [_program(scenes.words[b], peaks[b].tolist(), tokens, columns, starts).rows for b in range(len(peaks))]
    longest = max(len(rows) for rows in programs)
    padding = (END, NOTHING, NOTHING, NOTHING, 0)
    table = torch.tensor([rows + [padding] * (longest - len(rows)) for rows in programs])  # (B, T, 5)
    return ProgramTensors(*table.unbind(dim=2))


def _program(words: Tensor, peaks: list[int], tokens: ProgramTokens, columns: list[int], starts: list[int]) -> _Program:
    shown = [item for item, peak in enumerate(peaks) if peak != NOTHING]
    program = _Program()
    program.feed(START, NOTHING)
    program.feed(CAMERA, NOTHING, role=READ_CAMERA)
    program.feed(NUMBER, ADD if shown else END, role=FEED_CAMERA)
    for position, item in enumerate(shown):
        after = ADD if position + 1 < len(shown) else END
        about = (item, peaks[item])
        chosen = [start + int(words[item, column]) for start, column in zip(starts, columns, strict=True)]
        program.feed(ADD, NOTHING, *about, READ_LOCATION)
        program.feed(NUMBER, chosen[0], *about, FEED_LOCATION)
        for token, target in zip(chosen, chosen[1:], strict=False):
            program.feed(token, target, *about)
        if tokens.carries_rotation(chosen[-1]):
            program.feed(chosen[-1], NOTHING, *about, READ_YAW)
            program.feed(NUMBER, after, *about, FEED_YAW)
        else:
            program.feed(chosen[-1], after, *about)
    return program


def yaw_directions(scenes: SceneTensors, tokens: ProgramTokens) -> Tensor:
    """(B, M, 2): sine and cosine of each yaw times its shape's symmetry order; zeros where there is no yaw."""
    phase = torch.nan_to_num(scenes.yaw) * yaw_orders(tokens.vocabulary)[scenes.words[..., -1]]
    return torch.stack([torch.sin(phase), torch.cos(phase)], dim=-1) * ~torch.isnan(scenes.yaw)[..., None]
