# SPDX-License-Identifier: GPL-3.0-or-later
"""The model, top to bottom: vision tower, projector, language model, numeric head. What it is made of, its config says.

Our own composition: the compact tower's strongest peaks become visual tokens, left to right, after one token for the whole
picture. A causal LLaMA writes the program. Its numeric head does not make positions from nothing: a pointer chooses the visual
token that a statement is about, the tower's own numbers for it are the start, and the head adds an offset.
IG-LLM's composition (arXiv 2404.15228, section 4): patches of a frozen CLIP tower, a linear projector, a pretrained LLaMA with
adapters, one head for every number, raw.

Letters: B pictures, K peaks of a picture, V visual tokens (1 + K with peaks), T program tokens, D width of the language model.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from .config import FixedCamera, GeometryConfig, ModelConfig
from .dialects import make_dialect
from .geometry import focal_length_px
from .glimpse import Glimpse
from .grid import grid_size, grid_tokens
from .language import belongs_to_base, language_model
from .open_clip_tower import OpenClipTower
from .overlaps import overlapped
from .patch_tower import PatchTower
from .pose_tower import PoseTower
from .program_slots import CAMERA_NUMBERS, LOCATION_NUMBERS, SHARED_HEAD, Number
from .program_tokens import ProgramTokens
from .projectors import make_projector, mlp
from .several_looks import described
from .vision import CAMERA_SPREADS, VisionTower, strongest_peaks
from .vision_config import OpenClipConfig, PatchConfig, PoseConfig, VisionConfig

__all__ = ["Glimpse", "Igllm", "NumericHead"]

# What one unit of the head's output stands for beside a pointer: metres and radians of the camera, metres of a location, parts
# of a unit vector or radians of a rotation.
_CAMERA_OFFSETS, _OFFSET = (0.1, 0.01), 0.1
_LEAST_CHANCE = 1e-4  # of a word, as the tower tells it
_LEAST_SCORE = 1e-4  # of a peak, in [0, 1]; what is no object has this one
_LOGIT_OF_NOTHING = math.log(_LEAST_SCORE / (1.0 - _LEAST_SCORE))


class NumericHead(nn.Module):
    """A hidden state to numbers: IG-LLM's tanh_mlp_gelu, or one linear layer. It starts at zero."""

    def __init__(self, kind: str, width: int, scale: tuple[float, ...]) -> None:
        super().__init__()
        last = nn.Linear(width, len(scale))
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.layers = last if kind == "linear" else nn.Sequential(nn.Tanh(), nn.Linear(width, width), nn.GELU(), last)
        self.register_buffer("scale", torch.tensor(scale), persistent=False)

    def forward(self, hidden: Tensor) -> Tensor:
        offsets: Tensor = self.scale * self.layers(hidden)
        return offsets


