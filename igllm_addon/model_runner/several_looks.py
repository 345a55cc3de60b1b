# SPDX-License-Identifier: GPL-3.0-or-later
"""The same picture looked at several times, lying otherwise on the tower's grid each time: what is there is said by all together.

A cell of the tower is four pixels wide, and how a small thing falls on the cells decides whether its edges show. Words, yaw and
doubt are means over the looks (of logarithms of chances, of vectors, of logits). Where things and camera are is left to the first
look: it is the one that training knew, and means over the others are no better.

Letters: N places.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from .geometry import focal_length_px
from .vision import STRIDE, Description, TowerMaps, VisionTower

_WORTHWHILE = 0.01  # trust in a place below which it is looked at only once
_SHAPE_LOOK_WEIGHT = 3.0  # of the logarithm of a shape's chance, beside that of all other looks together
_HALF = STRIDE // 2
_SHIFTS_PX = {1: (), 2: ((_HALF, _HALF),), 4: ((_HALF, 0), (0, _HALF), (_HALF, _HALF))}


def described(tower: VisionTower, maps: TowerMaps, picture: Tensor, row: Tensor, column: Tensor, trust: Tensor) -> Description:
    """As VisionTower.describe, from as many looks as the tower's config says, and with its look at shapes where it has one."""
    first = tower.describe(maps, picture, row, column, trust)
    places = torch.nonzero(trust >= _WORTHWHILE)[:, 0]
    if not len(places):
        return first
    focal = focal_length_px(tower.geometry, tower.config.input_width_px)
    height, width = maps.pictures.shape[2:]
    centre_px = first.place[places] * first.place.new_tensor((focal, -focal)) + first.place.new_tensor((width / 2, height / 2))
    seen = _by_all_looks(tower, maps, picture[places], centre_px, first, places, trust[places])
    if not tower.config.shape_look_px:
        return seen
    half_extent_px = focal * first.height[places] / first.depth[places]
    chances = tower.shape_look.chances(maps.pictures, picture[places], centre_px, half_extent_px)
    shape = F.log_softmax(seen.words["shape"], dim=1).index_add(0, places, _SHAPE_LOOK_WEIGHT * chances)
    return replace(seen, words={**seen.words, "shape": shape})


def _by_all_looks(
    tower: VisionTower,
    maps: TowerMaps,
    picture: Tensor,
    centre_px: Tensor,
    first: Description,
    places: Tensor,
    trust: Tensor,
) -> Description:
    """The first look at all places, with what the others say of `places`, which lie at centre_px in `picture`."""
    shifts = _SHIFTS_PX[tower.config.looks]
    if not shifts:
        return first
    others = []
    for shift_px in shifts:
        shifted = tower(maps.pictures, shift_px)
        cell = torch.floor((centre_px + centre_px.new_tensor(shift_px)) / STRIDE).long()
        cell_row = cell[:, 1].clamp(0, shifted.heat.shape[1] - 1)
        cell_column = cell[:, 0].clamp(0, shifted.heat.shape[2] - 1)
        others.append(tower.describe(shifted, picture, cell_row, cell_column, trust))
    words = {
        name: _mean(F.log_softmax(first.words[name], dim=1), places, [F.log_softmax(seen.words[name], dim=1) for seen in others])
        for name in tower.fields
    }
    yaw, doubt = (_mean(getattr(first, name), places, [getattr(seen, name) for seen in others]) for name in ("yaw", "doubt"))
    return replace(first, words=words, yaw=yaw, doubt=doubt)


def _mean(first: Tensor, places: Tensor, others: list[Tensor]) -> Tensor:
    """`first` (N, …) with the mean of all looks at those places that all have looked at."""
    mean = torch.stack([first[places], *others]).mean(dim=0)
    return first.index_copy(0, places, mean)
