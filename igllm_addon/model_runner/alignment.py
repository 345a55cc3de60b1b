# SPDX-License-Identifier: GPL-3.0-or-later
"""Feature alignment: the projector learns to say pictures in the words of a pretrained language model, all else being frozen.

The recipe is LLaVA's (Liu et al. 2023, arXiv 2304.08485, section 4.2, stage 1): the text is the picture followed by its caption,
and the loss is that of the caption. What it leaves is an mm_projector.bin in LLaVA's format, from which the next stage starts.

Letters: B pairs, V visual tokens, T tokens of the longest caption, D width of the language model.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from ..core.errors import UsageError
from .caption_pairs import CaptionPair, caption_pairs
from .data import resized
from .dialects import TextDialect
from .model import Igllm
from .processes import processes
from .programs import NOTHING
from .projectors import FILE_NAME, load_mm_projector, save_mm_projector
from .training_config import TrainingConfig
from .training_loop import train_stage
from .training_state import StageFiles

_MOST_CAPTION_TOKENS = 256


def aligned_projector(config: TrainingConfig) -> Path | None:
    """The file from which the projector starts: the alignment's, else the one that the config names, else none."""
    if config.alignment is not None:
        path = _aligned(config)
        if not path.is_file():
            raise UsageError(f"{path} does not exist; train the stage alignment first.")
        return path
    return Path(config.projector_start) if config.projector_start else None


def train_alignment(config: TrainingConfig, *, resume: bool) -> Igllm:
    """The stage "alignment"; writes the projector into `out`."""
    stage = config.alignment
    if stage is None:
        raise UsageError(f'The training config of {config.model.name!r} has no stage "alignment".')
    torch.manual_seed(stage.seed)
    # Adapters are not there yet: captions are what the language model knows already, and the projector has to come to it.
    model = Igllm(config.model, with_adapters=False)
    if config.projector_start:
        load_mm_projector(model.projector, Path(config.projector_start))
    model.requires_grad_(False)
    model.projector.requires_grad_(True)
    pairs = caption_pairs([Path(folder) for folder in stage.data])

    def step_loss(_: int, rng: np.random.Generator) -> dict[str, Tensor]:
        return alignment_step_loss(model, [pairs[int(row)] for row in rng.integers(0, len(pairs), stage.batch)])

    train_stage("alignment", model, stage, StageFiles.of(config.out, "alignment"), step_loss, resume=resume)
    if processes().is_first:
        save_mm_projector(model.projector, _aligned(config))
    return model.eval()


def alignment_step_loss(model: Igllm, pairs: Sequence[CaptionPair]) -> dict[str, Tensor]:
    """The loss of a batch: cross-entropy of the captions' tokens and of their ends."""
    dialect = model.dialect
    if not isinstance(dialect, TextDialect):
        raise UsageError(f'{model.config.name!r} writes the dialect "compact", which has no captions; alignment needs "text".')
    device = model.camera_middle.device
    width_px = model.config.vision.input_width_px
    tokens = [model.look(_picture(pair, width_px).to(device)).tokens for pair in pairs]
    features = torch.cat(tokens)  # (B, V, W)
    visual = model.projector(features)
    spelled = [(*dialect.spelling.spell(pair.caption)[:_MOST_CAPTION_TOKENS], dialect.spelling.end) for pair in pairs]
    longest = max(len(each) for each in spelled)
    target = torch.tensor([[*each, *[NOTHING] * (longest - len(each))] for each in spelled], device=device)  # (B, T)
    start = model.embed_tokens(torch.tensor([[dialect.spelling.start]], device=device)).float().expand(len(pairs), -1, -1)
    said = model.embed_tokens(target[:, :-1].clamp(min=0)).float()
    hidden = model.hidden_states(torch.cat([start, visual, said], dim=1))
    logits = model.token_logits(hidden[:, -longest:])  # the last visual token predicts the first of the caption
    return {"loss": F.cross_entropy(logits.flatten(0, 1), target.flatten(), ignore_index=NOTHING)}


def _aligned(config: TrainingConfig) -> Path:
    return config.out / FILE_NAME


def _picture(pair: CaptionPair, width_px: int) -> Tensor:
    """(1, 3, H, W) in [0, 1]."""
    image = resized(Image.open(io.BytesIO(pair.read())), width_px)
    return torch.from_numpy(np.array(image, dtype=np.float32)).permute(2, 0, 1)[None] / 255.0
