# SPDX-License-Identifier: GPL-3.0-or-later
"""How well objects that turn in space are posed: rotations, and the meshes themselves. numpy and scipy; no torch.

A rotation's error is the smallest angle to any rotation of the labelled shape that looks like the labelled one. With surface
points of the meshes (meshes.npz of a data set), posed as labelled and as predicted:

    Chamfer   mean distance from a point of either mesh to the nearest of the other, of the labelled and the predicted shape
    ADD-S     mean distance from a point of the labelled shape to the nearest point of the same shape posed as predicted
              (Xiang et al. 2018, arXiv 1711.00199, section IV-A)
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from ..core.rotations import matrix_from_euler_extrinsic_xyz, matrix_from_rotation_6d
from ..core.symmetries import symmetric_geodesic_angle, symmetry_of

if TYPE_CHECKING:
    from ..core.scene import SceneObject
    from ..core.vocabulary import Vocabulary
    from .metrics import Pair

POINTS_NAME = "meshes.npz"
WITHIN_DEGREES = (5, 10, 30)
_ADD_S_SHARE = 0.1  # of the mesh's diameter, the usual limit

MeshPoints = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class PoseReport:
    """Figures over matched pairs. within_degrees: limit as text -> share of the rotations. class_accuracy: of the part of a
    shape's word before the first underscore. chamfer and add_s in Blender units, add_s_right: share under a tenth of the
    diameter; nan where there were no points of the shapes."""

    rotations: int
    geodesic_mean_degrees: float
    geodesic_median_degrees: float
    within_degrees: dict[str, float]
    class_accuracy: float
    chamfer_mean: float
    chamfer_median: float
    add_s_mean: float
    add_s_right: float


def pose_report(pairs: Sequence[Pair], vocabulary: Vocabulary, points: MeshPoints) -> PoseReport:
    """The figures over these pairs; pairs without a labelled rotation, and shapes without points, are left out where needed."""
    angles = [
        angle for pair in pairs if (angle := rotation_error_degrees_or_none(pair.truth, pair.predicted, vocabulary)) is not None
    ]
    chamfers = [chamfer(pair.truth, pair.predicted, points) for pair in pairs if _have_points(pair, points)]
    adds = [add_s(pair.truth, pair.predicted, points) for pair in pairs if pair.truth.shape in points]
    limits = [_ADD_S_SHARE * _diameter(points[str(pair.truth.shape)]) for pair in pairs if pair.truth.shape in points]
    classes = [class_of(pair.truth.shape) == class_of(pair.predicted.shape) for pair in pairs if pair.truth.shape is not None]
    return PoseReport(
        rotations=len(angles),
        geodesic_mean_degrees=_mean(angles),
        geodesic_median_degrees=_median(angles),
        within_degrees={f"{limit}": _mean([angle < limit for angle in angles]) for limit in WITHIN_DEGREES},
        class_accuracy=_mean(classes),
        chamfer_mean=_mean(chamfers),
        chamfer_median=_median(chamfers),
        add_s_mean=_mean(adds),
        add_s_right=_mean([distance < limit for distance, limit in zip(adds, limits, strict=True)]),
    )


def rotation_error_degrees_or_none(truth: SceneObject, predicted: SceneObject, vocabulary: Vocabulary) -> float | None:
    """The angle between two rotations in space, or None where one of them has none."""
    if truth.rotation is None or predicted.rotation is None or vocabulary.rotation_length < 3:
        return None
    symmetry = symmetry_of(vocabulary.symmetries.get(truth.shape or "", ()))
    angle = symmetric_geodesic_angle(matrix_of(predicted), matrix_of(truth), symmetry)
    return math.degrees(float(angle))


def matrix_of(item: SceneObject) -> NDArray[np.float64]:
    """(3, 3): how an object is turned; the identity where it does not say."""
    if item.rotation is None:
        return np.eye(3)
    written = matrix_from_rotation_6d if len(item.rotation) == 6 else matrix_from_euler_extrinsic_xyz
    return written(item.rotation)


def class_of(shape: str | None) -> str:
    """The class in a shape's word, `<class>_<id>`."""
    return (shape or "").partition("_")[0]


def chamfer(truth: SceneObject, predicted: SceneObject, points: MeshPoints) -> float:
    """Of the two objects' posed meshes."""
    first, second = _posed(truth, truth.shape, points), _posed(predicted, predicted.shape, points)
    return float(0.5 * (cKDTree(second).query(first)[0].mean() + cKDTree(first).query(second)[0].mean()))


def add_s(truth: SceneObject, predicted: SceneObject, points: MeshPoints) -> float:
    """Of the labelled shape, posed as labelled and as predicted."""
    first, second = _posed(truth, truth.shape, points), _posed(predicted, truth.shape, points)
    return float(cKDTree(second).query(first)[0].mean())


def load_points(path: Path) -> dict[str, NDArray[np.float64]]:
    """Shape -> points (P, 3) in the object's frame, from a data set's meshes.npz; none where there is no such file."""
    if not path.is_file():
        return {}
    with np.load(path) as arrays:
        return {name: np.asarray(arrays[name], dtype=np.float64) for name in arrays.files}


def pose_lines(figures: PoseReport) -> list[str]:
    """The figures for people."""
    within = "  ".join(f"< {limit}° {100 * share:.1f} %" for limit, share in figures.within_degrees.items())
    return [
        f"  rotation mean {figures.geodesic_mean_degrees:.2f}°  median {figures.geodesic_median_degrees:.2f}°  {within}",
        f"  class {100 * figures.class_accuracy:.1f} %"
        f"  Chamfer mean {figures.chamfer_mean:.4f}  median {figures.chamfer_median:.4f}",
        f"  ADD-S mean {figures.add_s_mean:.4f}  under a tenth of the diameter {100 * figures.add_s_right:.1f} %",
    ]


def _posed(item: SceneObject, shape: str | None, points: MeshPoints) -> NDArray[np.float64]:
    return np.asarray(points[str(shape)] @ matrix_of(item).T + np.asarray(item.location or (0.0, 0.0, 0.0)))


def _have_points(pair: Pair, points: MeshPoints) -> bool:
    return pair.truth.shape in points and pair.predicted.shape in points


def _diameter(points: NDArray[np.float64]) -> float:
    """About the largest distance between two points: the diagonal of their box."""
    return float(np.linalg.norm(points.max(axis=0) - points.min(axis=0)))


def _mean(values: Sequence[float] | Sequence[bool]) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if len(values) else math.nan
