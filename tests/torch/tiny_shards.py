# SPDX-License-Identifier: GPL-3.0-or-later
"""A shard of noise with labels, and a training on it that takes a moment."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tiny_models import TINY

from igllm_addon.model_runner.training_config import StageConfig, TrainingConfig

OBJECTS = [
    {
        "shape": "cube",
        "size": "large",
        "color": "green",
        "material": "rubber",
        "3d_coords_canonical": [-1.0, 1.0, 0.7],
        "yaw_radians_canonical": 0.3,
        "pixel_coords": [32.0, 40.0, 11.0],
        "bbox_px": [20, 28, 44, 52],
    },
    {
        "shape": "sphere",
        "size": "small",
        "color": "gray",
        "material": "metal",
        "3d_coords_canonical": [2.0, 0.5, 0.35],
        "pixel_coords": [88.0, 60.0, 10.0],
        "bbox_px": [78, 50, 98, 70],
    },
]


def write_shard(folder: Path, count: int) -> Path:
    """A shard of `count` pictures of noise with two objects each."""
    folder.mkdir(parents=True)
    label = {"objects": OBJECTS, "scene_canonical": {"camera": {"location": [7.4811, -6.5076, 5.3437]}}}
    rng = np.random.default_rng(0)
    with tarfile.open(folder / "train-000000.tar", "w") as archive:
        for index in range(count):
            buffer = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (96, 128, 3), dtype=np.uint8)).save(buffer, "PNG")
            for kind, data in (("png", buffer.getvalue()), ("json", json.dumps(label).encode()), ("code.txt", b"")):
                member = tarfile.TarInfo(f"{index:08d}.{kind}")
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    return folder / "train-000000.tar"


def tiny_training(data: Path, out: Path, **keys: Any) -> TrainingConfig:
    """Both stages, six steps each; `keys` are those of StageConfig."""
    stage: dict[str, Any] = {"steps": 6, "batch": 3, "learning_rate": 0.01, "warmup_steps": 2, "save_steps": 2} | keys
    tower = StageConfig(data=(str(data),), **stage)
    return TrainingConfig(TINY, out, tower=tower, decoder=StageConfig(data=(str(data),), **(stage | {"seed": 2})))
