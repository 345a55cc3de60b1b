# SPDX-License-Identifier: GPL-3.0-or-later
"""The stage "shape_look" of training: shapes in windows about the true places of objects, apart from all else.

Whatever leaves a shape what it is makes more windows of each: another place and size of the window, a mirror, a small turn, other
colours and exposures, noise, and a piece of another window laid over a part. What the network finds easy it sees rarely: a window
is drawn the more often the larger its loss was when it was last seen.

Letters: B pictures, N windows, S side of a window as the network sees it, K > S side as it is kept.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.errors import UsageError
from .augmentation import recoloured
from .data import SceneTensors
from .geometry import focal_length_px
from .second_look import windows
from .shape_look import WINDOW_PER_HALF_EXTENT, ShapeLook
from .tower_training import object_depths
from .vision import VisionTower

_KEPT = 4 / 3  # side of a kept window, in sides of a seen one
_CHUNK, _MEASURED = 50, 512  # pictures, and windows, at a time
_FIRST_DIFFICULTY = 0.5
_LEAST_DIFFICULTY, _MOST_DIFFICULTY = 0.05, 1.0  # what a window counts for at least and at most when the next are drawn
_NEW_LOSS = 0.4  # share of the last loss in a window's difficulty
# About how far off a window is in use, in half windows: most of them a little, those of half hidden objects farther.
_USUAL_SHIFT, _FAR_SHIFT, _MOST_SHIFT, _FAR_SHARE = 0.03, 0.1, 0.25, 0.15
_SIZE_SPREAD, _TURN_RADIANS = 0.12, 0.1
_COVERED, _RECOLOURED, _SHARPENED, _NOISY = 0.3, 0.5, 0.4, 0.5  # shares of the windows
_LARGEST_NOISE = 0.03


class ShapeWindows:
    """The windows of all objects of a set of scenes. images (N, 3, K, K) uint8; shapes (N,)."""

    def __init__(self, tower: VisionTower, scenes: SceneTensors) -> None:
        parts = [self._of(tower, scenes.take(rows)) for rows in torch.split(torch.arange(len(scenes)), _CHUNK)]
        self.images = torch.cat([images for images, _ in parts])
        self.shapes = torch.cat([shapes for _, shapes in parts])
        if not len(self.shapes):
            raise UsageError("training.shape_look.data holds no objects; generate pictures with some.")

    def __len__(self) -> int:
        return len(self.shapes)

    @staticmethod
    def _of(tower: VisionTower, scenes: SceneTensors) -> tuple[Tensor, Tensor]:
        picture, item = torch.nonzero(scenes.exists, as_tuple=True)
        pictures = scenes.images.permute(0, 3, 1, 2).float() / 255.0
        words = {name: scenes.words[picture, item, index] for index, name in enumerate(tower.fields)}
        depth = object_depths(tower.geometry, scenes, picture, item)
        half_px = focal_length_px(tower.geometry, tower.config.input_width_px) * tower.half_extents.cpu()[words["size"]] / depth
        reach = half_px * (WINDOW_PER_HALF_EXTENT * _KEPT)
        kept = windows(pictures, picture, scenes.uv[picture, item], reach, round(tower.config.shape_look_px * _KEPT))
        return (255.0 * (kept + 0.5)).round().clamp(0, 255).to(torch.uint8), words["shape"]


class ShapeLookStage(nn.Module):
    """What the stage saves: the network, and how hard each window was for it when it last saw it (N,)."""

    difficulty: Tensor

    def __init__(self, look: ShapeLook, count: int) -> None:
        super().__init__()
        self.look = look
        self.register_buffer("difficulty", torch.full((count,), _FIRST_DIFFICULTY))

    def drawn(self, count: int, rng: np.random.Generator) -> Tensor:
        """The numbers of the windows of one step (count,)."""
        weight = self.difficulty.cpu().double().clamp(_LEAST_DIFFICULTY, _MOST_DIFFICULTY).numpy()
        return torch.from_numpy(rng.choice(len(weight), count, p=weight / weight.sum()))

    def step_loss(self, data: ShapeWindows, count: int, rng: np.random.Generator) -> dict[str, Tensor]:
        """Of `count` windows under fresh variety: "loss", and the share that is "right"."""
        drawn = self.drawn(count, rng)
        device = self.difficulty.device
        seen = varied(data.images[drawn].float() / 255.0, self.look.side).to(device)
        shapes = data.shapes[drawn].to(device)
        logits = self.look(seen)
        losses = F.cross_entropy(logits, shapes, reduction="none")
        with torch.no_grad():
            rows = drawn.to(device)
            self.difficulty[rows] = (1.0 - _NEW_LOSS) * self.difficulty[rows] + _NEW_LOSS * losses
        return {"loss": losses.mean(), "right": (logits.argmax(dim=1) == shapes).float().mean()}


def shape_figures(look: ShapeLook, data: ShapeWindows) -> dict[str, float]:
    """The share of windows of which the shape is told "right"; "cross_entropy", the mean of minus the logarithm of its chance;
    "score", the share with less than a window off it that only decides among equals."""
    device = next(look.parameters()).device
    right, loss = 0.0, 0.0
    for rows in torch.split(torch.arange(len(data)), _MEASURED):
        logits, shapes = look(_middle(data.images[rows], look.side).to(device)), data.shapes[rows].to(device)
        right += float((logits.argmax(dim=1) == shapes).sum())
        loss += float(F.cross_entropy(logits, shapes, reduction="sum"))
    mean = loss / len(data)
    return {"score": (right - mean / (1.0 + mean)) / len(data), "right": right / len(data), "cross_entropy": mean}


def _middle(images: Tensor, side: int) -> Tensor:
    margin = (images.shape[3] - side) // 2
    return images[:, :, margin : margin + side, margin : margin + side].float() / 255.0 - 0.5


def varied(kept: Tensor, side: int) -> Tensor:
    """Kept windows (N, 3, K, K) in [0, 1] as others (N, 3, side, side) about zero of the same shapes."""
    return (_other_light(recoloured(_moved(_covered(kept), side), _RECOLOURED)).clamp(0.0, 1.0) - 0.5).contiguous()


def _covered(kept: Tensor) -> Tensor:
    """A half plane or a disc of another window lies over some of them, beside the middle."""
    rows = torch.nonzero(torch.rand(len(kept)) < _COVERED)[:, 0]
    if not len(rows):
        return kept
    side, count = kept.shape[3], len(rows)
    steps = torch.linspace(-1.0, 1.0, side)
    angle, edge = 2.0 * math.pi * torch.rand(count, 1, 1), 0.05 + 0.35 * torch.rand(count, 1, 1)
    along, across = torch.cos(angle), torch.sin(angle)
    beyond = steps * along + steps[:, None] * across > edge
    radius = 0.3 + 0.8 * torch.rand(count, 1, 1)
    middle = edge + radius
    inside = (steps - middle * along) ** 2 + (steps[:, None] - middle * across) ** 2 < radius**2
    mask = torch.where(torch.rand(count, 1, 1) < 0.4, beyond, inside)[:, None]
    shift = torch.randint(side, (2,)).tolist()
    other = kept[torch.randperm(len(kept))[:count]].roll((shift[0], shift[1]), (2, 3))
    return kept.index_copy(0, rows, torch.where(mask, other, kept[rows]))


def _moved(kept: Tensor, side: int) -> Tensor:
    """(N, 3, side, side): a little aside, larger or smaller and turned, half of them in the mirror."""
    count = len(kept)
    size = torch.exp(_SIZE_SPREAD * _uniform(count)) / _KEPT
    mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0)
    angle = _TURN_RADIANS * _uniform(count)
    spread = torch.where(torch.rand(count, 2) < _FAR_SHARE, _FAR_SHIFT, _USUAL_SHIFT)
    shift = (spread * torch.randn(count, 2)).clamp(-_MOST_SHIFT, _MOST_SHIFT)
    cosine, sine = size * torch.cos(angle), size * torch.sin(angle)
    first = torch.stack([mirror * cosine, -sine, shift[:, 0]], dim=1)
    second = torch.stack([mirror * sine, cosine, shift[:, 1]], dim=1)
    grid = F.affine_grid(torch.stack([first, second], dim=1), [count, 3, side, side], align_corners=False)
    return F.grid_sample(kept, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _other_light(seen: Tensor) -> Tensor:
    """Another exposure, temperature, gamma and sharpness, and noise."""
    count = len(seen)
    gain = torch.exp(0.3 * _uniform(count, 1, 1, 1) + 0.1 * _uniform(count, 3, 1, 1))
    bright = (seen.clamp(min=1e-4) * gain).clamp(max=1.0) ** torch.exp(0.25 * _uniform(count, 1, 1, 1))
    sharpness = _uniform(count, 1, 1, 1) * (torch.rand(count, 1, 1, 1) < _SHARPENED)
    smooth = F.avg_pool2d(F.pad(bright, (1, 1, 1, 1), mode="replicate"), 3, 1)
    noise = _LARGEST_NOISE * torch.rand(count, 1, 1, 1) * (torch.rand(count, 1, 1, 1) < _NOISY)
    return bright + sharpness * (bright - smooth) + noise * torch.randn_like(bright)


def _uniform(*size: int) -> Tensor:
    """Between -1 and 1."""
    return 2.0 * torch.rand(*size) - 1.0
