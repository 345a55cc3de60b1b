# SPDX-License-Identifier: GPL-3.0-or-later
"""A frozen tower that was never trained: patches under random smooth filters, each with its place in the picture.

It stands in for a frozen CLIP where a question is about the language model and its heads alone, as in IG-LLM's 2D experiment:
nobody has taught it where things are, and all that it says is what colours lie where in a patch, and which patch that is.

Letters: B pictures, V patches of a picture, W numbers of a patch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .vision_config import PatchConfig

_ORDERS = 3  # of waves in a filter: none, a half, a whole one


class PatchTower(nn.Module):
    """Pictures (B, 3, H, W) in [0, 1] to tokens (B, V, W): random features of each patch, then u and v of its middle in [-1, 1].
    Pictures are squares, whose side is the config's at most where patches are shuffled.

    The filters are drawn from the config's seed and stand in checkpoints like any other weights, so that they need not be drawn
    the same way forever; so does the lot that decides the order of shuffled patches.
    """

    def __init__(self, config: PatchConfig) -> None:
        super().__init__()
        self.config = config
        generator = torch.Generator().manual_seed(config.seed)
        outputs, waves = config.feature_width - 2, _waves(config.patch_px)
        mixture = torch.randn(outputs, 3 * len(waves), generator=generator)
        filters = torch.einsum("ocw,wp->ocp", mixture.reshape(outputs, 3, len(waves)), waves).flatten(1)
        self.filters = nn.Parameter(filters, requires_grad=False)
        self.bias = nn.Parameter(torch.empty(outputs).uniform_(-1.0, 1.0, generator=generator), requires_grad=False)
        side = -(-config.input_width_px // config.patch_px)
        lot = torch.rand(side, side, generator=generator)
        self.lot = nn.Parameter(lot, requires_grad=False) if config.shuffled else None

    def forward(self, pictures: Tensor) -> Tensor:
        """What lies where in each patch, patches row by row or in the order of their lots."""
        side = self.config.patch_px
        height, width = pictures.shape[2:]
        patches = F.unfold(F.pad(1.0 - pictures, (0, -width % side, 0, -height % side)), side, stride=side)  # (B, 3·side², V)
        features = torch.tanh(self.config.gain * F.linear(patches.transpose(1, 2), self.filters) + self.bias)
        rows, columns = -(-height // side), -(-width // side)
        u = (torch.arange(columns, device=pictures.device) + 0.5) * (2.0 * side / width) - 1.0
        v = (torch.arange(rows, device=pictures.device) + 0.5) * (2.0 * side / height) - 1.0
        places = torch.stack([u.expand(rows, columns), v[:, None].expand(rows, columns)], dim=2).flatten(0, 1)  # (V, 2)
        tokens = torch.cat([features, places.expand(len(pictures), -1, -1)], dim=2)
        return tokens if self.lot is None else tokens[:, self.lot[:rows, :columns].flatten().argsort()]


def _waves(side: int) -> Tensor:
    """(W, side²): the products of cosines with up to two half waves down and across a patch. Filters made of them change slowly
    with what they look at, as those of a trained network do."""
    steps = (torch.arange(side) + 0.5) / side
    waves = torch.stack([torch.cos(torch.pi * order * steps) for order in range(_ORDERS)])
    return torch.einsum("ar,bc->abrc", waves, waves).reshape(_ORDERS**2, side**2)
