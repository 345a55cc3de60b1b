# SPDX-License-Identifier: GPL-3.0-or-later
"""The second stage of training: projector, language model, pointer and numeric head on what the frozen tower sees.

The tower looks at every picture once for each variety, before the first step; no convolution is in the loop.
Letters as in model.py.
"""

from __future__ import annotations

import math
import sys
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from .augmentation import augmented
from .data import SceneTensors
from .model import Glimpse, Igllm
from .program_tokens import CAMERA_NUMBERS, LOCATION_NUMBERS, YAW_NUMBERS
from .programs import (
    FEED_CAMERA,
    FEED_LOCATION,
    FEED_YAW,
    NOTHING,
    READ_CAMERA,
    READ_LOCATION,
    READ_YAW,
    ProgramTensors,
    peaks_of_objects,
    programs_of,
    yaw_directions,
)

_LOOK_BATCH = 25
_LOSS_WEIGHTS = {"location": 3.0, "camera": 0.3, "yaw": 2.0}
# About the errors of what is fed back in decoding.
_CAMERA_NOISE = (0.05, 0.005)
_LOCATION_NOISE_M = 0.04
_YAW_NOISE = 0.05
_TOKEN_NOISE = 0.1
_SCORE_LOGIT_NOISE = 0.7


class GlimpseSet:
    """What the tower sees of a set of scenes under several varieties, with the labels that fit: tensors in memory."""

    def __init__(self, model: Igllm, scenes: SceneTensors, varieties: int, seed: int) -> None:
        parts: list[tuple[Glimpse, SceneTensors, Tensor]] = []
        chunks = [range(start, min(start + _LOOK_BATCH, len(scenes))) for start in range(0, len(scenes), _LOOK_BATCH)]
        todo = [(variety, chunk) for variety in range(varieties) for chunk in chunks]
        for variety, chunk in tqdm(todo, desc="look", unit="batch", file=sys.stderr, mininterval=5.0):
            rng = np.random.default_rng([seed, variety, chunk.start])
            pictures, labels = augmented(scenes.take(torch.tensor(chunk)), rng)
            glimpse = model.look(pictures)
            # The pictures are not needed any more, and bands have another height.
            labels = replace(labels, images=torch.zeros(len(chunk), 0))
            parts.append((glimpse, labels, peaks_of_objects(glimpse, labels)))
        names = Glimpse.__dataclass_fields__
        self.glimpse = Glimpse(*(torch.cat([getattr(part[0], name) for part in parts]) for name in names))
        self.scenes = SceneTensors.join([part[1] for part in parts])
        self.peaks = torch.cat([part[2] for part in parts])
        self.overlooked = float((self.scenes.exists & (self.peaks == NOTHING)).sum() / self.scenes.exists.sum())

    def batch(self, rng: np.random.Generator, size: int) -> tuple[Glimpse, SceneTensors, Tensor]:
        """Glimpses, labels and peaks of a random batch."""
        rows = torch.from_numpy(rng.integers(0, len(self.peaks), size))
        return self.glimpse.take(rows), self.scenes.take(rows), self.peaks[rows]


def decoder_step_loss(model: Igllm, glimpse: Glimpse, scenes: SceneTensors, peaks: Tensor) -> dict[str, Tensor]:
    """The parts of the loss of a batch; their weighted sum is "loss"."""
    programs = programs_of(scenes, peaks, model.tokens, model.tower.fields)
    visual = model.visual_embeddings(_less_sure(model, glimpse))
    fed = _fed_embeddings(model, visual, scenes, programs)
    output = model.language_model.model(inputs_embeds=torch.cat([visual, fed], dim=1), use_cache=False)
    hidden = output.last_hidden_state[:, visual.shape[1] :]  # (B, T, D)
    logits = model.language_model.lm_head(hidden)
    parts = {"token": F.cross_entropy(logits.flatten(0, 1), programs.target.flatten(), ignore_index=NOTHING)}
    parts["pointer"] = _pointer_loss(model, hidden, visual, programs)
    parts |= _number_losses(model, hidden, glimpse, scenes, programs)
    parts["loss"] = torch.stack([_LOSS_WEIGHTS.get(name, 1.0) * value for name, value in parts.items()]).sum()
    return parts