class Igllm(nn.Module):
    """Picture to program. Decoding and training are elsewhere; this is what has weights.

    Its state is what is its own: weights that stay in the folder of a pretrained part are not in state_dict().
    with_adapters: whether a pretrained language model with LoRA gets its adapters, as in training.
    """

    camera_middle: Tensor

    def __init__(self, config: ModelConfig, *, with_adapters: bool = True) -> None:
        super().__init__()
        self.config, decoder, vision = config, config.decoder, config.vision
        self.dialect = make_dialect(config.vocabulary, decoder)
        self.quantities = self.dialect.quantities
        self.tower = make_tower(config)
        self.projector = make_projector(decoder.projector, _token_width(config, self.tower), decoder.width)
        if isinstance(vision, VisionConfig):
            self.scene_projector = mlp(vision.channels[2] + 2, decoder.width)
        elif isinstance(vision, PoseConfig):
            self.scene_projector = mlp(vision.channels[2], decoder.width)
        self.language_model = language_model(decoder, self.dialect.token_count, with_adapters=with_adapters)
        heads = self.quantities.heads
        self.number_inputs = nn.ModuleDict(
            {name: mlp(number.count, decoder.width) for name, number in heads.items() if decoder.feed_numbers}
        )
        self.numeric_heads = nn.ModuleDict(
            {name: NumericHead(decoder.numeric_head, decoder.width, self._unit(number)) for name, number in heads.items()}
        )
        if decoder.pointer:
            self.pointer_query = nn.Linear(decoder.width, decoder.width)
            self.pointer_key = nn.Linear(decoder.width, decoder.width)
        self.register_buffer("camera_middle", _camera_middle(config), persistent=False)
        self.register_state_dict_post_hook(_leave_out_foreign)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_fill_in_foreign)  # type: ignore[no-untyped-call]

    def is_foreign(self, name: str) -> bool:
        """Whether the tensor of this name stays in the folder of a pretrained part."""
        if name.startswith("language_model."):
            return belongs_to_base(name, self.config.decoder.base)
        return name.startswith("tower.") and isinstance(self.config.vision, OpenClipConfig)

    @property
    def tokens(self) -> ProgramTokens:
        """The token table of the compact dialect."""
        table: ProgramTokens = self.dialect.tokens  # type: ignore[union-attr]
        return table

    @torch.no_grad()
    def look(self, pictures: Tensor) -> Glimpse:
        """Pictures (B, 3, H, W) in [0, 1], as wide as the tower wants, to what the language model gets to see of them."""
        if isinstance(self.tower, PoseTower):
            return self.tower.glimpse(pictures, self.config.decoder.visual_tokens)
        if isinstance(self.tower, OpenClipTower | PatchTower):
            features = self.tower(pictures)
            return Glimpse.without_peaks(
                features, features.new_zeros(len(features), 0), self.camera_middle.expand(len(features), 2)
            )
        maps = self.tower(pictures.contiguous(memory_format=torch.channels_last))
        if self.config.decoder.visual != "peaks":
            tokens = grid_tokens(maps, self.tower, grid_size(self.tower.config, self.config.decoder.visual))
            scene = torch.cat([maps.context, self.normalized_camera(maps.camera)], dim=1)
            return Glimpse.without_peaks(tokens, scene, maps.camera)
        score, row, column = strongest_peaks(maps.heat, self.config.decoder.visual_tokens)
        b, k = score.shape
        picture = torch.arange(b, device=score.device).repeat_interleave(k)
        seen = described(self.tower, maps, picture, row.flatten(), column.flatten(), score.flatten() ** 2)
        words = torch.cat([torch.softmax(seen.words[name], dim=1) for name in self.tower.fields], dim=1)
        logit = torch.logit(score.clamp(_LEAST_SCORE, 1.0 - _LEAST_SCORE)).reshape(-1, 1) + seen.doubt[:, None]
        location = torch.cat([seen.xy, seen.height[:, None]], dim=1)
        inside_another = overlapped(torch.sigmoid(logit).reshape(b, k), location.reshape(b, k, 3))
        logit = logit.masked_fill(inside_another.reshape(-1, 1), _LOGIT_OF_NOTHING)
        numbers = torch.cat([logit, words, seen.yaw, seen.place * 3.0, location], dim=1)
        focal = focal_length_px(self.tower.geometry, self.tower.config.input_width_px)
        middle = pictures.new_tensor((pictures.shape[3] / 2, pictures.shape[2] / 2))
        place_px = middle + seen.place * pictures.new_tensor((focal, -focal))
        return Glimpse(
            tokens=torch.cat([seen.features, numbers], dim=1).reshape(b, k, -1),
            scene=torch.cat([maps.context, self.normalized_camera(seen.camera)], dim=1),
            score=torch.sigmoid(logit).reshape(b, k),
            camera=seen.camera,
            location=location.reshape(b, k, 3),
            rotation=seen.yaw.reshape(b, k, 2),
            place_px=place_px.reshape(b, k, 2),
        )

    @contextmanager
    def looking_once(self) -> Iterator[None]:
        """In here a tower that looks several times looks once: that costs a fraction and says the same, a little less surely."""
        if not isinstance(self.tower, VisionTower | PoseTower):
            yield
            return
        tower: Any = self.tower
        often = tower.config
        tower.config = replace(often, **{name: 1 for name in ("looks", "rolls") if hasattr(often, name)})
        try:
            yield
        finally:
            tower.config = often

    def told_words(self, glimpse: Glimpse) -> dict[str, Tensor]:
        """Field -> the chances of its words at each peak (B, K, words), as the tower tells them; nothing without peaks."""
        if not isinstance(self.tower, VisionTower | PoseTower) or glimpse.score.shape[1] == 0:
            return {}
        first, told = self.tower.config.feature_width + 1, {}  # as the tokens are laid out
        for name in self.tower.fields:
            count = len(self.config.vocabulary.words[name])
            told[name] = glimpse.tokens[..., first : first + count]
            first += count
        return told

    def word_starts(self, told: dict[str, Tensor]) -> dict[str, Tensor]:
        """What the model's scores of the words are added to, of the same form as the chances that the tower gives them; nothing
        where words have no pointer."""
        if not self.config.decoder.pointer_words:
            return {}
        return {name: torch.log(chances.clamp(min=_LEAST_CHANCE)) for name, chances in told.items()}

    def visual_embeddings(self, glimpse: Glimpse) -> Tensor:
        """(B, V, D): the picture as a whole, where there is a token for it, then its peaks, cells or patches."""
        projected: Tensor = self.projector(glimpse.tokens)
        if glimpse.scene.shape[1] == 0:
            return projected
        return torch.cat([self.scene_projector(glimpse.scene)[:, None], projected], dim=1)

    def before_program(self, visual: Tensor) -> Tensor:
        """Visual embeddings (B, V, D) with what the dialect says before them: all that stands before the program's tokens."""
        if not self.dialect.before_picture:
            return visual
        said = self.embed_tokens(torch.tensor(self.dialect.before_picture, device=visual.device))
        return torch.cat([said.to(visual.dtype).expand(len(visual), -1, -1), visual], dim=1)

    def hidden_states(self, embedded: Tensor) -> Tensor:
        """Embeddings (B, T, D) to the language model's last hidden states, float (B, T, D), with no memory of earlier ones."""
        output = self.language_model.model(inputs_embeds=embedded.to(self.language_model.dtype), use_cache=False)
        hidden: Tensor = output.last_hidden_state
        return hidden.float()

    def token_logits(self, hidden: Tensor) -> Tensor:
        """Hidden states (..., D) to float scores of all tokens."""
        logits: Tensor = self.language_model.lm_head(hidden.to(self.language_model.dtype))
        return logits.float()

    def pointer_logits(self, hidden: Tensor, visual: Tensor) -> Tensor:
        """Hidden states (B, T, D) and visual embeddings (B, V, D) to scores of the peaks (B, T, K)."""
        keys = self.pointer_key(visual[:, 1:])
        logits: Tensor = self.pointer_query(hidden) @ keys.transpose(1, 2) * keys.shape[-1] ** -0.5
        return logits

    def embed_tokens(self, tokens: Tensor) -> Tensor:
        """Token numbers (...,) to embeddings (..., D)."""
        embedded: Tensor = self.language_model.get_input_embeddings()(tokens)
        return embedded

    def embed_numbers(self, head: str, numbers: Tensor) -> Tensor:
        """Numbers that this head read (..., n) to what is added to the embedding of their [NUM] (..., D)."""
        number = self.quantities.heads[head]
        if number.quantity == CAMERA_NUMBERS and head != SHARED_HEAD:
            first, end = number.first, number.first + number.count
            numbers = (numbers - self.camera_middle[first:end]) / numbers.new_tensor(CAMERA_SPREADS[first:end])
        embedded: Tensor = self.number_inputs[head](numbers)
        return embedded

    def start_of(self, number: Number, camera: Tensor, location: Tensor, rotation: Tensor) -> Tensor:
        """What the head's numbers are added to (N, n): the tower's camera (N, 2), location (N, 3) and rotation (N, r) with a
        pointer, else the middle of what is to be expected."""
        first, end = number.first, number.first + number.count
        if self.config.decoder.pointer:
            told = {CAMERA_NUMBERS: camera, LOCATION_NUMBERS: location}.get(number.quantity, rotation)
            return told[:, first:end]
        if number.quantity == CAMERA_NUMBERS and self.config.decoder.number_scales:
            return self.camera_middle[first:end].expand(len(camera), -1)
        return camera.new_zeros(len(camera), number.count)

    def rotation_start(self, told: Tensor, shapes: Sequence[str | None]) -> Tensor:
        """What the tower tells of the rotations (N, 2) or (N, 9) of objects of these shapes, as the decoder writes it (N, r)."""
        encoding = self.quantities.encoding
        if told.shape[1] == 9:
            matrices = told.reshape(-1, 3, 3).double().cpu().numpy()
            numbers = [encoding.encode_matrix(matrix, shape) for matrix, shape in zip(matrices, shapes, strict=True)]
            return told.new_tensor(numbers).reshape(len(numbers), encoding.count)
        if encoding.kind == "symmetric":
            return told
        order = told.new_tensor([float(encoding.symmetry_order(shape) or 1) for shape in shapes])
        yaw = torch.atan2(told[:, 0], told[:, 1]) / order
        if encoding.kind == "6d":
            sine, cosine, zero = torch.sin(yaw), torch.cos(yaw), torch.zeros_like(yaw)
            return torch.stack([cosine, -sine, zero, sine, cosine, zero], dim=1)
        return yaw[:, None]

    def normalized_camera(self, camera: Tensor) -> Tensor:
        """Distance and elevation (..., 2), less their middle, in units of about their spread."""
        return (camera - self.camera_middle) / camera.new_tensor(CAMERA_SPREADS)

    def _unit(self, number: Number) -> tuple[float, ...]:
        """What one unit of each of the head's outputs stands for."""
        decoder = self.config.decoder
        if not decoder.number_scales:
            units: tuple[float, ...] = (1.0,) * self.quantities.counts[number.quantity]
        elif number.quantity == CAMERA_NUMBERS:
            units = _CAMERA_OFFSETS if decoder.pointer else CAMERA_SPREADS
        elif decoder.pointer:
            units = (_OFFSET,) * self.quantities.counts[number.quantity]
        else:
            unit = decoder.location_spread_m if number.quantity == LOCATION_NUMBERS else 1.0
            units = (unit,) * self.quantities.counts[number.quantity]
        return units[number.first : number.first + number.count]


