# SPDX-License-Identifier: GPL-3.0-or-later
"""IG-LLM's 2d.npz as a set of pictures and labels: arrays of points, whose pictures are drawn when they are asked for. No torch.

`2d.npz/random` names one array of the file, as if the file were a folder; `2d.npz` alone stands for all of them.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..core.dots import PICTURE_PX, dot_picture
from ..core.errors import UsageError
from ..core.rotations import FloatArray

_SUFFIX = ".npz"


def is_dots(source: Path) -> bool:
    """Whether the path names a file of points, or one array of it."""
    return _SUFFIX in (source.suffix, source.parent.suffix)


def dot_points(source: Path) -> dict[str, FloatArray]:
    """Array's name -> points (N, 2) in [0, 1]."""
    file, wanted = (source, None) if source.suffix == _SUFFIX else (source.parent, source.name)
    try:
        with np.load(file) as arrays:
            points = {name: np.asarray(arrays[name], dtype=np.float64) for name in arrays.files}
    except (OSError, ValueError, zipfile.BadZipFile) as caught:
        raise UsageError(f"{file} is no file of points ({caught}); make one with `igllm generate dots2d`.") from caught
    if wanted is not None and wanted not in points:
        raise UsageError(f"{file} has no array {wanted!r}; it has {', '.join(points)}.")
    for name, array in points.items():
        if array.ndim != 2 or array.shape[1] != 2 or not np.isfinite(array).all():
            raise UsageError(f"{file}: the array {name!r} has the shape {array.shape}; expected (N, 2) finite numbers.")
    return {wanted: points[wanted]} if wanted is not None else points


def labelled_dots(source: Path, picture_px: int = PICTURE_PX) -> Iterator[tuple[str, Any, dict[str, Any]]]:
    """(file name, picture, label) of each point; the picture is (picture_px, picture_px, 3) bytes."""
    for array, points in dot_points(source).items():
        for index, (x, y) in enumerate(points.tolist()):
            yield _name(array, index), dot_picture(x, y, picture_px), dot_label(x, y, picture_px)


def dot_label(x: float, y: float, picture_px: int = PICTURE_PX) -> dict[str, Any]:
    """The label of one dot, with the keys of a scene's."""
    item = {
        "3d_coords": [x, y, 0.0],
        "3d_coords_canonical": [x, y, 0.0],
        "pixel_coords": [x * picture_px, y * picture_px, 1.0],
        "bbox_px": None,
    }
    return {"objects": [item]}


def dot_files(source: Path, names_alone: bool = False) -> Iterator[tuple[str, bytes]]:
    """(file name, PNG) of each point's picture. names_alone: nothing is drawn."""
    for array, points in dot_points(source).items():
        for index, (x, y) in enumerate(points.tolist()):
            yield _name(array, index), b"" if names_alone else _png(dot_picture(x, y))


def dot_labels(source: Path) -> dict[str, list[dict[str, Any]]]:
    """File name -> labelled objects, in the world frame alone: a dot has no other."""
    return {
        _name(array, index): [{"3d_coords": [x, y, 0.0]}]
        for array, points in dot_points(source).items()
        for index, (x, y) in enumerate(points.tolist())
    }


def _name(array: str, index: int) -> str:
    return f"{array}_{index:06d}.png"


def _png(picture: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()
