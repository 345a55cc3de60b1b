# SPDX-License-Identifier: GPL-3.0-or-later
"""Data sets for training: tar shards of pictures and labels, read whole into memory as tensors.

Letters: N scenes, M most objects of one scene. Coordinates are pixels of the picture as resized to the tower's width.
"""

from __future__ import annotations

import io
import json
import math
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..core.errors import UsageError
from ..core.rotations import matrix_from_euler_extrinsic_xyz, matrix_from_rotation_6d
from ..core.vocabulary import WORD_FIELDS, Vocabulary
from .dot_layout import is_dots, labelled_dots

MOST_OBJECTS = 16


@dataclass(frozen=True, slots=True)
class SceneTensors:
    """images (N, H, W, 3) uint8; camera (N, 2) distance and elevation; exists (N, M) bool; uv (N, M, 2) pixels;
    bbox (N, M, 4) pixels; location (N, M, 3) canonical; words (N, M, fields) int64; yaw (N, M), nan where there is
    none; rotation (N, M, 9): the matrix of a rotation in space, row by row, nan where there is none, or (N, M, 0) where a
    template has yaws alone."""

    images: Tensor
    camera: Tensor
    exists: Tensor
    uv: Tensor
    bbox: Tensor
    location: Tensor
    words: Tensor
    yaw: Tensor
    rotation: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def take(self, rows: Tensor) -> SceneTensors:
        """The scenes of these rows."""
        return SceneTensors(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def to(self, device: torch.device) -> SceneTensors:
        """The same on a device; itself where it is there already."""
        return SceneTensors(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))

    @staticmethod
    def join(parts: list[SceneTensors]) -> SceneTensors:
        """Several sets of pictures of one size as one."""
        return SceneTensors(*(torch.cat([getattr(part, name) for part in parts]) for name in SceneTensors.__dataclass_fields__))


def shards_in(folder: Path) -> list[Path]:
    """The tar shards of a split, in order; the file itself if it is one of IG-LLM's labels or points. UsageError where there are
    none."""
    if folder.suffix == ".json" or is_dots(folder):
        return [folder]
    shards = sorted(folder.glob("*.tar"))
    if not shards:
        raise UsageError(f"{folder} holds no tar shards; make some with `igllm generate clevr --count N --seed S --out DIR`.")
    return shards


def read_samples(shard: Path) -> Iterator[tuple[str, bytes, dict[str, Any]]]:
    """(key, picture file, label) of each sample of a shard, in order."""
    try:
        with tarfile.open(shard) as archive:
            picture: tuple[str, bytes] | None = None
            label: tuple[str, dict[str, Any]] | None = None
            for member in archive:
                key, _, kind = member.name.partition(".")
                extracted = archive.extractfile(member)
                if extracted is None or kind not in ("png", "json"):
                    continue
                if kind == "png":
                    picture = (key, extracted.read())
                else:
                    label = (key, json.loads(extracted.read()))
                if picture is not None and label is not None and picture[0] == label[0]:
                    yield key, picture[1], label[1]
                    picture = label = None
    except (tarfile.TarError, json.JSONDecodeError) as caught:
        raise UsageError(f"{shard} is damaged ({caught}); generate it again.") from caught


def load_shard(shard: Path, width_px: int, vocabulary: Vocabulary) -> SceneTensors:
    """One shard, or one labels file of IG-LLM's with its pictures, as tensors; pictures resized to `width_px`."""
    if is_dots(shard):
        drawn = labelled_dots(shard, width_px)
        return SceneTensors.join(
            [scene_tensors(Image.fromarray(picture), label, width_px, vocabulary) for _, picture, label in drawn]
        )
    if shard.suffix == ".json":
        from .igllm_layout import labelled_pictures  # brings scipy, which the runner, who imports this module, does without

        samples = labelled_pictures(shard, vocabulary)
    else:
        samples = ((picture, label) for _, picture, label in read_samples(shard))
    scenes = [scene_tensors(Image.open(io.BytesIO(picture)), label, width_px, vocabulary) for picture, label in samples]
    if not scenes:
        raise UsageError(f"{shard} holds no labelled pictures; generate it again.")
    if len({scene.images.shape for scene in scenes}) > 1:
        raise UsageError(f"{shard} holds pictures of several sizes; a training needs one width and height.")
    return SceneTensors.join(scenes)


def resized(image: Image.Image, width_px: int) -> Image.Image:
    """The picture in RGB at this width, its aspect kept."""
    image = image.convert("RGB")
    if image.width == width_px:
        return image
    height_px = max(1, round(image.height * width_px / image.width))
    return image.resize((width_px, height_px), Image.Resampling.BICUBIC, reducing_gap=3.0)


def scene_tensors(image: Image.Image, label: dict[str, Any], width_px: int, vocabulary: Vocabulary) -> SceneTensors:
    """One labelled picture."""
    scale = width_px / image.width
    objects = label["objects"][:MOST_OBJECTS]
    count = len(objects)
    distance, elevation = _camera_of(label)
    fields = [name for name in WORD_FIELDS if name in vocabulary.words]
    words = [[float(vocabulary.words[name].index(item[name])) for name in fields] for item in objects]
    return SceneTensors(
        images=torch.from_numpy(np.array(resized(image, width_px)))[None],
        camera=torch.tensor([[distance, elevation]]),
        exists=(torch.arange(MOST_OBJECTS) < count)[None],
        uv=_padded([item["pixel_coords"][:2] for item in objects], 2) * scale,
        bbox=_padded([item["bbox_px"] or [0.0] * 4 for item in objects], 4) * scale,
        location=_padded([item["3d_coords_canonical"] for item in objects], 3),
        words=_padded(words, len(fields)).long(),
        yaw=_padded([[item.get("yaw_radians_canonical", math.nan)] for item in objects], 1)[..., 0],
        rotation=_rotations(objects, vocabulary),
    )


def _camera_of(label: dict[str, Any]) -> tuple[float, float]:
    """Distance and elevation; zeros where a picture has no camera."""
    if "scene_canonical" not in label:
        return 0.0, 0.0
    x, y, z = label["scene_canonical"]["camera"]["location"]
    distance = math.sqrt(x * x + y * y + z * z)
    return distance, math.asin(z / distance)


def _rotations(objects: list[dict[str, Any]], vocabulary: Vocabulary) -> Tensor:
    """(1, M, 9), or (1, M, 0) where the vocabulary has no rotations in space."""
    if vocabulary.rotation_length < 3:
        return torch.zeros(1, MOST_OBJECTS, 0)
    written = matrix_from_rotation_6d if vocabulary.rotation_length == 6 else matrix_from_euler_extrinsic_xyz
    nothing = [math.nan] * 9
    return _padded([written(item["rotation"]).flatten().tolist() if "rotation" in item else nothing for item in objects], 9)


def _padded(rows: list[list[float]], width: int) -> Tensor:
    """(1, M, width) float with the rows first and zeros after them."""
    result = torch.zeros(1, MOST_OBJECTS, width)
    if rows:
        result[0, : len(rows)] = torch.tensor(rows, dtype=torch.float32)
    return result
