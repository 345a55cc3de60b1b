# SPDX-License-Identifier: GPL-3.0-or-later
"""The 2D experiment from file to figures: a 2d.npz read, looked at by random filters, written about, and evaluated."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from igllm_addon.cli import main
from igllm_addon.core.dots import dot_picture
from igllm_addon.core.errors import UsageError
from igllm_addon.core.vocabulary import DOTS2D
from igllm_addon.model_runner.data import load_shard
from igllm_addon.model_runner.dot_layout import dot_files, dot_points
from igllm_addon.model_runner.patch_tower import PatchTower
from igllm_addon.model_runner.vision_config import PatchConfig

POINTS = {"checkerboard_sparse": np.array([[0.1, 0.2], [0.9, 0.8], [0.3, 0.7]]), "random": np.array([[0.5, 0.5], [0.25, 0.75]])}


@pytest.fixture
def dots(tmp_path: Path) -> Path:
    np.savez(tmp_path / "2d.npz", **POINTS)
    return tmp_path / "2d.npz"


def training_config(dots: Path, head: str) -> dict[str, object]:
    stage = {"data": [str(dots / "checkerboard_sparse")], "steps": 3, "batch": 2, "learning_rate": 0.01, "warmup_steps": 1}
    return {
        "name": "dots",
        "template": "dots2d",
        "out": str(dots.parent / "run"),
        "geometry": None,
        "vision": {"kind": "random_patches", "input_width_px": 56, "patch_px": 14, "feature_width": 18},
        "decoder": {
            "width": 24, "layers": 1, "attention_heads": 2, "intermediate_width": 32,
            "visual": "patches", "numeric_head": head, "pointer": False, "camera": False,
        },
        "training": {"decoder": stage | {"varieties": 1, "augment": False}},
    }  # fmt: skip


def test_an_array_is_named_as_if_the_file_were_a_folder(dots: Path) -> None:
    assert list(dot_points(dots)) == ["checkerboard_sparse", "random"]
    assert list(dot_points(dots / "random")) == ["random"]
    with pytest.raises(UsageError, match="has no array 'dense'; it has checkerboard_sparse, random"):
        dot_points(dots / "dense")


def test_a_file_that_holds_no_points_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.npz").write_bytes(b"not a zip")
    np.savez(tmp_path / "flat.npz", random=np.zeros(4))

    with pytest.raises(UsageError, match=r"broken\.npz is no file of points"):
        dot_points(tmp_path / "broken.npz")
    with pytest.raises(UsageError, match=r"the array 'random' has the shape \(4,\)"):
        dot_points(tmp_path / "flat.npz")


def test_scenes_of_dots_are_drawn_at_the_towers_width(dots: Path) -> None:
    scenes = load_shard(dots / "checkerboard_sparse", 56, DOTS2D)

    assert scenes.images.shape == (3, 56, 56, 3)
    assert np.array_equal(scenes.images[1].numpy(), dot_picture(0.9, 0.8, 56))
    assert torch.allclose(scenes.location[:, 0, :2], torch.tensor(POINTS["checkerboard_sparse"]).float())
    assert torch.allclose(scenes.uv[2, 0], torch.tensor([16.8, 39.2]))
    assert scenes.exists.sum(dim=1).tolist() == [1, 1, 1]


def test_pictures_of_dots_have_names_that_tell_the_array(dots: Path) -> None:
    files = dict(dot_files(dots / "random"))

    assert list(files) == ["random_000000.png", "random_000001.png"]
    assert files["random_000001.png"].startswith(b"\x89PNG")


def test_random_filters_tell_a_dots_patch_from_the_others_and_never_learn() -> None:
    tower = PatchTower(PatchConfig(input_width_px=56, patch_px=14, feature_width=18))
    picture = torch.from_numpy(dot_picture(0.4, 0.9, 56)).permute(2, 0, 1)[None] / 255.0

    tokens = tower(picture)

    blank = tower(torch.ones(1, 3, 56, 56))
    changed = (tokens - blank).abs().sum(dim=2)[0]
    assert tokens.shape == (1, 16, 18)
    assert int(changed.argmax()) == 3 * 4 + 1  # the fourth row, the second column
    assert tokens[0, 13, -2:].tolist() == pytest.approx([-0.25, 0.75])
    assert not any(parameter.requires_grad for parameter in tower.parameters())


def test_shuffled_patches_are_the_same_ones_in_another_order_that_stays() -> None:
    config = PatchConfig(input_width_px=56, patch_px=14, feature_width=18)
    plain, shuffled = PatchTower(config), PatchTower(replace(config, shuffled=True))
    again = PatchTower(replace(config, shuffled=True, seed=2))
    again.load_state_dict(shuffled.state_dict())
    picture = torch.from_numpy(dot_picture(0.4, 0.9, 56)).permute(2, 0, 1)[None] / 255.0

    rows, tokens = plain(picture)[0].tolist(), shuffled(picture)[0].tolist()

    assert tokens != rows
    assert sorted(tokens) == sorted(rows)
    assert again(picture)[0].tolist() == tokens  # a checkpoint keeps the order


@pytest.mark.parametrize("head", ["tanh_mlp_gelu", "none"])
def test_training_answers_and_figures_need_nothing_but_the_file(
    dots: Path, tmp_path: Path, head: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config, answers, report = tmp_path / "config.json", tmp_path / "answers.json", tmp_path / "report.json"
    config.write_text(json.dumps(training_config(dots, head)))

    trained = main(["train", str(config)])
    inferred = main(
        ["infer", "--model", str(tmp_path / "run/checkpoint"), "--images", str(dots / "random"), "--out", str(answers)]
    )
    evaluated = main(["evaluate", "--labels", str(dots / "random"), "--predictions", str(answers), "--json", str(report)])

    figures = json.loads(report.read_text())
    assert (trained, inferred, evaluated) == (0, 0, 0)
    assert figures["parse_failures"] == 0
    assert list(figures["frames"]) == ["world"]
    assert figures["frames"]["world"]["objects"] == 2
    assert "L2" in capsys.readouterr().out
