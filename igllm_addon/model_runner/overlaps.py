# SPDX-License-Identifier: GPL-3.0-or-later
"""Two objects cannot stand in each other: of peaks that claim the same spot on the ground only the strongest is believed.

A shiny neighbour or an outline half hidden makes a second peak inside an object now and then. Whoever writes the program left to
right would have to judge the first of the two before it knows the other, so they are compared before anything is written.

Letters: B pictures, K peaks of a picture.
"""

from __future__ import annotations

import torch
from torch import Tensor

# Of the sum of two half extents. CLEVR keeps at least 1.18; cubes that stand corner to face touch at 1, and two small objects
# have to be misplaced by 0.17 m to come this near.
_NEAREST = 0.75
_LEAST_SCORE = 0.1  # a weaker peak is taken for no object anyway


def overlapped(score: Tensor, location: Tensor) -> Tensor:
    """(B, K): the peaks whose object would stand in that of a stronger one. score (B, K); location (B, K, 3), the third number of
    which is half the object's extent, because it stands on the ground."""
    half_extent = location[..., 2]
    distance = torch.cdist(location[..., :2], location[..., :2])  # (B, K, K)
    is_inside = distance < _NEAREST * (half_extent[:, :, None] + half_extent[:, None, :])
    is_weaker = score[:, :, None] < score[:, None, :]
    result: Tensor = (is_inside & is_weaker).any(dim=2) & (score >= _LEAST_SCORE)
    return result
