# SPDX-License-Identifier: GPL-3.0-or-later
"""A training config with a mistake: one sentence that names the key and what was expected there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from igllm_addon.core.errors import UsageError
from igllm_addon.model_runner.training_config import read_training_config

_CONFIG = Path(__file__).parents[2] / "configs" / "clevr-small.json"


def _changed(folder: Path, place: tuple[str, ...], value: Any) -> Path:
    config = json.loads(_CONFIG.read_text())
    inner = config
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    path = folder / "mine.json"
    path.write_text(json.dumps(config))
    return path


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("speed",), 3, r"the file has the unknown key 'speed'; the keys are name, template"),
        (("training", "tower", "stepz"), 3, r"training\.tower has the unknown key 'stepz'; did you mean 'steps'\?"),
        (("training", "towr"), {}, r"training has the unknown key 'towr'; did you mean 'tower'\?"),
        (("training", "tower", "steps"), "many", r"training\.tower\.steps is 'many'; expected a whole number\."),
        (("training", "tower", "steps"), True, r"training\.tower\.steps is True; expected a whole number\."),
        (("training", "tower", "steps"), 0, r"training\.tower\.steps is 0; expected a number of at least 1\."),
        (("training", "tower", "scenes"), -1, r"training\.tower\.scenes is -1; expected a number of at least 0\."),
        (("training", "tower", "data"), "data/train", r"training\.tower\.data is 'data/train'; expected a list of texts\."),
        (("training", "tower", "data"), [], r"training\.tower\.data is empty; expected folders of shards"),
        (("training", "tower", "validation"), [1], r"training\.tower\.validation\[0\] is 1; expected a text\."),
        (("training", "decoder", "ema_decay"), 1.0, r"training\.decoder\.ema_decay is 1\.0; expected .* less than 1\."),
        (
            ("training", "decoder", "precision"),
            "fp16",
            r"training\.decoder\.precision is 'fp16'; expected one of auto, fp32, bf16\.",
        ),
        (("training", "decoder"), 4, r"training\.decoder is 4; expected an object with keys\."),
        (("geometry", "distance_m"), "far", r"geometry\.distance_m is 'far'; expected a number\."),
        (("geometry",), {}, r"geometry has no 'azimuth_radians'; expected a number\."),
    ],
)
def test_a_mistake_is_named_with_what_was_expected(tmp_path: Path, place: tuple[str, ...], value: Any, message: str) -> None:
    with pytest.raises(UsageError, match=rf"mine\.json: {message}"):
        read_training_config(_changed(tmp_path, place, value))


def test_optional_keys_are_read(tmp_path: Path) -> None:
    stage = {"data": ["a"], "steps": 5, "batch": 2, "learning_rate": 1, "validation": ["b", "c"], "ema_decay": 0.5}

    config = read_training_config(_changed(tmp_path, ("training", "tower"), stage))

    assert config.tower.validation == ("b", "c")
    assert config.tower.learning_rate == 1.0
    assert config.tower.ema_decay == 0.5
    assert config.tower.precision == "auto"
