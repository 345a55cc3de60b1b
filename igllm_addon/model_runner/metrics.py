# SPDX-License-Identifier: GPL-3.0-or-later
"""How well predicted scenes fit labelled ones: figures over matched pairs, counts, whole scenes. numpy and scipy; no torch.

Objects of a picture are matched one to one so that the sum of their distances is least (Hungarian). Misses and inventions
do not show in the figures over pairs, so counts, exact scenes, average precision and F1 stand beside them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from ..core.scene import SceneObject
from ..core.vocabulary import WORD_FIELDS, Vocabulary
from .average_precision import AP_THRESHOLDS_M, average_precision, used_distances_m, words_of
from .f1 import F1_DISTANCES_M, f1_score, found_within
from .pose_metrics import MeshPoints, PoseReport, pose_report
from .reliability import Reliability, reliability

EXACT_SCENE_DISTANCE_M = 0.25


@dataclass(frozen=True, slots=True)
class Pair:
    """A labelled object and the predicted one that was matched to it."""

    truth: SceneObject
    predicted: SceneObject
    distance_m: float


@dataclass(frozen=True, slots=True)
class PictureScore:
    """One picture: its objects, its statements with their confidences if they came with any, and the pairs of the two."""

    pairs: tuple[Pair, ...]
    truth: tuple[SceneObject, ...]
    predicted: tuple[SceneObject, ...]
    confidences: tuple[float, ...] | None = None

    @property
    def truth_count(self) -> int:
        """How many objects there are."""
        return len(self.truth)

    @property
    def predicted_count(self) -> int:
        """How many statements there are."""
        return len(self.predicted)

    def is_exact(self) -> bool:
        """Whether nothing is missing or invented, every word is right and every object is near its place."""
        return self.truth_count == self.predicted_count and all(
            pair.distance_m <= EXACT_SCENE_DISTANCE_M and words_of(pair.truth) == words_of(pair.predicted) for pair in self.pairs
        )


@dataclass(frozen=True, slots=True)
class Report:
    """Figures over a set of pictures. Shares are in [0, 1]; a figure that nothing was measured for is nan.

    l2_mean_m and l2_median_m: over all matched pairs; l2_igllm_m: the mean of each picture's mean, as IG-LLM reports it.
    word_accuracy: field -> share of matched pairs. yaw_median_degrees: over matched objects whose label has a yaw and whose
    predicted shape carries one, modulo the shape's symmetry. average_precision: threshold in metres, as text -> figure;
    f1_words_ignored and f1_words_required: distance in metres, as text -> figure. reliability: of "all words right and within
    0.25", judged without looking at the confidences. poses: of templates whose objects turn in space, else None.
    """

    pictures: int
    objects: int
    pairs: int
    l2_mean_m: float
    l2_median_m: float
    l2_igllm_m: float
    word_accuracy: dict[str, float]
    count_exact: float
    count_within_one: float
    exact_scenes: float
    yaw_median_degrees: float
    average_precision: dict[str, float]
    f1_words_ignored: dict[str, float]
    f1_words_required: dict[str, float]
    reliability: Reliability
    poses: PoseReport | None = None

    def to_json(self) -> dict[str, object]:
        """The report as plain data; nan becomes None."""
        return {key: _without_nan(value) for key, value in asdict(self).items()}


def score_picture(
    truth: Sequence[SceneObject], predicted: Sequence[SceneObject], confidences: Sequence[float] | None = None
) -> PictureScore:
    """Match the objects of one picture. There are as many confidences as statements, or none for the whole picture."""
    if confidences is not None and len(confidences) != len(predicted):
        raise ValueError(f"{len(confidences)} confidences came with {len(predicted)} statements")
    given = None if confidences is None else tuple(confidences)
    if not truth or not predicted:
        return PictureScore((), tuple(truth), tuple(predicted), given)
    distances = np.linalg.norm(_locations(truth)[:, None] - _locations(predicted)[None], axis=2)
    rows, columns = linear_sum_assignment(distances)
    pairs = tuple(Pair(truth[i], predicted[j], float(distances[i, j])) for i, j in zip(rows, columns, strict=True))
    return PictureScore(pairs, tuple(truth), tuple(predicted), given)


def report(scores: Sequence[PictureScore], vocabulary: Vocabulary, points: MeshPoints | None = None) -> Report:
    """The figures over these pictures. points: of the meshes, for the figures that compare meshes."""
    pairs = [pair for score in scores for pair in score.pairs]
    distances = [pair.distance_m for pair in pairs]
    errors = [abs(score.truth_count - score.predicted_count) for score in scores]
    fields = [name for name in WORD_FIELDS if name in vocabulary.words]
    yaws = [error for pair in pairs if (error := _yaw_error_degrees_or_none(pair, vocabulary)) is not None]
    return Report(
        pictures=len(scores),
        objects=sum(score.truth_count for score in scores),
        pairs=len(pairs),
        l2_mean_m=_mean(distances),
        l2_median_m=float(np.median(distances)) if distances else math.nan,
        l2_igllm_m=_mean([_mean([pair.distance_m for pair in score.pairs]) for score in scores if score.pairs]),
        word_accuracy={name: _mean([getattr(p.truth, name) == getattr(p.predicted, name) for p in pairs]) for name in fields},
        count_exact=_mean([error == 0 for error in errors]),
        count_within_one=_mean([error <= 1 for error in errors]),
        exact_scenes=_mean([score.is_exact() for score in scores]),
        yaw_median_degrees=float(np.median(yaws)) if yaws else math.nan,
        average_precision=_average_precisions(scores),
        f1_words_ignored=_f1_scores(scores, words_required=False),
        f1_words_required=_f1_scores(scores, words_required=True),
        reliability=_reliability(scores),
        poses=pose_report(pairs, vocabulary, points or {}) if vocabulary.rotation_length >= 3 else None,
    )


def _average_precisions(scores: Sequence[PictureScore]) -> dict[str, float]:
    used = [(used_distances_m(score.truth, score.predicted, score.confidences), score.truth_count) for score in scores]
    return {
        f"{threshold:g}": _mean([average_precision(distances, count, threshold) for distances, count in used])
        for threshold in AP_THRESHOLDS_M
    }


def _f1_scores(scores: Sequence[PictureScore], words_required: bool) -> dict[str, float]:
    objects, statements = sum(score.truth_count for score in scores), sum(score.predicted_count for score in scores)
    found = {
        limit: sum(len(found_within(score.truth, score.predicted, limit, words_required)) for score in scores)
        for limit in F1_DISTANCES_M
    }
    return {f"{limit:g}": f1_score(pairs, objects, statements) for limit, pairs in found.items()}


def _reliability(scores: Sequence[PictureScore]) -> Reliability:
    confidences: list[float] = []
    right: list[bool] = []
    for score in scores:
        if score.confidences is not None:
            found = {j for _, j in found_within(score.truth, score.predicted, EXACT_SCENE_DISTANCE_M, words_required=True)}
            confidences += score.confidences
            right += [index in found for index in range(score.predicted_count)]
    return reliability(confidences, right)


def _without_nan(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value


def _yaw_error_degrees_or_none(pair: Pair, vocabulary: Vocabulary) -> float | None:
    if pair.truth.shape is None or vocabulary.rotation_length != 1 or not pair.truth.rotation or not pair.predicted.rotation:
        return None
    period = 2.0 * math.pi / (vocabulary.yaw_symmetry_orders.get(pair.truth.shape, 1) or 1)
    error = (pair.predicted.rotation[0] - pair.truth.rotation[0]) % period
    return math.degrees(min(error, period - error))


def _locations(objects: Sequence[SceneObject]) -> NDArray[np.float64]:
    return np.array([item.location for item in objects], dtype=np.float64).reshape(-1, 3)


def _mean(values: Sequence[float] | Sequence[bool]) -> float:
    return float(np.mean(values)) if len(values) else math.nan
