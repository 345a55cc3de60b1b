# SPDX-License-Identifier: GPL-3.0-or-later
"""A look at shapes alone: whether a small thing half behind another is a cube or a cylinder.

The second look corrects everything at once and may lean on what the tower says, so the pictures that it learns from must keep
their colours, and left must stay left. A shape is the same in the mirror and in any colour. So this network, which sees nothing
but the window about a place and says nothing but a shape, can learn from mirrored, recoloured and covered windows
(shape_look_training.py), which are many more.

Letters: N places, S side of a magnified window.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .convolutions import ConvNorm, ResidualBlock
from .second_look import windows

WINDOW_PER_HALF_EXTENT = 2.2  # half a window's side, in half extents of the object
_UNSHUFFLED = 2  # side of the blocks of samples that the first layer sees as one
_CHANNELS = (24, 48, 96, 128)
_WIDTH = 96
_LEFT_OUT = 0.2  # share of what is seen that a step of training does without


class ShapeLook(nn.Module):
    """Windows to the logarithms of the chances of each shape. Before it is trained, all are alike."""

    def __init__(self, side: int, shapes: int) -> None:
        super().__init__()
        first, second, third, fourth = _CHANNELS
        self.side = side
        self.body = nn.Sequential(
            ConvNorm(3 * _UNSHUFFLED**2, first),
            ConvNorm(first, second, 2),
            ResidualBlock(second),
            ConvNorm(second, third, 2),
            ResidualBlock(third),
            ConvNorm(third, fourth, 2),
            ResidualBlock(fourth),
            nn.Flatten(),
        )
        last = nn.Linear(_WIDTH, shapes)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        seen = fourth * (side // (8 * _UNSHUFFLED)) ** 2
        self.shape = nn.Sequential(nn.Dropout(_LEFT_OUT), nn.Linear(seen, _WIDTH), nn.ReLU(), last)

    def forward(self, seen: Tensor) -> Tensor:
        """Windows (N, 3, S, S) about zero to logits (N, shapes)."""
        cells = F.pixel_unshuffle(seen, _UNSHUFFLED).contiguous(memory_format=torch.channels_last)
        logits: Tensor = self.shape(self.body(cells))
        return logits

    def chances(self, pictures: Tensor, picture: Tensor, centre_px: Tensor, half_extent_px: Tensor) -> Tensor:
        """Logarithms (N, shapes) of what places of pictures (B, 3, H, W) in [0, 1] look like, as they are and in the mirror.
        picture (N,) integers, centre_px (N, 2) u and v, half_extent_px (N,)."""
        seen = windows(pictures, picture, centre_px, half_extent_px * WINDOW_PER_HALF_EXTENT, self.side)
        both = F.log_softmax(self(torch.cat([seen, seen.flip(3)])), dim=1)
        return both.reshape(2, len(seen), -1).mean(dim=0)
