# SPDX-License-Identifier: GPL-3.0-or-later
"""The second stage of training: projector, language model, pointer and numeric head on what the frozen tower sees.

Where the tower's answers are small, it looks at every picture once for each variety, before the first step, and no convolution
is in the loop; else it looks at the pictures of a batch. Letters as in model.py; n numbers of one [NUM].
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from ..core.vocabulary import WORD_FIELDS
from .augmentation import augmented, plain_pictures
from .data import SceneTensors
from .model import Glimpse, Igllm
from .patch_tower import PatchTower
from .pose_tower import PoseTower
from .program_slots import CAMERA_NUMBERS, LOCATION_NUMBERS, ROTATION_NUMBERS, SHARED_HEAD, YAW_NUMBERS, Number
from .programs import NOTHING, ProgramTensors, Variety, numbers_of, peaks_of_objects, programs_of

_LOOK_BATCH = 25
_LOSS_WEIGHTS = {"location": 3.0, "camera": 0.3, "yaw": 2.0, "rotation": 2.0}
# Errors of numbers in units in which they matter alike, and from which error on they count linearly.
_CAMERA_UNITS = (10.0, 100.0)
_SMOOTH_BELOW = {CAMERA_NUMBERS: 1.0, LOCATION_NUMBERS: 0.05}
_SMOOTH_BELOW_ELSE = 0.1
# About the errors of what is fed back in decoding.
_CAMERA_NOISE = (0.05, 0.005)
_LOCATION_NOISE_M = 0.04
_YAW_NOISE = 0.05
_TOKEN_NOISE = 0.1
_SCORE_LOGIT_NOISE = 0.7


class GlimpseSet:
    """What the tower sees of a set of scenes under several varieties, with the labels that fit: tensors in memory.

    With 0 varieties nothing is kept, and the tower looks at each batch under a variety of its own.
    """

    def __init__(self, model: Igllm, scenes: SceneTensors, varieties: int, seed: int, *, augment: bool = True) -> None:
        self._model, self._pictures, self._augment = model, scenes if varieties == 0 else None, augment
        self.overlooked = 0.0
        if varieties == 0:
            return
        parts: list[tuple[Glimpse, SceneTensors, Tensor]] = []
        chunks = [range(start, min(start + _LOOK_BATCH, len(scenes))) for start in range(0, len(scenes), _LOOK_BATCH)]
        todo = [(variety, chunk) for variety in range(varieties) for chunk in chunks]
        for variety, chunk in tqdm(todo, desc="look", unit="batch", file=sys.stderr, mininterval=5.0):
            rng = np.random.default_rng([seed, variety, chunk.start])
            glimpse, labels, peaks = self._seen(scenes.take(torch.tensor(chunk)), rng)
            # The pictures are not needed any more, and bands have another height.
            parts.append((glimpse, replace(labels, images=torch.zeros(len(chunk), 0)), peaks))
        self.glimpse = Glimpse.join([part[0] for part in parts])
        self.scenes = SceneTensors.join([part[1] for part in parts])
        self.peaks = torch.cat([part[2] for part in parts])
        if model.config.decoder.visual == "peaks":
            self.overlooked = float((self.scenes.exists & (self.peaks == NOTHING)).sum() / self.scenes.exists.sum())

    def batch(self, rng: np.random.Generator, size: int) -> tuple[Glimpse, SceneTensors, Tensor]:
        """Glimpses, labels and peaks of a random batch."""
        if self._pictures is not None:
            return self._seen(self._pictures.take(torch.from_numpy(rng.integers(0, len(self._pictures), size))), rng)
        rows = torch.from_numpy(rng.integers(0, len(self.peaks), size))
        return self.glimpse.take(rows), self.scenes.take(rows), self.peaks[rows]

    def _seen(self, scenes: SceneTensors, rng: np.random.Generator) -> tuple[Glimpse, SceneTensors, Tensor]:
        bands = not isinstance(self._model.tower, PoseTower | PatchTower)  # a 3:2 band is a CLEVR picture of the released kind
        pictures, labels = augmented(scenes, rng, bands=bands) if self._augment else (plain_pictures(scenes), scenes)
        with self._model.looking_once():
            glimpse = self._model.look(pictures.to(self._model.camera_middle.device)).to(torch.device("cpu"))
        if self._model.config.decoder.visual != "peaks":
            return glimpse, labels, torch.full(labels.exists.shape, NOTHING)
        return glimpse, labels, peaks_of_objects(glimpse, labels)


@dataclass(frozen=True, slots=True)
class _Batch:
    """A batch in the making: what is known about the right answers. numbers: quantity -> (B, n) or (B, M, n)."""

    glimpse: Glimpse
    scenes: SceneTensors
    programs: ProgramTensors
    numbers: dict[str, Tensor]


def decoder_step_loss(
    model: Igllm, glimpse: Glimpse, scenes: SceneTensors, peaks: Tensor, variety: Variety | None = None
) -> dict[str, Tensor]:
    """The parts of the loss of a batch; their weighted sum is "loss"."""
    device = model.camera_middle.device
    batch = _prepared(model, glimpse, scenes, peaks, variety, device)
    visual = model.visual_embeddings(_less_sure(model, batch.glimpse))
    before = model.before_program(visual)
    fed = _fed_embeddings(model, visual, batch)
    hidden = model.hidden_states(torch.cat([before, fed], dim=1))[:, before.shape[1] :]  # (B, T, D)
    logits = model.token_logits(hidden) + _word_starts(model, batch)
    parts = {"token": F.cross_entropy(logits.flatten(0, 1), batch.programs.target.flatten(), ignore_index=NOTHING)}
    if model.config.decoder.pointer:
        parts["pointer"] = _pointer_loss(model, hidden, visual, batch.programs)
    parts |= _number_losses(model, hidden, batch)
    parts["loss"] = torch.stack([_LOSS_WEIGHTS.get(name, 1.0) * value for name, value in parts.items()]).sum()
    return parts


def _prepared(
    model: Igllm, glimpse: Glimpse, scenes: SceneTensors, peaks: Tensor, variety: Variety | None, device: torch.device
) -> _Batch:
    fields = _field_order(model)
    numbers = numbers_of(scenes, model.dialect, fields)
    if model.config.decoder.pointer and model.config.vocabulary.rotation_length >= 3:
        numbers[ROTATION_NUMBERS] = _near_the_told(model, glimpse, scenes, peaks, numbers[ROTATION_NUMBERS])
    # Without a pointer an object that the tower overlooked is still there for the language model to find.
    about = peaks if model.config.decoder.pointer else None
    programs = programs_of(scenes, about, model.dialect, fields, numbers, variety)
    moved = {name: getattr(scenes, name).to(device) for name in ("words", "yaw", "camera", "location")}
    return _Batch(
        glimpse.to(device),
        replace(scenes, **moved),
        programs.to(device),
        {name: values.to(device) for name, values in numbers.items()},
    )


def _near_the_told(model: Igllm, glimpse: Glimpse, scenes: SceneTensors, peaks: Tensor, numbers: Tensor) -> Tensor:
    """Of all ways to write the same rotation (B, M, r) the nearest to what the tower tells, so that an offset has no jump."""
    result = numbers.clone()
    b, item = torch.nonzero((peaks != NOTHING) & ~torch.isnan(scenes.rotation).any(dim=2), as_tuple=True)
    shapes = _shapes(model, scenes, b, item)
    starts = model.rotation_start(glimpse.rotation[b, peaks[b, item]], shapes)
    truths = scenes.rotation[b, item].reshape(-1, 3, 3).double().numpy()
    encoding = model.quantities.encoding
    for index, (truth, shape, start) in enumerate(zip(truths, shapes, starts.tolist(), strict=True)):
        result[b[index], item[index]] = torch.tensor(encoding.encode_near(truth, shape, start))
    return result


def _field_order(model: Igllm) -> tuple[str, ...]:
    """The fields of SceneTensors.words."""
    return tuple(name for name in WORD_FIELDS if name in model.config.vocabulary.words)


def _word_starts(model: Igllm, batch: _Batch) -> Tensor | float:
    """(B, T, tokens): where choices of words start from, zero at all others."""
    programs, tokens = batch.programs, model.dialect.token_count
    told = model.word_starts(model.told_words(batch.glimpse))
    if not told:
        return 0.0
    starts = batch.glimpse.tokens.new_zeros(*programs.target.shape, tokens)
    for name, chances in told.items():
        words = torch.tensor(model.tokens.word_tokens(name), device=starts.device)
        b, t = torch.nonzero(torch.isin(programs.target, words) & (programs.peak != NOTHING), as_tuple=True)
        starts[b[:, None], t[:, None], words] = chances[b, programs.peak[b, t]]
    return starts


def _less_sure(model: Igllm, glimpse: Glimpse) -> Glimpse:
    """The glimpse with noise: the tower has seen these pictures in its training and is surer of them than of new ones."""
    if model.config.decoder.visual == "patches":
        return glimpse
    tokens = glimpse.tokens * (1.0 + _TOKEN_NOISE * torch.randn_like(glimpse.tokens))
    if model.config.decoder.visual == "peaks":
        score_column = model.config.vision.feature_width
        tokens[..., score_column] += _SCORE_LOGIT_NOISE * torch.randn_like(tokens[..., score_column])
    return replace(glimpse, tokens=tokens)


def _fed_embeddings(model: Igllm, visual: Tensor, batch: _Batch) -> Tensor:
    """(B, T, D): tokens, and at each [NUM] the label's numbers with about the error that decoding feeds back."""
    programs, decoder = batch.programs, model.config.decoder
    embedded = model.embed_tokens(programs.token).float()
    for index, number in enumerate(model.quantities.slots):
        b, t = torch.nonzero(programs.feed == index, as_tuple=True)
        if decoder.feed_numbers:
            told = _labels(batch, number, b, t)
            told = told + torch.randn_like(told) * told.new_tensor(_noise(number))
            fed = model.embed_numbers(number.head, told).to(embedded.dtype)
            embedded = embedded.index_put((b, t), fed, accumulate=True)
        if decoder.pointer and number.quantity == LOCATION_NUMBERS and number.first == 0:
            about = visual[b, 1 + programs.peak[b, t]].to(embedded.dtype)
            embedded = embedded.index_put((b, t), about, accumulate=True)
    return embedded


