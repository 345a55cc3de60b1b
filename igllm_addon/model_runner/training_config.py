# SPDX-License-Identifier: GPL-3.0-or-later
"""The file that `igllm train` reads: a model's config, where its data lie, and how long each stage trains. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.errors import SceneError, UsageError, WeightsError
from ..core.vocabulary import VOCABULARIES, Vocabulary
from ..core.vocabulary_json import vocabulary_from_json
from .base_folders import resolved_base, resolved_tower
from .config import FixedCamera, Geometry, GeometryConfig, ModelConfig, decoder_from_json
from .config_reading import check_keys, check_range, keys_of, record_from_json
from .vision_config import OpenClipConfig, PatchConfig, vision_from_json

PRECISIONS = ("auto", "fp32", "bf16")
_KEYS = ("name", "template", "vocabulary", "out", "geometry", "vision", "decoder", "training", "projector_start")
_STAGES = ("tower", "shape_look", "alignment", "decoder")
_AT_LEAST_1 = ("steps", "batch", "save_steps", "validate_steps")
_AT_LEAST_0 = (
    *("learning_rate", "head_learning_rate", "weight_decay", "warmup_steps"),
    *("scenes", "rescan_steps", "hold_statistics_from", "first_look_steps", "seed", "varieties"),
)


@dataclass(frozen=True, slots=True)
class StageConfig:
    """One stage of training.

    data: folders of tar shards. scenes: learn from the first so many alone (0: from all), in the order of the folders and of
    their shards, so that a smaller set is part of any larger one. rescan_steps: every so many steps, look for shards that came
    since (0: never), so that training can start while `igllm generate` is still at work. save_steps: how much a kill can cost.
    hold_statistics_from: the step (0: never) from which normalisations use fixed statistics, so that the last part of training
    sees what inference will: what a picture shows of the camera is subtle, and statistics of a batch shift it. validation:
    folders of pictures that are not learned from; the model is measured on them every validate_steps steps and at the end, and
    its best weights are kept.
    varieties: how often a frozen tower looks at each picture before the first step, each time under another variety; 0: it
    looks at each batch in each step, which needs no memory. augment: whether pictures vary at all. roll_degrees: how far
    a pose tower's pictures are turned about the direction of view, either way. recoloured_share: of a pose tower's pictures that
    get their channels in another order, so that it does not know meshes by their hues. first_look_steps: the step from which a
    pose tower's finding network, which is ready long before the rotations are, stays as it is (0: never); a step then takes about
    half the time. shuffle_attributes and
    synonyms: texts name an object's attributes in random order and by synonyms (dialect "text"). head_learning_rate: of the
    numeric heads (0: that of all). start: the model (a name, or a checkpoint's folder) whose weights of this stage are the first;
    empty: random ones.
    learns: the parts of a vision tower that alone learn while the others stay as they started ("second_look", say); empty: all.
    loss_weights: what parts of a tower's loss weigh ("shape", say) where that is not what they usually do; a pose tower's "rows"
    (usually 0) makes rotations come sooner in a short training.
    ema_decay: how much of the weights' moving average a step keeps (0: no average); what averages is validated and finished
    with its averages. precision: "bf16" or "fp32"; "auto" is bf16 where the processor has instructions for it.
    """

    data: tuple[str, ...]
    steps: int
    batch: int
    learning_rate: float
    weight_decay: float = 0.02
    warmup_steps: int = 100
    save_steps: int = 200
    rescan_steps: int = 0
    hold_statistics_from: int = 0
    seed: int = 1
    validation: tuple[str, ...] = ()
    validate_steps: int = 500
    ema_decay: float = 0.0
    precision: str = "auto"
    varieties: int = 2
    shuffle_attributes: bool = False
    synonyms: bool = False
    head_learning_rate: float = 0.0
    augment: bool = True
    roll_degrees: float = 0.0
    recoloured_share: float = 0.0
    first_look_steps: int = 0
    start: str = ""
    learns: tuple[str, ...] = ()
    loss_weights: Mapping[str, float] = field(default_factory=dict)
    scenes: int = 0


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """A whole training: the tower first, unless it is a foreign one; its look at shapes, where it has one, in batches of windows;
    the projector's alignment with a pretrained language model, where there is such a stage, on pictures with captions; then
    projector, language model and numeric head on the frozen tower's features. projector_start: a file in LLaVA's format
    (mm_projector.bin) from which the projector starts."""

    model: ModelConfig
    out: Path
    tower: StageConfig
    decoder: StageConfig
    alignment: StageConfig | None = None
    shape_look: StageConfig | None = None
    projector_start: str = ""


def read_training_config(path: Path) -> TrainingConfig:
    """The config in a JSON file; UsageError with what is wrong where it is none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return _training_config(value)
    except OSError as caught:
        raise UsageError(
            f"The training config {path} cannot be read ({caught.strerror}); give the path of a JSON file."
        ) from caught
    except json.JSONDecodeError as caught:
        raise UsageError(f"The training config {path} is not JSON ({caught}).") from caught
    except UsageError as caught:
        raise UsageError(f"The training config {path}: {caught}") from caught
    except KeyError as caught:
        raise UsageError(f"The training config {path} has no {caught}; configs/clevr-small.json shows every key.") from caught
    except (TypeError, AttributeError, WeightsError) as caught:
        raise UsageError(
            f"The training config {path} does not fit ({caught}); configs/clevr-small.json shows every key."
        ) from caught


def _training_config(value: dict[str, Any]) -> TrainingConfig:
    check_keys(keys_of(value, "the file"), dict.fromkeys(_KEYS), "the file")
    vision, decoder = vision_from_json(value["vision"]), resolved_base(decoder_from_json(value["decoder"]))
    model = ModelConfig(
        name=value["name"],
        vocabulary=_vocabulary(value),
        geometry=_geometry(value["geometry"]),
        vision=resolved_tower(vision) if isinstance(vision, OpenClipConfig) else vision,
        decoder=decoder,
    )
    check_keys(keys_of(value["training"], "training"), dict.fromkeys(_STAGES), "training")
    stages = {name: _stage(entry, f"training.{name}") for name, entry in value["training"].items()}
    if isinstance(vision, OpenClipConfig | PatchConfig):
        stages.setdefault("tower", StageConfig((), 0, 1, 0.0))
    start = value.get("projector_start", "")
    out = Path(value["out"])
    return TrainingConfig(
        model, out, stages["tower"], stages["decoder"], stages.get("alignment"), stages.get("shape_look"), start
    )


def _vocabulary(value: dict[str, Any]) -> Vocabulary:
    """A template's own vocabulary, or the one that stands beside a data set of meshes."""
    if "vocabulary" not in value:
        if value["template"] not in VOCABULARIES:
            raise UsageError(
                f"the template {value['template']!r} has the words of a data set; name the vocabulary.json that stands beside it"
                ' with the key "vocabulary".'
            )
        return VOCABULARIES[value["template"]]
    path = Path(value["vocabulary"])
    try:
        return vocabulary_from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, SceneError) as caught:
        raise UsageError(
            f"{path} cannot be read as a vocabulary ({caught}); `igllm generate` writes one beside a data set."
        ) from caught


