# SPDX-License-Identifier: GPL-3.0-or-later
"""What a picture's pixels show, as arrays. No bpy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Surfaces:
    """What every pixel's centre shows. instances: (height, width) int32, 0 for the backdrop, i + 1 for object i.
    depth: (height, width) float64 in Blender units along the view axis, infinite where nothing is.
    normals: (height, width, 3) float64, outward unit vectors in the world frame, zero where nothing is."""

    instances: NDArray[np.int32]
    depth: NDArray[np.float64]
    normals: NDArray[np.float64]