def _noise(number: Number) -> tuple[float, ...]:
    noise = {CAMERA_NUMBERS: _CAMERA_NOISE, LOCATION_NUMBERS: (_LOCATION_NOISE_M,) * 3}.get(number.quantity, (_YAW_NOISE,) * 6)
    return noise[number.first : number.first + number.count]


def _labels(batch: _Batch, number: Number, b: Tensor, t: Tensor) -> Tensor:
    """(N, n): what is to be written for this [NUM] at positions t (N,) of pictures b (N,)."""
    values = batch.numbers[number.quantity]
    of_item = values[b] if number.quantity == CAMERA_NUMBERS else values[b, batch.programs.item[b, t]]
    return of_item[:, number.first : number.first + number.count]


def _pointer_loss(model: Igllm, hidden: Tensor, visual: Tensor, programs: ProgramTensors) -> Tensor:
    """Cross-entropy over the peaks that no earlier statement was about, where an object's location is read."""
    logits = model.pointer_logits(hidden, visual)  # (B, T, K)
    reads = programs.read == model.quantities.slots.index(model.quantities.numbers(LOCATION_NUMBERS)[0])
    chosen = F.one_hot(programs.peak.clamp(min=0), logits.shape[2]) * reads[..., None]
    used = (torch.cumsum(chosen, dim=1) - chosen) > 0
    logits = logits.masked_fill(used, -math.inf)
    if not bool(reads.any()):
        return hidden.sum() * 0.0
    return F.cross_entropy(logits[reads], programs.peak[reads])


