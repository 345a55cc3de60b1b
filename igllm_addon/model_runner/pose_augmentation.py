# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures rolled about the camera's direction of view, and the poses that they then show.

A camera that rolls sees the same scene in a turned picture, so a turned picture shows objects that are turned and moved about the
direction of view; only light and shadow do not quite fit. Letters: B pictures, M most objects, H height, W width.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from .data import SceneTensors
from .pose_geometry import about_view
from .pose_tower import PoseTower


def rolled(
    tower: PoseTower, pictures: Tensor, batch: SceneTensors, degrees: float, rng: np.random.Generator
) -> tuple[Tensor, SceneTensors]:
    """Pictures (B, 3, H, W) each turned by an angle of up to `degrees` either way, with labels that fit. A picture that would
    lose an object over its edge stays as it is."""
    limit = math.radians(degrees)
    angle = torch.from_numpy(rng.uniform(-limit, limit, len(pictures)).astype(np.float32)).to(pictures.device)
    height, width = pictures.shape[2:]
    uv = _turned_uv(batch.uv, angle, width, height)
    inside = ((uv >= 0.0) & (uv < uv.new_tensor((width, height)))).all(dim=2) | ~batch.exists
    angle = torch.where(inside.all(dim=1), angle, torch.zeros_like(angle))
    turn = tower.world_from_camera @ about_view(angle) @ tower.world_from_camera.T  # (B, 3, 3)
    location = tower.origin + torch.einsum("bij,bmj->bmi", turn, batch.location - tower.origin)
    rotation = torch.einsum("bij,bmjk->bmik", turn, batch.rotation.reshape(*batch.rotation.shape[:2], 3, 3)).flatten(2)
    location = torch.where(batch.exists[..., None], location, batch.location)
    return _turned(pictures, angle), replace(
        batch, uv=_turned_uv(batch.uv, angle, width, height), location=location, rotation=rotation
    )


def _turned_uv(uv: Tensor, angle: Tensor, width: int, height: int) -> Tensor:
    """Where pixels (B, M, 2) come to lie."""
    across, down = uv[..., 0] - width / 2, uv[..., 1] - height / 2
    cosine, sine = torch.cos(angle)[:, None], torch.sin(angle)[:, None]
    return torch.stack([width / 2 + cosine * across + sine * down, height / 2 - sine * across + cosine * down], dim=2)


def _turned(pictures: Tensor, angle: Tensor) -> Tensor:
    """Pictures turned counter-clockwise; what comes from outside is the nearest of their edge."""
    height, width = pictures.shape[2:]
    cosine, sine, zero = torch.cos(angle), torch.sin(angle), torch.zeros_like(angle)
    # From where a pixel comes, in halves of width and height from the centre, v downward.
    first = torch.stack([cosine, -sine * (height / width), zero], dim=1)
    second = torch.stack([sine * (width / height), cosine, zero], dim=1)
    grid = F.affine_grid(torch.stack([first, second], dim=1), list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, mode="bilinear", padding_mode="border", align_corners=False)
