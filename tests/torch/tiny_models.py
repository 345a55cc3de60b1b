# SPDX-License-Identifier: GPL-3.0-or-later
"""A model small enough to be made, trained and saved in a moment, and scenes as tensors for it."""

from __future__ import annotations

import math

import torch

from igllm_addon.core.vocabulary import CLEVR
from igllm_addon.model_runner.config import DecoderConfig, GeometryConfig, ModelConfig
from igllm_addon.model_runner.data import MOST_OBJECTS, SceneTensors
from igllm_addon.model_runner.model import Igllm
from igllm_addon.model_runner.vision_config import VisionConfig

GEOMETRY = GeometryConfig(
    azimuth_radians=math.atan2(-6.5076, 7.4811),
    elevation_radians=0.4943,
    distance_m=11.2637,
    focal_length_mm=35.0,
    sensor_width_mm=32.0,
    half_extents_m={"large": 0.7, "small": 0.35},
)
TINY = ModelConfig(
    name="tiny",
    vocabulary=CLEVR,
    geometry=GEOMETRY,
    vision=VisionConfig(input_width_px=64, channels=(8, 8, 8), blocks=(1, 1), fine_channels=8),
    decoder=DecoderConfig(width=24, layers=2, attention_heads=2, intermediate_width=32, visual_tokens=6),
)


def tiny_model(seed: int, spread: float = 1.0) -> Igllm:
    """A model with random weights; `spread` multiplies them, for answers that are far from reasonable."""
    torch.manual_seed(seed)
    model = Igllm(TINY).eval().requires_grad_(False)
    for parameter in model.parameters():
        parameter.normal_(0.0, spread * 0.2)
    return model


def noise_pictures(seed: int, count: int, height_px: int = 48) -> torch.Tensor:
    """(count, 3, height_px, 64) in [0, 1]."""
    return torch.rand(count, 3, height_px, 64, generator=torch.Generator().manual_seed(seed))


def noise_scenes(seed: int, count: int) -> SceneTensors:
    """Scenes of two objects each, a cube and a sphere, whose pictures are noise."""
    generator = torch.Generator().manual_seed(seed)
    exists = (torch.arange(MOST_OBJECTS) < 2).expand(count, -1)
    uv = torch.zeros(count, MOST_OBJECTS, 2)
    uv[:, 0], uv[:, 1] = torch.tensor([16.0, 20.0]), torch.tensor([44.0, 30.0])
    location = torch.zeros(count, MOST_OBJECTS, 3)
    location[:, 0], location[:, 1] = torch.tensor([-1.0, 1.0, 0.7]), torch.tensor([2.0, 0.5, 0.35])
    words = torch.zeros(count, MOST_OBJECTS, 4, dtype=torch.int64)
    words[:, 1] = torch.tensor([3, 1, 1, 1])  # green, small, metal, sphere
    yaw = torch.full((count, MOST_OBJECTS), math.nan)
    yaw[:, 0] = 0.3
    return SceneTensors(
        images=torch.randint(0, 256, (count, 48, 64, 3), generator=generator, dtype=torch.uint8),
        camera=torch.tensor([[11.2, 0.49]]).expand(count, -1),
        exists=exists,
        uv=uv,
        bbox=torch.cat([uv - 6.0, uv + 6.0], dim=2),
        location=location,
        words=words,
        yaw=yaw,
        rotation=torch.zeros(count, MOST_OBJECTS, 0),
    )
