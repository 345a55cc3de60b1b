# SPDX-License-Identifier: GPL-3.0-or-later
"""The model, top to bottom: vision tower, projector, language model, numeric head.

The tower's strongest peaks become visual tokens, left to right, after one token for the whole picture. A causal LLaMA writes
the program. Its numeric head does not make positions from nothing: a pointer chooses the visual token that a statement is
about, the tower's own numbers for it are the start, and the head adds an offset.

Letters: B pictures, K peaks of a picture, V = 1 + K visual tokens, T program tokens, D width of the language model.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

# Before transformers, which imports torchvision.
from . import torchvision_operators as torchvision_operators

# isort: split
from transformers import LlamaConfig, LlamaForCausalLM

from .config import DecoderConfig, ModelConfig
from .program_tokens import CAMERA_NUMBERS, LOCATION_NUMBERS, NUMBER_COUNTS, YAW_NUMBERS, ProgramTokens
from .vision import VisionTower, strongest_peaks

_MAX_POSITIONS = 512
# What one unit of the head's output stands for: metres and radians of the camera, metres of a location, parts of a unit vector.
_OFFSET_SCALES = {CAMERA_NUMBERS: (0.1, 0.01), LOCATION_NUMBERS: (0.1, 0.1, 0.1), YAW_NUMBERS: (0.1, 0.1)}


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What the tower tells the language model about B pictures.

    tokens (B, K, W): features, score and descriptions of the peaks. scene (B, S): the whole picture. score (B, K) in [0, 1].
    Starts of the numeric head: camera (B, 2), location (B, K, 3), yaw (B, K, 2). place_px (B, K, 2): u, v of the centres.
    """

    tokens: Tensor
    scene: Tensor
    score: Tensor
    camera: Tensor
    location: Tensor
    yaw: Tensor
    place_px: Tensor

    def take(self, rows: Tensor) -> Glimpse:
        """The glimpses of these pictures."""
        return Glimpse(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))


class NumericHead(nn.Module):
    """A hidden state to the offsets of one quantity: IG-LLM's tanh_mlp_gelu, or one linear layer. It starts at zero."""

    def __init__(self, kind: str, width: int, quantity: str) -> None:
        super().__init__()
        last = nn.Linear(width, NUMBER_COUNTS[quantity])
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = last if kind == "linear" else nn.Sequential(nn.Tanh(), nn.Linear(width, width), nn.GELU(), last)
        self.register_buffer("scale", torch.tensor(_OFFSET_SCALES[quantity]), persistent=False)

    def forward(self, hidden: Tensor) -> Tensor:
        offsets: Tensor = self.scale * self.layers(hidden)
        return offsets


class Igllm(nn.Module):
    """Picture to program. Decoding and training are elsewhere; this is what has weights."""

    camera_middle: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config, decoder = config, config.decoder
        self.tokens = ProgramTokens(config.vocabulary)
        self.tower = VisionTower(config.vision, config.geometry, config.vocabulary)
        words = sum(len(entries) for entries in config.vocabulary.words.values())
        token_width = config.vision.feature_width + 1 + words + 2 + 2 + 2 + 1
        scene_width = config.vision.channels[2] + 2
        self.projector = _mlp(token_width, decoder.width)
        self.scene_projector = _mlp(scene_width, decoder.width)
        self.language_model = LlamaForCausalLM(_llama_config(decoder, len(self.tokens.texts)))
        self.number_inputs = nn.ModuleDict({name: _mlp(count, decoder.width) for name, count in NUMBER_COUNTS.items()})
        self.numeric_heads = nn.ModuleDict(
            {name: NumericHead(decoder.numeric_head, decoder.width, name) for name in NUMBER_COUNTS}
        )
        self.pointer_query = nn.Linear(decoder.width, decoder.width)
        self.pointer_key = nn.Linear(decoder.width, decoder.width)
        geometry = config.geometry
        middle = torch.tensor((geometry.distance_m, geometry.elevation_radians))
        self.register_buffer("camera_middle", middle, persistent=False)

    @torch.no_grad()
    def look(self, pictures: Tensor) -> Glimpse:
        """Pictures (B, 3, H, W) in [0, 1], as wide as the tower wants, to what the language model gets to see of them."""
        maps = self.tower(pictures.contiguous(memory_format=torch.channels_last))
        score, row, column = strongest_peaks(maps.heat, self.config.decoder.visual_tokens)
        b, k = score.shape
        picture = torch.arange(b, device=score.device).repeat_interleave(k)
        seen = self.tower.describe(maps, picture, row.flatten(), column.flatten(), score.flatten() ** 2)
        words = torch.cat([torch.softmax(seen.words[name], dim=1) for name in self.tower.fields], dim=1)
        logit = torch.logit(score.clamp(1e-4, 1.0 - 1e-4)).reshape(-1, 1)
        location = torch.cat([seen.xy, seen.height[:, None]], dim=1)
        numbers = torch.cat([logit, words, seen.yaw, seen.place * 3.0, location], dim=1)
        focal = self.config.vision.input_width_px * self.config.geometry.focal_length_mm / self.config.geometry.sensor_width_mm
        middle = pictures.new_tensor((pictures.shape[3] / 2, pictures.shape[2] / 2))
        place_px = middle + seen.place * pictures.new_tensor((focal, -focal))
        return Glimpse(
            tokens=torch.cat([seen.features, numbers], dim=1).reshape(b, k, -1),
            scene=torch.cat([maps.context, self.normalized_camera(seen.camera)], dim=1),
            score=score,
            camera=seen.camera,
            location=location.reshape(b, k, 3),
            yaw=seen.yaw.reshape(b, k, 2),
            place_px=place_px.reshape(b, k, 2),
        )

    def visual_embeddings(self, glimpse: Glimpse) -> Tensor:
        """(B, V, D): the picture, then its peaks."""
        return torch.cat([self.scene_projector(glimpse.scene)[:, None], self.projector(glimpse.tokens)], dim=1)

    def pointer_logits(self, hidden: Tensor, visual: Tensor) -> Tensor:
        """Hidden states (B, T, D) and visual embeddings (B, V, D) to scores of the peaks (B, T, K)."""
        keys = self.pointer_key(visual[:, 1:])
        logits: Tensor = self.pointer_query(hidden) @ keys.transpose(1, 2) * keys.shape[-1] ** -0.5
        return logits

    def embed_tokens(self, tokens: Tensor) -> Tensor:
        """Token numbers (...,) to embeddings (..., D)."""
        embedded: Tensor = self.language_model.get_input_embeddings()(tokens)
        return embedded

    def embed_numbers(self, quantity: str, numbers: Tensor) -> Tensor:
        """Numbers of a quantity (..., n) to what is added to the embedding of their [NUM] (..., D)."""
        if quantity == CAMERA_NUMBERS:
            numbers = self.normalized_camera(numbers)
        embedded: Tensor = self.number_inputs[quantity](numbers)
        return embedded

    def normalized_camera(self, camera: Tensor) -> Tensor:
        """Distance and elevation (..., 2), less their middle, in units of about their spread."""
        return (camera - self.camera_middle) / camera.new_tensor((0.3, 0.03))


def _mlp(inputs: int, width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, width), nn.GELU(), nn.Linear(width, width))


def _llama_config(decoder: DecoderConfig, token_count: int) -> LlamaConfig:
    return LlamaConfig(
        vocab_size=token_count,
        hidden_size=decoder.width,
        intermediate_size=decoder.intermediate_width,
        num_hidden_layers=decoder.layers,
        num_attention_heads=decoder.attention_heads,
        max_position_embeddings=_MAX_POSITIONS,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=None,
    )
