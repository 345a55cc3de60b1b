# SPDX-License-Identifier: GPL-3.0-or-later
"""A second, closer look at each place: its surroundings at full resolution, magnified to one size however far away they are.

The tower's features at a place come from cells of four pixels; whether a small thing ten pixels wide is a cube or a cylinder
shows between them. Here a window about each place, sized by how large the object is thought to look, is sampled from
the picture itself, and a small convolutional network corrects what the first look said. Corrections start at zero, so a tower
that was trained without a second look goes on from where it was.

Letters: B pictures, N places, H height and W width of a picture, S side of a magnified window, L features known of a place.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_UNSHUFFLED = 4  # side of the blocks of samples that the first layer sees as one
_CHANNELS = (48, 96, 128)
_WIDTH = 160
_GROUPS = 8
_WINDOW_PER_HALF_EXTENT = 2.2  # half a window's side, in half extents of the object
_SMALLEST_WINDOW_PX, _LARGEST_WINDOW_PX = 6.0, 80.0  # of half a side


class SecondLook(nn.Module):
    """Windows of a picture to corrections, one vector for each of `outputs` (name -> numbers)."""

    def __init__(self, side: int, known: int, outputs: Mapping[str, int]) -> None:
        super().__init__()
        first, second, third = _CHANNELS
        self.side = side
        self.stem = nn.Conv2d(3 * _UNSHUFFLED**2, first, 3, 1, 1)
        self.known = nn.Linear(known, first)
        self.body = nn.Sequential(
            nn.ReLU(inplace=True), _Block(first), _narrower(first, second), _Block(second), _narrower(second, third), nn.Flatten()
        )
        seen = third * (side // (4 * _UNSHUFFLED)) ** 2
        # Normalised, and without a hard zero: what comes in is positive throughout, so the first strides of an optimiser push all
        # sums the same way, and rectified ones could end below zero for good (tests/torch/test_second_look.py).
        self.summary = nn.Sequential(nn.LayerNorm(seen), nn.Linear(seen, _WIDTH), nn.GELU())
        self.corrections = nn.ModuleDict({name: _zero_linear(_WIDTH, count) for name, count in outputs.items()})

    def forward(
        self, pictures: Tensor, picture: Tensor, centre_px: Tensor, half_extent_px: Tensor, known: Tensor
    ) -> dict[str, Tensor]:
        """pictures (B, 3, H, W) in [0, 1]; for the places: picture (N,) integers, centre_px (N, 2) u and v, half_extent_px (N,),
        known (N, L). Returns name -> (N, numbers)."""
        seen = windows(pictures, picture, centre_px, half_extent_px * _WINDOW_PER_HALF_EXTENT, self.side)
        x = self.stem(F.pixel_unshuffle(seen, _UNSHUFFLED)) + self.known(known)[..., None, None]
        summary = self.summary(self.body(x))
        return {name: layer(summary) for name, layer in self.corrections.items()}


class _Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            nn.GroupNorm(_GROUPS, channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            nn.GroupNorm(_GROUPS, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.layers(x), inplace=True)


def _narrower(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False), nn.GroupNorm(_GROUPS, outputs), nn.ReLU(inplace=True))


def _zero_linear(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def windows(pictures: Tensor, picture: Tensor, centre_px: Tensor, half_px: Tensor, side: int) -> Tensor:
    """Square windows (N, 3, side, side) about centre_px (N, 2), half_px (N,) pixels from centre to edge, sampled between pixels.

    Values lie about zero; what is outside of a picture is zero. No gradient goes into centre or size.
    """
    if len(picture) == 0:
        return pictures.new_zeros(0, 3, side, side)
    height, width = pictures.shape[2:]
    size = pictures.new_tensor((width, height))
    centre = centre_px.detach() * (2.0 / size) - 1.0  # in [-1, 1], as grid_sample has it
    half = half_px.detach().clamp(_SMALLEST_WINDOW_PX, _LARGEST_WINDOW_PX)[:, None] * (2.0 / size)
    steps = (torch.arange(side, device=pictures.device) + 0.5) * (2.0 / side) - 1.0
    across = centre[:, :1] + half[:, :1] * steps  # (N, side)
    down = centre[:, 1:] + half[:, 1:] * steps
    grid = torch.stack([across[:, None, :].expand(-1, side, -1), down[:, :, None].expand(-1, -1, side)], dim=3)
    shifted = pictures - 0.5
    result = pictures.new_zeros(len(picture), 3, side, side)
    # A picture at a time: grid_sample wants as many pictures as grids, and copies of pictures would cost more than the loop.
    for index in torch.unique(picture).tolist():
        of_this = torch.nonzero(picture == index)[:, 0]
        grids = grid[of_this].reshape(1, -1, side, 2)
        sampled = F.grid_sample(shifted[index : index + 1], grids, mode="bilinear", padding_mode="zeros", align_corners=False)
        result[of_this] = sampled.reshape(3, len(of_this), side, side).transpose(0, 1)
    return result
