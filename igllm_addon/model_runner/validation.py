# SPDX-License-Identifier: GPL-3.0-or-later
"""Validation in training: what the model says of pictures that it does not learn from, and one number for how good that is.

The number is (exact scenes - L2 / (1 m + L2)) / pictures, L2 being the mean over matched pairs: the share of pictures in which
nothing is missing or invented, every word is right and every object lies within 0.25, and among equals the nearer places. Whole
scenes are what the model is for, and a figure over matched pairs alone would not do: it does not see what was missed or invented.
Where objects turn in space, the mean angle between found and labelled rotations, in half turns, is subtracted as well.

Letters: N pictures, K peaks of a picture, M most objects of one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ..core.rotations import euler_extrinsic_xyz_from_matrix, rotation_6d_from_matrix
from ..core.scene import SceneObject
from ..core.vocabulary import WORD_FIELDS, Vocabulary
from .data import SceneTensors, load_shard, shards_in
from .decoding import ProgramWriter, WrittenStatement
from .metrics import PictureScore, Report, report, score_picture
from .model import Glimpse, Igllm
from .pose_tower import PoseTower
from .vision import VisionTower

_LOOK_BATCH = 25
_LEAST_PEAK = 0.35  # of [0, 1], for a peak of the tower to count as an object

Written = tuple[list[SceneObject], list[float]]


@dataclass(frozen=True, slots=True)
class ValidationSet:
    """Pictures and what they show: scenes as the tower sees them, and their objects as the metrics want them."""

    scenes: SceneTensors
    truth: tuple[tuple[SceneObject, ...], ...]

    @classmethod
    def read(cls, folders: Sequence[str], width_px: int, vocabulary: Vocabulary) -> ValidationSet:
        """All shards of these folders."""
        shards = [shard for folder in folders for shard in shards_in(Path(folder))]
        scenes = SceneTensors.join([load_shard(shard, width_px, vocabulary) for shard in shards])
        return cls(scenes, tuple(_labelled_objects(scenes, index, vocabulary) for index in range(len(scenes))))

    def glimpses(self, model: Igllm) -> list[Glimpse]:
        """What the tower, as it is now, tells of the pictures, without any variety; some pictures at a time."""
        parts = torch.split(torch.arange(len(self.scenes)), _LOOK_BATCH)
        return [model.look(self.scenes.images[rows].permute(0, 3, 1, 2).to(torch.float32) / 255.0) for rows in parts]

    def figures(self, written: Sequence[Written], vocabulary: Vocabulary) -> dict[str, float]:
        """What the log keeps about statements for all of the pictures, "score" first."""
        scores = [score_picture(truth, *found) for truth, found in zip(self.truth, written, strict=True)]
        return figures_of(scores, vocabulary)


def tower_figures(model: Igllm, pictures: ValidationSet) -> dict[str, float]:
    """How good the tower alone is: every peak that is high enough, with its likeliest words, is taken for an object."""
    written = [peaks_as_objects(model, glimpse, row) for glimpse in pictures.glimpses(model) for row in range(len(glimpse.score))]
    return pictures.figures(written, model.config.vocabulary)


def decoder_figures_on(model: Igllm, pictures: ValidationSet) -> Callable[[], dict[str, float]]:
    """Measures the programs that the model writes; the tower is frozen, so it looks at the pictures only once, now."""
    glimpses = pictures.glimpses(model)
    # From here on the pictures themselves are not needed any more.
    labelled = replace(pictures, scenes=replace(pictures.scenes, images=torch.zeros(len(pictures.scenes), 0)))

    def figures() -> dict[str, float]:
        programs = [program for glimpse in glimpses for program in ProgramWriter(model, glimpse).programs()]
        return labelled.figures([_objects_of(program) for program in programs], model.config.vocabulary)

    return figures


def _objects_of(program: Sequence[WrittenStatement]) -> Written:
    """The objects that a program names, without its camera, and their confidences."""
    found = [(statement.item, statement.confidence) for statement in program if statement.item is not None]
    return [item for item, _ in found], [confidence for _, confidence in found]


def peaks_as_objects(model: Igllm, glimpse: Glimpse, row: int) -> Written:
    """The objects that the tower alone sees in one picture of a glimpse, and how sure it is of each."""
    vocabulary = model.config.vocabulary
    assert isinstance(model.tower, VisionTower | PoseTower)  # no other has peaks
    first = model.tower.config.feature_width + 1
    objects, confidences = [], []
    for peak in torch.nonzero(glimpse.score[row] >= _LEAST_PEAK)[:, 0].tolist():
        words: dict[str, str | None] = dict.fromkeys(WORD_FIELDS)
        confidence, column = float(glimpse.score[row, peak]), first
        for name in model.tower.fields:
            chances = glimpse.tokens[row, peak, column : column + len(vocabulary.words[name])]
            words[name] = vocabulary.words[name][int(chances.argmax())]
            confidence *= float(chances.max())
            column += len(vocabulary.words[name])
        rotation = _rotation_told(model, glimpse.rotation[row, peak], words["shape"])
        objects.append(SceneObject(location=_vector(glimpse.location[row, peak]), rotation=rotation, **words))
        confidences.append(confidence)
    return objects, confidences


def _rotation_told(model: Igllm, told: Tensor, shape: str | None) -> tuple[float, ...] | None:
    """What the tower tells of an object's rotation, (2,) or (9,), as graphics code has it."""
    encoding = model.quantities.encoding
    if not model.config.vocabulary.carries_rotation(shape):
        return None
    if len(told) == 9:
        return encoding.decode(encoding.encode_matrix(told.reshape(3, 3).double().numpy(), shape), shape)
    sine, cosine = told.tolist()
    return (math.atan2(sine, cosine) / (encoding.symmetry_order(shape) or 1),)