def _less_sure(model: Igllm, glimpse: Glimpse) -> Glimpse:
    """The glimpse with noise: the tower has seen these pictures in its training and is surer of them than of new ones."""
    tokens = glimpse.tokens * (1.0 + _TOKEN_NOISE * torch.randn_like(glimpse.tokens))
    score_column = model.config.vision.feature_width
    tokens[..., score_column] += _SCORE_LOGIT_NOISE * torch.randn_like(tokens[..., score_column])
    return replace(glimpse, tokens=tokens)


def _fed_embeddings(model: Igllm, visual: Tensor, scenes: SceneTensors, programs: ProgramTensors) -> Tensor:
    """(B, T, D): tokens, and at each [NUM] the label's numbers with about the error that decoding feeds back."""
    embedded = model.embed_tokens(programs.token)
    b, t = torch.nonzero(programs.role == FEED_CAMERA, as_tuple=True)
    camera = scenes.camera[b] + torch.randn(len(b), 2) * torch.tensor(_CAMERA_NOISE)
    embedded = embedded.index_put((b, t), model.embed_numbers(CAMERA_NUMBERS, camera), accumulate=True)
    b, t = torch.nonzero(programs.role == FEED_LOCATION, as_tuple=True)
    location = scenes.location[b, programs.item[b, t]] + torch.randn(len(b), 3) * _LOCATION_NOISE_M
    about = visual[b, 1 + programs.peak[b, t]]
    embedded = embedded.index_put((b, t), model.embed_numbers(LOCATION_NUMBERS, location) + about, accumulate=True)
    b, t = torch.nonzero(programs.role == FEED_YAW, as_tuple=True)
    yaw = yaw_directions(scenes, model.tokens)[b, programs.item[b, t]] + torch.randn(len(b), 2) * _YAW_NOISE
    return embedded.index_put((b, t), model.embed_numbers(YAW_NUMBERS, yaw), accumulate=True)


def _pointer_loss(model: Igllm, hidden: Tensor, visual: Tensor, programs: ProgramTensors) -> Tensor:
    """Cross-entropy over the peaks that no earlier statement was about, where an object's location is read."""
    logits = model.pointer_logits(hidden, visual)  # (B, T, K)
    reads = programs.role == READ_LOCATION
    chosen = F.one_hot(programs.peak.clamp(min=0), logits.shape[2]) * reads[..., None]
    used = (torch.cumsum(chosen, dim=1) - chosen) > 0
    logits = logits.masked_fill(used, -math.inf)
    if not bool(reads.any()):
        return hidden.sum() * 0.0
    return F.cross_entropy(logits[reads], programs.peak[reads])


def _number_losses(
    model: Igllm, hidden: Tensor, glimpse: Glimpse, scenes: SceneTensors, programs: ProgramTensors
) -> dict[str, Tensor]:
    """The tower's numbers for the right peak plus the head's offset, against the label's. Smooth L1, in units of the scales."""
    b, t = torch.nonzero(programs.role == READ_CAMERA, as_tuple=True)
    heads = model.numeric_heads
    camera = (glimpse.camera[b] + heads[CAMERA_NUMBERS](hidden[b, t]) - scenes.camera[b]) * torch.tensor((10.0, 100.0))
    b, t = torch.nonzero(programs.role == READ_LOCATION, as_tuple=True)
    location = glimpse.location[b, programs.peak[b, t]] + heads[LOCATION_NUMBERS](hidden[b, t])
    location = location - scenes.location[b, programs.item[b, t]]
    b, t = torch.nonzero(programs.role == READ_YAW, as_tuple=True)
    yaw = glimpse.yaw[b, programs.peak[b, t]] + heads[YAW_NUMBERS](hidden[b, t])
    yaw = yaw - yaw_directions(scenes, model.tokens)[b, programs.item[b, t]]
    parts = {"camera": (camera, 1.0), "location": (location, 0.05), "yaw": (yaw, 0.1)}
    return {
        name: F.smooth_l1_loss(error, torch.zeros_like(error), beta=beta) if len(error) else hidden.sum() * 0.0
        for name, (error, beta) in parts.items()
    }
