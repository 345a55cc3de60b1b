# SPDX-License-Identifier: GPL-3.0-or-later
"""What a model is made of, as plain data: the architecture comes from here and from nothing else. No torch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..core.errors import SceneError, WeightsError
from ..core.vocabulary import Vocabulary
from ..core.vocabulary_json import vocabulary_from_json, vocabulary_to_json
from .vision_config import OpenClipConfig, PatchConfig, PoseConfig, Vision, VisionConfig, tuples, vision_from_json

_FORMAT = "igllm-checkpoint"
_VERSION = 2
_READ_VERSIONS = (1, 2)  # version 1 knew one composition, which the defaults of version 2 describe
NUMERIC_HEADS = ("none", "linear", "tanh_mlp_gelu")
VISUAL_TOKENS = ("peaks", "grid8", "grid16", "patches")
PROJECTORS = ("linear", "mlp")
DIALECTS = ("compact", "text")
TOKENIZERS = ("pieces", "characters")
ROTATIONS = ("euler", "euler_int", "aa", "6d", "symmetric")
BASE_TRAININGS = ("lora", "frozen", "full")


@dataclass(frozen=True, slots=True)
class GeometryConfig:
    """What is known about the camera and the objects before a picture is seen.

    The camera looks at the origin from `azimuth_radians`; its distance and elevation vary about these. Objects stand on the
    ground, so that the height of a centre is the half extent of the object's size word, in metres.
    """

    azimuth_radians: float
    elevation_radians: float
    distance_m: float
    focal_length_mm: float
    sensor_width_mm: float
    half_extents_m: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class FixedCamera:
    """The one camera of a template whose camera never moves; programs are in the world's frame. object_radius_m: of a ball
    about a location that holds any of the template's objects, however it is turned."""

    location: tuple[float, float, float]
    quaternion_wxyz: tuple[float, float, float, float]
    focal_length_mm: float
    sensor_width_mm: float
    object_radius_m: float
    kind: str = "fixed_camera"

    @property
    def distance_m(self) -> float:
        """From the camera to the origin, about which scenes are."""
        return math.sqrt(sum(number * number for number in self.location))


@dataclass(frozen=True, slots=True)
class BaseConfig:
    """A pretrained language model of the LLaMA family in its public format: config.json, weights, tokenizer. It stays in its
    folder, outside of checkpoints, unless all of it is trained.

    training: "lora" learns adapters of every linear layer, "frozen" nothing, "full" everything. config_sha256: of the
    folder's config.json; empty where a training config leaves it open. number_token: an item of the tokenizer that never
    occurs in graphics code and stands for [NUM]. dtype: "float32" or "bfloat16".
    """

    folder: str
    config_sha256: str = ""
    training: str = "lora"
    lora_rank: int = 128
    lora_alpha: int = 256
    lora_dropout: float = 0.05
    number_token: str = "数"
    dtype: str = "float32"

    def __post_init__(self) -> None:
        _one_of("the training of its language model", self.training, BASE_TRAININGS)
        _one_of("the dtype of its language model", self.dtype, ("float32", "bfloat16"))


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """A LLaMA-family language model, what it sees and how it writes; docs/model.md tells what each option is worth.

    width, layers, attention_heads, intermediate_width: its sizes; where there is a `base`, what the base must have.
    visual: its visual tokens: the "peaks" of the compact tower, the strongest `visual_tokens` of them, or a "grid8" or "grid16"
    of its features of that stride in pixels, or the "patches" of an open_clip tower. projector: "linear" or "mlp".
    dialect: "compact", one token for each thing that is not forced, or "text", IG-LLM's prompt and answer. tokenizer: of the
    text dialect where there is no base: "pieces" or "characters". numeric_head: "none" writes digits. pointer: numbers are
    those of the peak that a statement is about, plus an offset. pointer_words: so are words: what the tower says of the peak is
    where the model's choice starts from (compact dialect). number_scales: each quantity has its head and units; off: one
    head for every single number, raw. feed_numbers: a number is fed back with the embedding of its [NUM]. rotation: how
    rotations are written (rotation_encodings.py). camera: whether programs begin with the camera. location_spread_m: what one
    unit of the head is worth where locations have a scale but no pointer.
    """

    width: int = 192
    layers: int = 4
    attention_heads: int = 6
    intermediate_width: int = 512
    visual_tokens: int = 16
    numeric_head: str = "tanh_mlp_gelu"
    visual: str = "peaks"
    projector: str = "mlp"
    dialect: str = "compact"
    tokenizer: str = "pieces"
    pointer: bool = True
    pointer_words: bool = False
    number_scales: bool = True
    feed_numbers: bool = True
    rotation: str = "symmetric"
    camera: bool = True
    location_spread_m: float = 2.0
    base: BaseConfig | None = None

    def __post_init__(self) -> None:
        _one_of("the numeric head", self.numeric_head, NUMERIC_HEADS)
        _one_of("the visual tokens", self.visual, VISUAL_TOKENS)
        _one_of("the projector", self.projector, PROJECTORS)
        _one_of("the dialect", self.dialect, DIALECTS)
        _one_of("the tokenizer", self.tokenizer, TOKENIZERS)
        _one_of("the rotation encoding", self.rotation, ROTATIONS)
        if self.pointer and self.visual != "peaks":
            raise WeightsError(f"a config has a pointer but {self.visual} for visual tokens; a pointer needs peaks to point at")
        if self.pointer and self.numeric_head == "none":
            raise WeightsError("a config has a pointer but no numeric head; digits cannot be offsets, so switch one of them")
        if self.pointer_words and not (self.pointer and self.dialect == "compact"):
            raise WeightsError('a config has pointer_words but no pointer in the dialect "compact"; switch one of them')
        if self.base is not None and self.dialect != "text":
            raise WeightsError('a config has a pretrained language model, which speaks the dialect "text", not "compact"')


