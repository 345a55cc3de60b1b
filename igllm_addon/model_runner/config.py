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

_FORMAT = "igllm-checkpoint"
_VERSION = 1
NUMERIC_HEADS = ("tanh_mlp_gelu", "linear")


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
class VisionConfig:
    """A convolutional tower. Pictures are resized to `input_width_px`; channels are those at stride 4, 8 and 16, blocks the
    residual blocks at stride 8 and 16. Peaks have `fine_channels` features of stride 4 and channels[1] of stride 8.
    camera_votes: whether every object has a say in where the camera stands, or only the picture as a whole."""

    input_width_px: int = 240
    channels: tuple[int, int, int] = (40, 80, 176)
    blocks: tuple[int, int] = (2, 2)
    fine_channels: int = 48
    camera_votes: bool = False

    @property
    def feature_width(self) -> int:
        """Numbers in the feature vector of a peak."""
        return self.fine_channels + self.channels[1]


@dataclass(frozen=True, slots=True)
class DecoderConfig:
    """A LLaMA-family language model of `layers` layers and how many peaks of the picture it sees as visual tokens."""

    width: int = 192
    layers: int = 4
    attention_heads: int = 6
    intermediate_width: int = 512
    visual_tokens: int = 16
    numeric_head: str = "tanh_mlp_gelu"

    def __post_init__(self) -> None:
        if self.numeric_head not in NUMERIC_HEADS:
            raise WeightsError(f"a config asks for the numeric head {self.numeric_head!r}, which is none of {NUMERIC_HEADS}")


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """A whole model: what it may say, what it knows about the camera, and the sizes of its parts."""

    name: str
    vocabulary: Vocabulary
    geometry: GeometryConfig
    vision: VisionConfig
    decoder: DecoderConfig

    def __post_init__(self) -> None:
        sizes = set(self.vocabulary.words.get("size", ()))
        if sizes != set(self.geometry.half_extents_m):
            raise WeightsError(f"the config of {self.name!r} needs one half extent for each of the sizes {sorted(sizes)}")
        if not (math.isfinite(self.geometry.distance_m) and self.geometry.distance_m > 0.0):
            raise WeightsError(
                f"the config of {self.name!r} has the camera distance {self.geometry.distance_m}; it must be positive"
            )


def config_to_json(config: ModelConfig) -> str:
    """The config as the text of a checkpoint's config.json."""
    vocabulary = config.vocabulary
    value = {
        "format": _FORMAT,
        "version": _VERSION,
        "name": config.name,
        "vocabulary": {
            "template": vocabulary.template,
            "words": dict(vocabulary.words),
            "synonyms": {name: dict(pairs) for name, pairs in vocabulary.synonyms.items()},
            "location_limit": vocabulary.location_limit,
            "rotation_length": vocabulary.rotation_length,
            "rotated_shapes": vocabulary.rotated_shapes,
            "yaw_symmetry_orders": dict(vocabulary.yaw_symmetry_orders),
            "object_limit": vocabulary.object_limit,
            "required_fields": vocabulary.required_fields,
        },
        "geometry": {**asdict(config.geometry), "half_extents_m": dict(config.geometry.half_extents_m)},
        "vision": asdict(config.vision),
        "decoder": asdict(config.decoder),
    }
    return json.dumps(value, indent=2) + "\n"


def config_from_json(text: str, where: str) -> ModelConfig:
    """The config that config_to_json wrote; anything else raises a WeightsError that names `where` it stood."""
    try:
        value = json.loads(text)
        if (value["format"], value["version"]) != (_FORMAT, _VERSION):
            raise WeightsError(
                f"{where} is {value['format']} version {value['version']}; this program reads {_FORMAT} {_VERSION}"
            )
        return ModelConfig(
            name=str(value["name"]),
            vocabulary=_vocabulary_from_json(value["vocabulary"]),
            geometry=GeometryConfig(**value["geometry"]),
            vision=VisionConfig(**_tuples(value["vision"])),
            decoder=DecoderConfig(**value["decoder"]),
        )
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError, SceneError) as caught:
        raise WeightsError(f"{where} is not the config of a checkpoint ({caught}); download or train the model again") from caught


def _vocabulary_from_json(value: dict[str, Any]) -> Vocabulary:
    words = {name: tuple(entries) for name, entries in value["words"].items()}
    return Vocabulary(**{**_tuples(value), "words": words})


def _tuples(value: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(entry) if isinstance(entry, list) else entry for key, entry in value.items()}
