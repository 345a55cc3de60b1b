# SPDX-License-Identifier: GPL-3.0-or-later
"""The configs of the experiments under configs/: each makes a model that fits its data set's words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from igllm_addon.core.errors import UsageError
from igllm_addon.core.vocabulary import Vocabulary
from igllm_addon.core.vocabulary_json import vocabulary_to_json
from igllm_addon.model_runner.model import Igllm
from igllm_addon.model_runner.training_config import read_training_config

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
POSES = sorted(path.name for name in ("so3", "sixdof", "shapenet") for path in CONFIGS.glob(f"{name}-*.json"))
WORDS = Vocabulary(template="sixdof", words={"shape": ("mug_a", "chair_a")}, rotation_length=3, required_fields=("shape", "loc"))


@pytest.mark.parametrize("name", POSES)
def test_a_config_of_poses_makes_a_model(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data" / name.partition("-")[0] / "train"
    folder.mkdir(parents=True)
    (folder / "vocabulary.json").write_text(json.dumps(vocabulary_to_json(WORDS)))

    config = read_training_config(CONFIGS / name)

    assert f"{config.model.name}.json" == name
    assert Igllm(config.model).config.vocabulary == WORDS


@pytest.mark.parametrize("name", ["dots2d-char.json", "dots2d-float.json"])
def test_a_config_of_dots_makes_a_model(name: str) -> None:
    config = read_training_config(CONFIGS / name)

    assert Igllm(config.model).config.decoder.visual == "patches"


def test_a_vocabulary_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(UsageError, match=r"data/so3/train/vocabulary\.json cannot be read as a vocabulary"):
        read_training_config(CONFIGS / "so3-pointer.json")


def test_a_template_of_meshes_needs_a_vocabulary(tmp_path: Path) -> None:
    value = json.loads((CONFIGS / "so3-pointer.json").read_text())
    del value["vocabulary"]
    (tmp_path / "config.json").write_text(json.dumps(value))

    with pytest.raises(UsageError, match=r"name the vocabulary\.json that stands beside it"):
        read_training_config(tmp_path / "config.json")