def _number_losses(model: Igllm, hidden: Tensor, batch: _Batch) -> dict[str, Tensor]:
    """What the heads read against the labels. With scales of their own, quantities count by the error that matters for them
    (smooth L1); raw numbers all alike, by their squared error, as in IG-LLM."""
    errors: dict[str, list[Tensor]] = {}
    for index, number in enumerate(model.quantities.slots):
        b, t = torch.nonzero(batch.programs.read == index, as_tuple=True)
        read = _starts(model, batch, number, b, t) + model.numeric_heads[number.head](hidden[b, t])
        error = read - _labels(batch, number, b, t)
        scaled = model.config.decoder.number_scales
        if scaled and number.quantity == CAMERA_NUMBERS:
            error = error * error.new_tensor(_CAMERA_UNITS[number.first : number.first + number.count])
        errors.setdefault(number.quantity if scaled else SHARED_HEAD, []).append(error.flatten())
    joined = {name: torch.cat(several) for name, several in errors.items()}
    return {name: _error_loss(name, error) if len(error) else hidden.sum() * 0.0 for name, error in joined.items()}


def _error_loss(name: str, error: Tensor) -> Tensor:
    if name == SHARED_HEAD:
        return error.square().mean()
    return F.smooth_l1_loss(error, torch.zeros_like(error), beta=_SMOOTH_BELOW.get(name, _SMOOTH_BELOW_ELSE))


def _starts(model: Igllm, batch: _Batch, number: Number, b: Tensor, t: Tensor) -> Tensor:
    glimpse, programs = batch.glimpse, batch.programs
    if not model.config.decoder.pointer:
        return model.start_of(number, glimpse.camera[b], glimpse.camera[b], glimpse.camera[b])
    peak = programs.peak[b, t].clamp(min=0)
    rotation = glimpse.rotation[b, peak]
    if number.quantity in (YAW_NUMBERS, ROTATION_NUMBERS):
        rotation = model.rotation_start(rotation, _shapes(model, batch.scenes, b, programs.item[b, t]))
    return model.start_of(number, glimpse.camera[b], glimpse.location[b, peak], rotation)


def _shapes(model: Igllm, scenes: SceneTensors, b: Tensor, item: Tensor) -> list[str | None]:
    """The shape words of objects `item` (N,) of pictures `b` (N,)."""
    words, fields = model.config.vocabulary.words, _field_order(model)
    if "shape" not in fields:
        return [None] * len(b)
    return [words["shape"][index] for index in scenes.words[b, item, fields.index("shape")].tolist()]
