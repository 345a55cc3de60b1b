# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model has to beat: answers that need no learning, computed in the run that measures it.

    constant   the same objects for every picture: as many as most training pictures have, each the mean of those that stand at
               its place from left to right, of the commonest shape
    nearest    the labels of the training picture whose features are nearest in the model's own vision tower

Letters: B pictures, T training pictures, S features of a picture.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..core.rotations import FloatArray, euler_extrinsic_xyz_from_matrix, rotation_6d_from_matrix
from ..core.scene import SceneObject
from ..core.vocabulary import WORD_FIELDS, Vocabulary
from .metrics import Report, report, score_picture
from .model import Igllm
from .pose_metrics import MeshPoints, matrix_of
from .validation import ValidationSet

_LOOK_BATCH = 25

Labelled = tuple[SceneObject, ...]


def baseline_reports(model: Igllm, labels: Path, train: Path, vocabulary: Vocabulary, points: MeshPoints) -> dict[str, Report]:
    """Baseline -> its figures on the labelled pictures in `labels`."""
    width_px = model.config.vision.input_width_px
    pictures = ValidationSet.read([str(labels)], width_px, vocabulary)
    learned = ValidationSet.read([str(train)], width_px, vocabulary)
    constant = constant_answer(learned.truth, vocabulary)
    answers = {
        "constant": [constant] * len(pictures.truth),
        "nearest": nearest_answers(model, pictures.scenes.images, learned.scenes.images, learned.truth),
    }
    return {
        name: report(
            [score_picture(truth, found) for truth, found in zip(pictures.truth, several, strict=True)], vocabulary, points
        )
        for name, several in answers.items()
    }


def constant_answer(scenes: Sequence[Labelled], vocabulary: Vocabulary) -> Labelled:
    """What to say if nothing is looked at. scenes: those of the training pictures, objects from left to right."""
    count = Counter(len(objects) for objects in scenes).most_common(1)[0][0]
    alike = [objects for objects in scenes if len(objects) == count]
    return tuple(_mean_object([objects[place] for objects in alike], vocabulary) for place in range(count))


def _mean_object(objects: Sequence[SceneObject], vocabulary: Vocabulary) -> SceneObject:
    words: dict[str, str | None] = {}
    for name in WORD_FIELDS:
        words[name] = Counter(getattr(item, name) for item in objects).most_common(1)[0][0]
    x, y, z = np.mean([item.location or (0.0, 0.0, 0.0) for item in objects], axis=0).tolist()
    rotation = None
    if vocabulary.rotation_length >= 3 and any(item.rotation is not None for item in objects):
        mean = nearest_rotation(np.sum([matrix_of(item) for item in objects], axis=0))
        encode = rotation_6d_from_matrix if vocabulary.rotation_length == 6 else euler_extrinsic_xyz_from_matrix
        rotation = tuple(float(number) for number in encode(mean))
    return SceneObject(**words, location=(x, y, z), rotation=rotation)


def nearest_rotation(matrix: FloatArray) -> FloatArray:
    """The rotation that is nearest to a matrix (3, 3) in the sum of squares, by its singular value decomposition."""
    left, _, right = np.linalg.svd(matrix)
    sign = np.diag([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    return np.asarray(left @ sign @ right)


@torch.no_grad()
def picture_features(model: Igllm, images: Tensor) -> Tensor:
    """Bytes (B, H, W, 3) to what the tower makes of each picture (B, S), of unit length: the features of its strongest peak where
    there are peaks, and those of the whole picture."""
    parts = []
    for rows in torch.split(torch.arange(len(images)), _LOOK_BATCH):
        with model.looking_once():
            glimpse = model.look(images[rows].permute(0, 3, 1, 2).to(torch.float32) / 255.0)
        several = [glimpse.scene] if glimpse.scene.shape[1] else []
        if glimpse.score.shape[1]:
            best = glimpse.score.argmax(dim=1)
            width = model.tower.config.feature_width
            several.append(glimpse.tokens[torch.arange(len(best)), best, :width])
        if not several:
            several.append(glimpse.tokens.flatten(1))
        parts.append(torch.cat([_unit(entry) for entry in several], dim=1))
    return torch.cat(parts)


def nearest_answers(model: Igllm, images: Tensor, train_images: Tensor, scenes: Sequence[Labelled]) -> list[Labelled]:
    """For each picture the labels of the training picture that the tower finds most alike."""
    features, known = picture_features(model, images), picture_features(model, train_images)
    return [scenes[index] for index in torch.cdist(features, known).argmin(dim=1).tolist()]


def _unit(features: Tensor) -> Tensor:
    return torch.nn.functional.normalize(features, dim=1)
