# SPDX-License-Identifier: GPL-3.0-or-later
"""`igllm train CONFIG`: the vision tower first, with its look at shapes, then projector, language model and numeric head on its
frozen features.

With a foreign tower there is no first stage, but there may be one that aligns the projector with a pretrained language model.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from ..core.command_line import SentenceParser
from ..core.errors import UsageError
from ..core.vocabulary import Vocabulary
from .alignment import aligned_projector, train_alignment
from .checkpoint import save_checkpoint
from .data import SceneTensors, load_shard, shards_in
from .decoder_training import GlimpseSet, decoder_step_loss
from .model import Igllm, make_tower
from .pose_tower import PoseTower
from .pose_training import pose_step_loss
from .processes import processes
from .programs import Variety
from .projectors import load_mm_projector
from .shape_look import ShapeLook
from .shape_look_training import ShapeLookStage, ShapeWindows, shape_figures
from .shipped import model_directory
from .starting_weights import start_decoder, start_shape_look, start_tower
from .tower_training import hold_statistics, settle_statistics, tower_step_loss
from .training_config import StageConfig, TrainingConfig, read_training_config
from .training_loop import Validation, train_stage
from .training_state import StageFiles, finished_weights
from .validation import ValidationSet, decoder_figures_on, tower_figures
from .vision import VisionTower
from .vision_config import PoseConfig, VisionConfig

_SETTLING_BATCHES = 60


class GrowingShards:
    """The shards of a stage in memory, read once each until it has its scenes; `refresh` adds those that came since."""

    def __init__(self, stage: StageConfig, width_px: int, vocabulary: Vocabulary) -> None:
        self._stage, self._width_px, self._vocabulary = stage, width_px, vocabulary
        self._seen: set[Path] = set()
        self.scenes: SceneTensors | None = None
        self.refresh()
        found = 0 if self.scenes is None else len(self.scenes)
        if found < stage.scenes and not stage.rescan_steps:
            raise UsageError(
                f"{', '.join(stage.data)}: {found} scenes are there, and the training wants {stage.scenes}; make more."
            )

    def refresh(self) -> None:
        """Read the shards that are new."""
        new = [shard for folder in self._stage.data for shard in shards_in(Path(folder)) if shard not in self._seen]
        parts = [] if self.scenes is None else [self.scenes]
        missing = (self._stage.scenes or sys.maxsize) - sum(map(len, parts))
        for shard in new:
            if missing <= 0:
                break
            part = load_shard(shard, self._width_px, self._vocabulary)
            parts.append(part.take(torch.arange(missing)) if len(part) > missing else part)
            missing -= len(parts[-1])
            self._seen.add(shard)
        if new:
            self.scenes = SceneTensors.join(parts)

    def batch(self, step: int, rng: np.random.Generator) -> SceneTensors:
        """The scenes of one step."""
        if self._stage.rescan_steps and step and step % self._stage.rescan_steps == 0:
            self.refresh()
        assert self.scenes is not None
        return self.scenes.take(torch.from_numpy(rng.integers(0, len(self.scenes), self._stage.batch)))


def train_tower(config: TrainingConfig, *, resume: bool) -> VisionTower | PoseTower:
    """The first stage; its state lies in `out`, so that it can be resumed."""
    torch.manual_seed(config.tower.seed)
    tower = make_tower(config.model)
    if not isinstance(tower, VisionTower | PoseTower):
        raise UsageError(
            f"The vision tower of {config.model.name!r} is a frozen one, which is not trained; leave out that stage."
        )
    if config.tower.start:
        start_tower(tower, model_directory(config.tower.start))
    if isinstance(tower, VisionTower) and tower.config.shape_look_px:
        tower.shape_look.requires_grad_(False)  # it has a stage of its own
    if config.tower.learns:
        _let_learn(tower, config.tower.learns)
    tower.to(processes().device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    shards = GrowingShards(config.tower, config.model.vision.input_width_px, config.model.vocabulary)

    hold_from = config.tower.hold_statistics_from or config.tower.steps

    def step_loss(step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        batch = shards.batch(step, rng)
        if isinstance(tower, PoseTower):
            stage = config.tower
            return pose_step_loss(
                tower,
                batch,
                rng,
                augment=stage.augment,
                roll_degrees=stage.roll_degrees,
                recoloured_share=stage.recoloured_share,
                first_look=step < (stage.first_look_steps or stage.steps),
                loss_weights=stage.loss_weights,
            )
        if step == hold_from:
            settle_statistics(tower, (shards.batch(step, rng) for _ in range(_SETTLING_BATCHES)), rng)
        if step >= hold_from:
            hold_statistics(tower)
        return tower_step_loss(tower, batch, rng, config.tower.loss_weights)

    files = StageFiles.of(config.out, "tower")
    train_stage("tower", tower, config.tower, files, step_loss, resume=resume, validation=_tower_validation(config, tower))
    tower.load_state_dict(finished_weights(files, best=bool(config.tower.validation)), strict=True)
    return tower


def train_shape_look(config: TrainingConfig, *, resume: bool) -> ShapeLook:
    """The stage "shape_look", which needs no tower; its state lies in `out`."""
    stage = _shape_look_stage(config)
    torch.manual_seed(stage.seed)
    tower = make_tower(config.model)
    assert isinstance(tower, VisionTower)
    if stage.start:
        start_shape_look(tower.shape_look, model_directory(stage.start))
    width_px, vocabulary = config.model.vision.input_width_px, config.model.vocabulary
    shards = GrowingShards(stage, width_px, vocabulary)
    assert shards.scenes is not None
    data = ShapeWindows(tower, shards.scenes)
    del shards
    print(f"{len(data)} windows", file=sys.stderr)
    learner = ShapeLookStage(tower.shape_look, len(data)).to(processes().device)

    def step_loss(_: int, rng: np.random.Generator) -> dict[str, Tensor]:
        return learner.step_loss(data, stage.batch, rng)

    validation = None
    if (pictures := _validation_set(config, stage)) is not None:
        held_out = ShapeWindows(tower, pictures.scenes)
        validation = Validation(lambda: shape_figures(learner.look, held_out))
    train_stage(
        "shape_look", learner, stage, StageFiles.of(config.out, "shape_look"), step_loss, resume=resume, validation=validation
    )
    return tower.shape_look


def _shape_look_stage(config: TrainingConfig) -> StageConfig:
    vision = config.model.vision
    if not isinstance(vision, VisionConfig) or not vision.shape_look_px:
        raise UsageError(
            f"The tower of {config.model.name!r} has no look at shapes; set vision.shape_look_px, or leave out that stage."
        )
    if config.shape_look is None:
        raise UsageError(f'The training config of {config.model.name!r} has no stage "shape_look".')
    return config.shape_look


def _trained_shape_look(config: TrainingConfig, stage: StageConfig) -> dict[str, Tensor]:
    weights = finished_weights(StageFiles.of(config.out, "shape_look"), best=bool(stage.validation))
    return {name.removeprefix("look."): tensor for name, tensor in weights.items() if name.startswith("look.")}


def _let_learn(tower: nn.Module, names: Sequence[str]) -> None:
    """Let these parts of a tower learn and leave all others as they are."""
    parts = dict(tower.named_children())
    parts.pop("shape_look", None)
    for name in names:
        if name not in parts:
            raise UsageError(f"training.tower.learns names {name!r}; this tower's parts are {', '.join(parts)}.")
    tower.requires_grad_(False)
    for name in names:
        parts[name].requires_grad_(True)


def _tower_validation(config: TrainingConfig, tower: VisionTower | PoseTower) -> Validation | None:
    if (pictures := _validation_set(config, config.tower)) is None:
        return None
    model = Igllm(config.model)
    model.tower = tower
    return Validation(lambda: tower_figures(_on_cpu(model), pictures))


def _on_cpu(model: Igllm) -> Igllm:
    """The model where programs are written: itself, or its copy where it trains on a GPU."""
    if all(parameter.device.type == "cpu" for parameter in model.parameters()):
        return model
    return copy.deepcopy(model).cpu()


def _validation_set(config: TrainingConfig, stage: StageConfig) -> ValidationSet | None:
    if not stage.validation:
        return None
    return ValidationSet.read(stage.validation, config.model.vision.input_width_px, config.model.vocabulary)


def train_decoder(config: TrainingConfig, *, resume: bool) -> Igllm:
    """The second stage, on the tower as the first one left it; writes the checkpoint into `out`."""
    torch.manual_seed(config.decoder.seed)
    model = Igllm(config.model)
    if config.decoder.start:
        start_decoder(model, model_directory(config.decoder.start))
    if isinstance(model.tower, VisionTower | PoseTower):
        tower = finished_weights(StageFiles.of(config.out, "tower"), best=bool(config.tower.validation))
        model.tower.load_state_dict(tower, strict=True)
        if config.shape_look is not None and isinstance(model.tower, VisionTower):
            model.tower.shape_look.load_state_dict(_trained_shape_look(config, _shape_look_stage(config)), strict=True)
        model.tower.eval().requires_grad_(False)
    if (start := aligned_projector(config)) is not None:
        load_mm_projector(model.projector, start)
    model.to(processes().device)
    shards = GrowingShards(config.decoder, config.model.vision.input_width_px, config.model.vocabulary)
    assert shards.scenes is not None
    seen = GlimpseSet(model, shards.scenes, config.decoder.varieties, config.decoder.seed, augment=config.decoder.augment)
    print(f"{len(shards.scenes)} scenes; the tower overlooks {100 * seen.overlooked:.2f} % of the objects", file=sys.stderr)

    def step_loss(step: int, rng: np.random.Generator) -> dict[str, Tensor]:
        variety = Variety(rng, config.decoder.shuffle_attributes, config.decoder.synonyms)
        return decoder_step_loss(model, *seen.batch(rng, config.decoder.batch), variety)

    files, validation = StageFiles.of(config.out, "decoder"), None
    if (pictures := _validation_set(config, config.decoder)) is not None:
        model.eval()
        # On the CPU the frozen tower looks at the pictures only once.
        figures = decoder_figures_on(model, pictures) if processes().device.type == "cpu" else None
        validation = Validation(
            figures or (lambda: decoder_figures_on(_on_cpu(model), pictures)()),
            lambda: _save_checkpoint(config.out / "checkpoint-best", model),
        )
    train_stage("decoder", model, config.decoder, files, step_loss, resume=resume, validation=validation)
    if processes().is_first:
        _save_checkpoint(config.out / "checkpoint", model.eval())
    return model


def _save_checkpoint(folder: Path, model: Igllm) -> None:
    digest = save_checkpoint(folder, model)
    print(f"{folder}: sha256 {digest}", file=sys.stderr)


def main(argv: list[str] | None = None) -> int:
    parser = SentenceParser(prog="igllm train", description="Train a model on shards that `igllm generate` made.")
    parser.add_argument("config", type=Path, help="a JSON file such as configs/clevr-small.json")
    parser.add_argument("--resume", action="store_true", help="go on where the last run in the same folder was stopped")
    parser.add_argument(
        "--stage",
        choices=("tower", "shape_look", "alignment", "decoder", "all"),
        default="all",
        help="which part to train (default: all)",
    )
    options = parser.parse_args(argv)
    config = read_training_config(options.config)
    if options.stage == "tower" or (options.stage == "all" and isinstance(config.model.vision, VisionConfig | PoseConfig)):
        train_tower(config, resume=options.resume)
    if options.stage == "shape_look" or (options.stage == "all" and config.shape_look is not None):
        train_shape_look(config, resume=options.resume)
    if options.stage == "alignment" or (options.stage == "all" and config.alignment is not None):
        train_alignment(config, resume=options.resume)
    if options.stage in ("decoder", "all"):
        train_decoder(config, resume=options.resume)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