def _leave_out_foreign(module: nn.Module, state: dict[str, Any], prefix: str, _: object) -> None:
    assert isinstance(module, Igllm)
    for name in [name for name in state if name.startswith(prefix) and module.is_foreign(name.removeprefix(prefix))]:
        del state[name]


def _fill_in_foreign(module: nn.Module, state: dict[str, Any], prefix: str, *_: object) -> None:
    """What a state does not hold because it is foreign stays as it is; strict loading would call it missing."""
    assert isinstance(module, Igllm)
    for part in ("language_model", "tower"):
        for name, tensor in getattr(module, part).state_dict(prefix=f"{part}.").items():
            if module.is_foreign(name):
                state.setdefault(prefix + name, tensor)


Tower = VisionTower | PoseTower | PatchTower | OpenClipTower


def make_tower(config: ModelConfig) -> Tower:
    """The vision tower that a config asks for."""
    vision, geometry = config.vision, config.geometry
    if isinstance(vision, OpenClipConfig):
        return OpenClipTower(vision)
    if isinstance(vision, PatchConfig):
        return PatchTower(vision)
    if isinstance(vision, PoseConfig):
        assert isinstance(geometry, FixedCamera)  # ModelConfig sees to it
        return PoseTower(vision, geometry, config.vocabulary)
    assert isinstance(geometry, GeometryConfig)
    return VisionTower(vision, geometry, config.vocabulary)


def _token_width(config: ModelConfig, tower: Tower) -> int:
    """Numbers of a visual token."""
    if isinstance(tower, PoseTower):
        return tower.token_width
    if not isinstance(tower, VisionTower):
        return tower.config.feature_width
    if config.decoder.visual != "peaks":
        return tower.config.channels[1] + 2
    words = sum(len(entries) for entries in config.vocabulary.words.values())
    return tower.config.feature_width + 1 + words + 2 + 2 + 2 + 1


def _camera_middle(config: ModelConfig) -> Tensor:
    """Distance and elevation (2,) about which a moving camera stands; zeros where it does not move."""
    if not isinstance(config.geometry, GeometryConfig):
        return torch.zeros(2)
    return torch.tensor((config.geometry.distance_m, config.geometry.elevation_radians))
