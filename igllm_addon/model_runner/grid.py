# SPDX-License-Identifier: GPL-3.0-or-later
"""The compact tower's features as a plain grid of visual tokens, for decoders that are not told where objects are.

Letters: B pictures, C features, rows and columns of the grid.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .geometry import focal_length_px
from .vision import TowerMaps, VisionTower
from .vision_config import VisionConfig

_FEATURE_STRIDE_PX = 8
_STRIDES_PX = {"grid8": 8, "grid16": 16}
_ROWS_PER_COLUMN = 0.75  # the grid has the same number of cells whatever a picture's aspect, so that batches can mix them


def grid_size(vision: VisionConfig, visual: str) -> tuple[int, int]:
    """Rows and columns of "grid8" or "grid16"."""
    columns = -(-vision.input_width_px // _STRIDES_PX[visual])
    return round(columns * _ROWS_PER_COLUMN), columns


def grid_tokens(maps: TowerMaps, tower: VisionTower, size: tuple[int, int]) -> Tensor:
    """(B, rows · columns, C + 2): features of stride 8, averaged within each cell, and where in the picture the cell is, in
    units of the focal length from the centre."""
    b, _, rows, columns = maps.coarse.shape
    focal = focal_length_px(tower.geometry, tower.config.input_width_px)
    v = (maps.pictures.shape[2] / 2 - (torch.arange(rows, device=maps.coarse.device) + 0.5) * _FEATURE_STRIDE_PX) / focal
    u = ((torch.arange(columns, device=maps.coarse.device) + 0.5) * _FEATURE_STRIDE_PX - tower.config.input_width_px / 2) / focal
    places = torch.stack([u.expand(rows, columns), v[:, None].expand(rows, columns)])
    both = torch.cat([maps.coarse, places.expand(b, -1, -1, -1)], dim=1)
    return F.adaptive_avg_pool2d(both, size).flatten(2).transpose(1, 2)