def figures_of(scores: Sequence[PictureScore], vocabulary: Vocabulary) -> dict[str, float]:
    """The figures of a validation, "score" first."""
    found = report(scores, vocabulary)
    return {
        "score": validation_score(found),
        "exact_scenes": found.exact_scenes,
        "count_exact": found.count_exact,
        "l2_mean_m": found.l2_mean_m,
        **found.word_accuracy,
        **_rotation_figures(found),
        **{
            f"ap_{threshold}": value
            for threshold, value in found.average_precision.items()
            if threshold in ("inf", "0.125", "0.0625")
        },
    }


def _rotation_figures(found: Report) -> dict[str, float]:
    if found.poses is None:
        return {"yaw_median_degrees": found.yaw_median_degrees}
    within = {f"rotation_within_{limit}": share for limit, share in found.poses.within_degrees.items()}
    return {"rotation_median_degrees": found.poses.geodesic_median_degrees, **within}


def validation_score(figures: Report) -> float:
    """One number for a validation, higher is better; the module's docstring explains it."""
    l2_m = figures.l2_mean_m
    nearness = (1.0 if math.isnan(l2_m) else l2_m / (1.0 + l2_m)) / figures.pictures
    if figures.poses is None:
        return figures.exact_scenes - nearness
    angle = figures.poses.geodesic_mean_degrees
    turned = 1.0 if math.isnan(angle) else angle / 180.0
    return figures.exact_scenes - turned - nearness


def _labelled_objects(scenes: SceneTensors, index: int, vocabulary: Vocabulary) -> tuple[SceneObject, ...]:
    fields = [name for name in WORD_FIELDS if name in vocabulary.words]
    objects = []
    for item in torch.nonzero(scenes.exists[index])[:, 0].tolist():
        words: dict[str, str | None] = dict.fromkeys(WORD_FIELDS)
        for column, name in enumerate(fields):
            words[name] = vocabulary.words[name][int(scenes.words[index, item, column])]
        rotation = _labelled_rotation(scenes, index, item, vocabulary)
        objects.append(SceneObject(location=_vector(scenes.location[index, item]), rotation=rotation, **words))
    return tuple(objects)


def _labelled_rotation(scenes: SceneTensors, index: int, item: int, vocabulary: Vocabulary) -> tuple[float, ...] | None:
    if vocabulary.rotation_length < 3:
        yaw = float(scenes.yaw[index, item])
        return None if math.isnan(yaw) else (yaw,)
    matrix = scenes.rotation[index, item].reshape(3, 3).double().numpy()
    if math.isnan(float(matrix[0, 0])):
        return None
    numbers = rotation_6d_from_matrix(matrix) if vocabulary.rotation_length == 6 else euler_extrinsic_xyz_from_matrix(matrix)
    return tuple(numbers.tolist())


def _vector(numbers: Tensor) -> tuple[float, float, float]:
    x, y, z = numbers.tolist()
    return (x, y, z)