Geometry = GeometryConfig | FixedCamera | None
_TOKENS_OF_TOWERS: Mapping[type, tuple[str, ...]] = {
    VisionConfig: ("peaks", "grid8", "grid16"),
    PoseConfig: ("peaks",),
    PatchConfig: ("patches",),
    OpenClipConfig: ("patches",),
}


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """A whole model: what it may say, what it knows about the camera (None: there is none), and the sizes of its parts.
    calibration: scale and shift of the confidences' logits (calibration.py)."""

    name: str
    vocabulary: Vocabulary
    geometry: Geometry
    vision: Vision
    decoder: DecoderConfig
    calibration: tuple[float, float] = (1.0, 0.0)

    def __post_init__(self) -> None:
        if self.decoder.visual not in _TOKENS_OF_TOWERS[type(self.vision)]:
            raise WeightsError(
                f"the config of {self.name!r} has {self.decoder.visual} for visual tokens; an open_clip tower gives patches,"
                " as random filters do, the compact one peaks or a grid, one for poses peaks"
            )
        self._check_geometry()

    def _check_geometry(self) -> None:
        wanted = {VisionConfig: GeometryConfig, PoseConfig: FixedCamera}.get(type(self.vision))
        if wanted is not None and not isinstance(self.geometry, wanted):
            raise WeightsError(
                f"the config of {self.name!r} has a geometry that its tower cannot use; it needs a {wanted.__name__}"
            )
        if not isinstance(self.geometry, GeometryConfig):
            if self.decoder.camera:
                raise WeightsError(
                    f'the config of {self.name!r} has no moving camera to write; set "camera" of the decoder to false'
                )
            return
        sizes = set(self.vocabulary.words.get("size", ()))
        if sizes != set(self.geometry.half_extents_m):
            raise WeightsError(f"the config of {self.name!r} needs one half extent for each of the sizes {sorted(sizes)}")
        if not (math.isfinite(self.geometry.distance_m) and self.geometry.distance_m > 0.0):
            raise WeightsError(
                f"the config of {self.name!r} has the camera distance {self.geometry.distance_m}; it must be positive"
            )


def config_to_json(config: ModelConfig) -> str:
    """The config as the text of a checkpoint's config.json."""
    value = {
        "format": _FORMAT,
        "version": _VERSION,
        "name": config.name,
        "vocabulary": vocabulary_to_json(config.vocabulary),
        "geometry": _geometry_to_json(config.geometry),
        "vision": asdict(config.vision),
        "decoder": asdict(config.decoder),
        "calibration": config.calibration,
    }
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def config_from_json(text: str, where: str) -> ModelConfig:
    """The config that config_to_json wrote; anything else raises a WeightsError that names `where` it stood."""
    try:
        value = json.loads(text)
        if value["format"] != _FORMAT or value["version"] not in _READ_VERSIONS:
            raise WeightsError(
                f"{where} is {value['format']} version {value['version']}; this program reads {_FORMAT} up to {_VERSION}"
            )
        return ModelConfig(
            name=str(value["name"]),
            vocabulary=vocabulary_from_json(value["vocabulary"]),
            geometry=geometry_from_json(value["geometry"]),
            vision=vision_from_json(value["vision"]),
            decoder=decoder_from_json(value["decoder"]),
            calibration=_calibration_from_json(value.get("calibration", (1.0, 0.0))),
        )
    except (json.JSONDecodeError, KeyError, TypeError, ValueError, AttributeError, SceneError) as caught:
        raise WeightsError(f"{where} is not the config of a checkpoint ({caught}); download or train the model again") from caught


def geometry_from_json(value: dict[str, Any] | None) -> Geometry:
    """The camera's part of a config. TypeError where a key does not belong there."""
    if value is None:
        return None
    return FixedCamera(**tuples(value)) if value.get("kind") == "fixed_camera" else GeometryConfig(**value)


def _geometry_to_json(geometry: Geometry) -> dict[str, Any] | None:
    if isinstance(geometry, GeometryConfig):
        return {**asdict(geometry), "half_extents_m": dict(geometry.half_extents_m)}
    return None if geometry is None else asdict(geometry)


def decoder_from_json(value: dict[str, Any]) -> DecoderConfig:
    """The decoder's part of a config. TypeError where a key does not belong there."""
    base = value.get("base")
    return DecoderConfig(**{**value, "base": None if base is None else BaseConfig(**base)})


def _calibration_from_json(value: Any) -> tuple[float, float]:
    scale, shift = (float(number) for number in value)
    if not (math.isfinite(scale) and math.isfinite(shift) and scale >= 0.0):
        raise WeightsError(f"a config has the calibration {scale}, {shift}; both must be finite and the scale not negative")
    return scale, shift


def _one_of(what: str, found: str, known: tuple[str, ...]) -> None:
    if found not in known:
        raise WeightsError(f"a config has {found!r} for {what}, which is none of {', '.join(known)}")
