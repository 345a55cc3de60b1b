# SPDX-License-Identifier: GPL-3.0-or-later
"""A pose model small enough to be made and trained in a moment, and scenes of a toy: coloured balls at the ends of its axes."""

from __future__ import annotations

import math

import numpy as np
import torch

from igllm_addon.core.frames import look_at_quaternion_wxyz, project
from igllm_addon.core.rotations import FloatArray, matrix_from_quaternion_wxyz
from igllm_addon.core.scene import Camera
from igllm_addon.core.vocabulary import Vocabulary
from igllm_addon.model_runner.config import DecoderConfig, FixedCamera, ModelConfig
from igllm_addon.model_runner.data import MOST_OBJECTS, SceneTensors
from igllm_addon.model_runner.vision_config import PoseConfig

LOCATION = (0.0, -4.0, 2.0)
QUATERNION = look_at_quaternion_wxyz(LOCATION, (0.0, 0.0, 0.0))
CAMERA = Camera(LOCATION, QUATERNION, 50.0, 36.0)
FIXED = FixedCamera(LOCATION, QUATERNION, 50.0, 36.0, object_radius_m=0.6)
TOYS = Vocabulary(
    template="toys",
    words={"shape": ("jack_plain", "jack_paired")},
    rotation_length=3,
    required_fields=("shape", "loc"),
    symmetries={"jack_paired": ((0.0, 0.0, 1.0, 2),)},
)
TINY_POSE = ModelConfig(
    name="tiny-pose",
    vocabulary=TOYS,
    geometry=FIXED,
    vision=PoseConfig(
        input_width_px=48,
        channels=(8, 8, 16),
        fine_channels=8,
        crop_px=32,
        crop_channels=(16, 24, 32),
        crop_blocks=(0, 1, 0),
        feature_width=32,
    ),
    decoder=DecoderConfig(
        width=24, layers=2, attention_heads=2, intermediate_width=32, visual_tokens=3, camera=False, rotation="6d"
    ),
)
_COLORS = np.array([[230, 30, 30], [30, 200, 30], [30, 30, 230], [230, 200, 30], [200, 30, 200], [30, 200, 200]])
_ENDS = np.concatenate([np.eye(3), -np.eye(3)]) * 0.5


def random_matrix(rng: np.random.Generator) -> FloatArray:
    """A rotation, uniform over all of them."""
    return matrix_from_quaternion_wxyz(rng.normal(size=4))


def toy_scenes(seed: int, count: int, side_px: int = 48) -> SceneTensors:
    """Pictures of one jack each, anywhere near the origin."""
    rng = np.random.default_rng(seed)
    return SceneTensors.join([_toy_scene(rng, side_px) for _ in range(count)])


def _toy_scene(rng: np.random.Generator, side_px: int) -> SceneTensors:
    shape, matrix, location = int(rng.integers(2)), random_matrix(rng), rng.uniform(-0.5, 0.5, 3)
    colors = _COLORS[[0, 1, 2, 0, 1, 5]] if shape == 1 else _COLORS
    balls = project(CAMERA, _ENDS @ matrix.T + location, side_px, side_px)
    picture = np.full((side_px, side_px, 3), 240, dtype=np.uint8)
    rows, columns = np.mgrid[:side_px, :side_px] + 0.5
    for index in np.argsort(-balls[:, 2]):
        u, v, depth = balls[index]
        picture[(columns - u) ** 2 + (rows - v) ** 2 < (0.17 * side_px / depth) ** 2] = colors[index]
    centre = project(CAMERA, [location], side_px, side_px)[0]
    first = torch.arange(MOST_OBJECTS)[:, None] == 0
    return SceneTensors(
        images=torch.from_numpy(picture)[None],
        camera=torch.zeros(1, 2),
        exists=first.T,
        uv=(first * torch.tensor(centre[:2], dtype=torch.float32))[None],
        bbox=torch.zeros(1, MOST_OBJECTS, 4),
        location=(first * torch.tensor(location, dtype=torch.float32))[None],
        words=(first * shape)[None],
        yaw=torch.full((1, MOST_OBJECTS), math.nan),
        rotation=torch.where(first, torch.tensor(matrix.flatten(), dtype=torch.float32), math.nan)[None],
    )
