# SPDX-License-Identifier: GPL-3.0-or-later
"""Validation in training: the tower's peaks as objects, one number for a set of pictures, and the best weights that are kept."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_models import TINY, noise_scenes, tiny_model
from tiny_shards import tiny_training, write_shard

from igllm_addon.core.scene import SceneObject
from igllm_addon.core.vocabulary import CLEVR
from igllm_addon.model_runner import training
from igllm_addon.model_runner.metrics import report, score_picture
from igllm_addon.model_runner.training_loop import Validation
from igllm_addon.model_runner.training_state import StageFiles, finished_weights, read_state
from igllm_addon.model_runner.validation import ValidationSet, decoder_figures_on, peaks_as_objects, validation_score

_CUBE = SceneObject("cube", "large", "green", "rubber", (-1.0, 1.0, 0.7), (0.3,))
_SPHERE = SceneObject("sphere", "small", "gray", "metal", (2.0, 0.5, 0.35))


def _score(*pictures: tuple[list[SceneObject], list[SceneObject]]) -> float:
    return validation_score(report([score_picture(truth, found) for truth, found in pictures], CLEVR))


def test_a_perfect_answer_scores_one() -> None:
    assert _score(([_CUBE, _SPHERE], [_SPHERE, _CUBE])) == pytest.approx(1.0)


def test_one_more_exact_scene_outweighs_any_distance() -> None:
    far = replace(_CUBE, location=(9.0, 9.0, 0.7))

    one_exact = _score(([_CUBE], [_CUBE]), ([_CUBE], [far]))
    none_exact = _score(([_CUBE, _SPHERE], [_CUBE]), ([_CUBE, _SPHERE], [_CUBE]))

    assert one_exact > none_exact


def test_among_equals_the_nearer_places_score_higher() -> None:
    near, nearer = replace(_CUBE, location=(-1.2, 1.0, 0.7)), replace(_CUBE, location=(-1.1, 1.0, 0.7))

    assert _score(([_CUBE], [nearer])) > _score(([_CUBE], [near]))


def test_nothing_found_is_the_worst_score() -> None:
    assert _score(([_CUBE], [])) == -1.0


def test_high_peaks_are_the_objects_that_the_tower_sees() -> None:
    model = tiny_model(0)
    glimpse = model.look(torch.zeros(1, 3, 48, 64))
    first = TINY.vision.feature_width + 1
    glimpse.score[0] = torch.tensor([0.9, 0.1, 0.2, 0.0, 0.3, 0.34])
    glimpse.tokens[0, 0, first : first + 15] = 0.0
    for column in (3, 8 + 0, 8 + 2 + 1, 8 + 2 + 2 + 0):  # green, large, metal, cube
        glimpse.tokens[0, 0, first + column] = 0.5
    glimpse.location[0, 0] = torch.tensor([1.0, -2.0, 0.7])
    glimpse.rotation[0, 0] = torch.tensor([math.sin(1.2), math.cos(1.2)])

    objects, confidences = peaks_as_objects(model, glimpse, 0)

    assert [replace(item, location=None, rotation=None) for item in objects] == [SceneObject("cube", "large", "green", "metal")]
    assert objects[0].location == pytest.approx((1.0, -2.0, 0.7))
    assert objects[0].rotation == pytest.approx((0.3,))
    assert confidences == pytest.approx([0.9 * 0.5**4])


def test_a_set_scores_its_own_labels_as_perfect(tmp_path: Path) -> None:
    write_shard(tmp_path / "val", 3)
    pictures = ValidationSet.read([str(tmp_path / "val")], 64, CLEVR)

    figures = pictures.figures([(list(truth), [1.0] * len(truth)) for truth in pictures.truth], CLEVR)

    assert [len(truth) for truth in pictures.truth] == [2, 2, 2]
    assert figures["score"] == pytest.approx(1.0)
    assert figures["shape"] == 1.0


def test_the_decoder_is_measured_by_the_programs_that_it_writes() -> None:
    scenes = noise_scenes(0, 2)
    pictures = ValidationSet(scenes, ((_CUBE, _SPHERE), (_CUBE, _SPHERE)))

    figures = decoder_figures_on(tiny_model(0), pictures)()

    assert -1.0 <= figures["score"] < 1.0
    assert {"score", "exact_scenes", "count_exact", "l2_mean_m", "color", "ap_0.125"} <= figures.keys()


def test_the_tower_is_finished_with_its_best_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shard(tmp_path / "data", 8)
    config = tiny_training(tmp_path / "data", tmp_path / "out", validation=(str(tmp_path / "data"),), validate_steps=2)
    scores = iter((0.1, 0.9, 0.5))
    monkeypatch.setattr(training, "tower_figures", lambda model, pictures: {"score": next(scores)})

    tower = training.train_tower(config, resume=False)

    files = StageFiles.of(tmp_path / "out", "tower")
    best = torch.load(files.best, weights_only=True)
    lines = [json.loads(line) for line in files.log.read_text().splitlines()]
    assert (best["step"], best["score"]) == (4, 0.9)
    assert [line["step"] for line in lines if "validation" in line] == [2, 4, 6]
    assert all(torch.equal(value, best["model"][name]) for name, value in tower.state_dict().items())
    assert not torch.equal(best["model"]["heat.weight"], read_state(files)["model"]["heat.weight"])


def test_the_best_programs_checkpoint_stands_beside_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_shard(tmp_path / "data", 8)
    config = tiny_training(tmp_path / "data", tmp_path / "out", validation=(str(tmp_path / "data"),), validate_steps=2)
    scores = iter((0.9, 0.2, 0.5))
    monkeypatch.setattr(training, "tower_figures", lambda model, pictures: {"score": 0.0})
    monkeypatch.setattr(training, "decoder_figures_on", lambda model, pictures: lambda: {"score": next(scores)})
    training.train_tower(config, resume=False)

    training.train_decoder(config, resume=False)

    best, last = (tmp_path / "out" / name / "model.safetensors" for name in ("checkpoint-best", "checkpoint"))
    assert best.stat().st_size == last.stat().st_size
    assert best.read_bytes() != last.read_bytes()


def test_a_stage_that_averages_ends_with_its_averages(tmp_path: Path) -> None:
    write_shard(tmp_path / "data", 8)

    tower = training.train_tower(tiny_training(tmp_path / "data", tmp_path / "out", ema_decay=0.9), resume=False)

    state = read_state(files := StageFiles.of(tmp_path / "out", "tower"))
    assert torch.equal(tower.heat.weight, state["average"]["heat.weight"])
    assert not torch.equal(tower.heat.weight, state["model"]["heat.weight"])
    assert torch.equal(finished_weights(files, best=False)["heat.weight"], tower.heat.weight)
    assert Validation(lambda: {"score": 0.0}).keep() is None
