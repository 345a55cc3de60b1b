# SPDX-License-Identifier: GPL-3.0-or-later
"""The pictures of the template dots2d: one red dot on white, as IG-LLM draws them. numpy only; no file is touched."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# The names of the arrays in a 2d.npz (arXiv 2404.15228, section 4.2): the training points and the test points.
TRAINING_POINTS, TEST_POINTS = "checkerboard_sparse", "random"
PICTURE_PX = 336  # CLIP's input, so that nothing is resized
RADIUS_PX = 5.0


def dot_picture(x: float, y: float, picture_px: int = PICTURE_PX) -> NDArray[np.uint8]:
    """(picture_px, picture_px, 3) RGB: a red disc centred at x of the width from the left and y of the height from the top.

    A smaller picture is the same one seen from farther away. A pixel on the rim is red as far as the disc covers it.
    """
    centres = np.arange(picture_px) + 0.5
    distance = np.hypot(centres[None, :] - x * picture_px, centres[:, None] - y * picture_px)
    covered = np.clip(RADIUS_PX * picture_px / PICTURE_PX + 0.5 - distance, 0.0, 1.0)
    picture = np.full((picture_px, picture_px, 3), 255, dtype=np.uint8)
    picture[..., 1:] = np.round(255.0 * (1.0 - covered))[..., None].astype(np.uint8)
    return picture
