# SPDX-License-Identifier: GPL-3.0-or-later
"""A vision tower of open_clip's, frozen: the patches of a hidden layer become visual tokens, as in LLaVA and IG-LLM.

Pictures are padded to a square with CLIP's mean colour and resized. The class token is dropped. Any architecture that
open_clip can take intermediate features of will do; the weights come from a local file or folder, never from the network.

Letters: B pictures, H height and W width in pixels, N patches, C features of a patch.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.errors import WeightsError
from .base_folders import TOWER_CONFIG_NAME
from .vision_config import OpenClipConfig

# openai/CLIP, clip.py, _transform: mean and standard deviation of the colours that it was trained on.
MEAN_RGB, SPREAD_RGB = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


class OpenClipTower(nn.Module):
    """Pictures (B, 3, H, W) in [0, 1] to features of their patches (B, N, C). It does not learn."""

    mean: Tensor
    spread: Tensor

    def __init__(self, config: OpenClipConfig) -> None:
        super().__init__()
        self.config = config
        self.visual, mean, spread = _visual_of(config)
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("spread", torch.tensor(spread)[:, None, None], persistent=False)
        self.eval().requires_grad_(False)

    @torch.no_grad()
    def forward(self, pictures: Tensor) -> Tensor:
        found = self.visual.forward_intermediates(  # type: ignore[operator]
            self.square(pictures),
            indices=[self.config.hidden_layer],
            stop_early=True,
            intermediates_only=True,
            output_fmt="NCHW",
        )
        features: Tensor = found["image_intermediates"][0]
        return features.flatten(2).transpose(1, 2)

    def square(self, pictures: Tensor) -> Tensor:
        """(B, 3, H, W) to (B, 3, S, S): padded on both sides with the mean colour, so that after normalising it is black."""
        height, width = pictures.shape[2:]
        side, size = max(height, width), self.config.input_width_px
        left, top = (side - width) // 2, (side - height) // 2
        normal = (pictures - self.mean) / self.spread
        padded = F.pad(normal, (left, side - width - left, top, side - height - top))
        if side == size:
            return padded
        return F.interpolate(padded, size=(size, size), mode="bicubic", antialias=True, align_corners=False)

    def train(self, mode: bool = True) -> OpenClipTower:
        """It stays as it is, also while other parts learn."""
        return super().train(False)


def _visual_of(config: OpenClipConfig) -> tuple[nn.Module, tuple[float, ...], tuple[float, ...]]:
    from . import torchvision_operators as torchvision_operators  # before open_clip

    import open_clip  # isort: skip

    where = Path(config.weights)
    if not where.exists():
        raise WeightsError(
            f"the vision tower that this model builds on is not there: {where} does not exist; put the weights of"
            f" {config.architecture or 'the open_clip model'} there, or name another place as vision.weights in the config"
        )
    name = config.architecture
    if where.is_dir():
        path = where / TOWER_CONFIG_NAME
        if not path.is_file():
            raise WeightsError(f"{where} has no {TOWER_CONFIG_NAME}; give an open_clip folder, or an architecture and a file")
        if config.config_sha256 not in ("", hashlib.sha256(path.read_bytes()).hexdigest()):
            raise WeightsError(f"{path} is not the config of the vision tower that this model was trained with")
        name = f"local-dir:{where}"
    # It logs at every step of the way, some of it as warnings.
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        model = open_clip.create_model(
            name, pretrained=None if where.is_dir() else str(where), force_quick_gelu=config.quick_gelu, require_pretrained=True
        )
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, AttributeError) as caught:
        raise WeightsError(f"the vision tower in {where} cannot be loaded ({caught})") from caught
    finally:
        logging.disable(level)
    visual: nn.Module = model.visual
    size = getattr(visual, "image_size", config.input_width_px)
    if {config.input_width_px} != set(size if isinstance(size, (tuple, list)) else (size,)):
        raise WeightsError(f"the vision tower in {where} takes pictures of {size} pixels, expected {config.input_width_px}")
    mean = tuple(getattr(visual, "image_mean", None) or MEAN_RGB)
    spread = tuple(getattr(visual, "image_std", None) or SPREAD_RGB)
    return visual, mean, spread
