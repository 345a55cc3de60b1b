# SPDX-License-Identifier: GPL-3.0-or-later
"""What a vision tower tells the language model about pictures.

Letters: B pictures, N visual tokens of a picture, W and S widths; K peaks, as many as tokens where there are peaks, else none.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What the tower tells the language model about B pictures.

    tokens (B, N, W): features of the visual tokens; of peaks with score and descriptions. scene (B, S): the whole picture; S may
    be 0. score (B, K) in [0, 1]. Starts of the numeric head: camera (B, 2), location (B, K, 3), rotation (B, K, 2) or (B, K, 9):
    sine and cosine of a yaw times the symmetry order, or a matrix row by row. place_px (B, K, 2): u, v of the centres.
    """

    tokens: Tensor
    scene: Tensor
    score: Tensor
    camera: Tensor
    location: Tensor
    rotation: Tensor
    place_px: Tensor

    @classmethod
    def without_peaks(cls, tokens: Tensor, scene: Tensor, camera: Tensor) -> Glimpse:
        """A glimpse of a tower that does not tell objects apart."""
        none = [tokens.new_zeros(len(tokens), 0, *shape) for shape in ((), (3,), (2,), (2,))]
        return cls(tokens, scene, none[0], camera, none[1], none[2], none[3])

    def take(self, rows: Tensor) -> Glimpse:
        """The glimpses of these pictures."""
        return Glimpse(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def to(self, device: torch.device) -> Glimpse:
        """The same on another device."""
        return Glimpse(*(getattr(self, name).to(device) for name in self.__dataclass_fields__))

    @staticmethod
    def join(parts: list[Glimpse]) -> Glimpse:
        """Several as one."""
        return Glimpse(*(torch.cat([getattr(part, name) for part in parts]) for name in Glimpse.__dataclass_fields__))