def _geometry(value: Any) -> Geometry:
    """The camera, as far as it is known: moving as CLEVR's, fixed, or none."""
    if value is None:
        return None
    fixed = isinstance(value, dict) and value.get("kind") == "fixed_camera"
    return record_from_json(FixedCamera, value, "geometry") if fixed else record_from_json(GeometryConfig, value, "geometry")


def _stage(value: object, path: str) -> StageConfig:
    stage = record_from_json(StageConfig, value, path)
    for key in _AT_LEAST_1:
        check_range(getattr(stage, key), f"{path}.{key}", 1)
    for key in _AT_LEAST_0:
        check_range(getattr(stage, key), f"{path}.{key}", 0)
    check_range(stage.roll_degrees, f"{path}.roll_degrees", 0)
    check_range(stage.recoloured_share, f"{path}.recoloured_share", 0, below=1)
    check_range(stage.ema_decay, f"{path}.ema_decay", 0, below=1)
    for part, weight in keys_of(stage.loss_weights, f"{path}.loss_weights").items():
        if not isinstance(weight, int | float) or isinstance(weight, bool) or weight < 0:
            raise UsageError(f"{path}.loss_weights.{part} is {weight!r}; expected a number of at least 0.")
    if stage.precision not in PRECISIONS:
        raise UsageError(f"{path}.precision is {stage.precision!r}; expected one of {', '.join(PRECISIONS)}.")
    if not stage.data:
        raise UsageError(f"{path}.data is empty; expected folders of shards, or files of labels in IG-LLM's layout.")
    return stage
