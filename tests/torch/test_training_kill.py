# SPDX-License-Identifier: GPL-3.0-or-later
"""A training that is killed, interrupted, or finds a damaged state."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import GEOMETRY, TINY
from tiny_shards import tiny_training, write_shard

from igllm_addon.core.errors import UsageError
from igllm_addon.model_runner import training
from igllm_addon.model_runner.training_log import StageLog
from igllm_addon.model_runner.training_state import StageFiles

_STEPS = 60


def _config_file(folder: Path) -> Path:
    write_shard(folder / "data", 6)
    stage = {
        "data": [str(folder / "data")],
        "steps": _STEPS,
        "batch": 2,
        "learning_rate": 0.001,
        "save_steps": 7,
        "hold_statistics_from": 30,
        "validation": [str(folder / "data")],
        "validate_steps": 20,
        "ema_decay": 0.9,
    }
    value = {
        "name": "tiny",
        "template": "clevr",
        "out": str(folder / "out"),
        "geometry": asdict(GEOMETRY),
        "vision": asdict(TINY.vision),
        "decoder": {"width": 24, "layers": 2, "attention_heads": 2, "intermediate_width": 32, "visual_tokens": 6},
        "training": {"tower": stage, "decoder": stage},
    }
    (folder / "tiny.json").write_text(json.dumps(value))
    return folder / "tiny.json"


def _train(config: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "igllm_addon", "train", str(config), "--stage", "tower", *more]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def _wait_for_a_state(config: Path) -> None:
    state = config.parent / "out" / "tower.state.pt"
    deadline = time.monotonic() + 300.0
    while not state.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _log(config: Path) -> list[dict[str, Any]]:
    lines = (config.parent / "out" / "tower.log.jsonl").read_text().splitlines()
    return [{key: value for key, value in json.loads(line).items() if key != "seconds"} for line in lines]


def _state(config: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(config.parent / "out" / "tower.state.pt", weights_only=True)
    return state


def _differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Where two states differ; tensors have to be equal bit for bit."""
    if isinstance(one, dict):
        keys = one.keys() | other.keys()
        return [found for key in sorted(keys, key=str) for found in _differences(one.get(key), other.get(key), f"{path}.{key}")]
    if isinstance(one, torch.Tensor):
        return [] if torch.equal(one, other) else [path]
    return [] if one == other else [path]


def test_a_killed_training_ends_like_an_unbroken_one_bit_for_bit(tmp_path: Path) -> None:
    unbroken, broken = _config_file(tmp_path / "unbroken"), _config_file(tmp_path / "broken")

    _train(unbroken).communicate()
    first = _train(broken)
    _wait_for_a_state(broken)
    time.sleep(random.uniform(0.0, 0.2))
    first.kill()
    first.communicate()
    step_at_kill = _state(broken)["step"]
    second = _train(broken, "--resume")
    _, said = second.communicate()

    assert (first.returncode, second.returncode) == (-signal.SIGKILL, 0), said
    assert 0 < step_at_kill < _STEPS
    assert set(_differences(_state(unbroken), _state(broken))) <= {".seconds"}
    assert _log(unbroken) == _log(broken)
    best = [torch.load(config.parent / "out" / "tower.best.pt", weights_only=True) for config in (unbroken, broken)]
    assert _differences(*best) == []


def test_an_interrupt_saves_and_says_how_to_go_on(tmp_path: Path) -> None:
    config = _config_file(tmp_path / "run")

    training_process = _train(config)
    _wait_for_a_state(config)
    training_process.send_signal(signal.SIGINT)
    _, said = training_process.communicate()

    step = _state(config)["step"]
    assert training_process.returncode == 130
    assert f"tower: stopped after step {step} of {_STEPS}; the same command with --resume goes on." in said


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 torn", b"not a state at all"])
def test_a_damaged_state_is_refused_in_one_sentence(tmp_path: Path, data: bytes) -> None:
    write_shard(tmp_path / "data", 2)
    config = tiny_training(tmp_path / "data", tmp_path / "out")
    StageFiles.of(tmp_path / "out", "tower").state.write_bytes(data)

    with pytest.raises(UsageError, match=r"tower\.state\.pt is damaged or no state of a training; move it away"):
        training.train_tower(config, resume=True)


def test_a_torn_state_is_refused(tmp_path: Path) -> None:
    write_shard(tmp_path / "data", 2)
    config = tiny_training(tmp_path / "data", tmp_path / "out")
    training.train_tower(config, resume=False)
    state = StageFiles.of(tmp_path / "out", "tower").state
    state.write_bytes(state.read_bytes()[:-1000])

    with pytest.raises(UsageError, match="damaged"):
        training.train_tower(config, resume=True)


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    write_shard(tmp_path / "data", 2)
    config = tiny_training(tmp_path / "data", tmp_path / "out")
    torch.save({"weights": torch.zeros(2)}, StageFiles.of(tmp_path / "out", "tower").state)

    with pytest.raises(UsageError, match="is no state of a training"):
        training.train_tower(config, resume=True)


def test_a_resumed_log_has_every_step_once(tmp_path: Path) -> None:
    log = StageLog(tmp_path / "log.jsonl", until_step=0)
    log.losses(20, 1.0, {"loss": 40.0}, 20)
    log.losses(40, 2.0, {"loss": 20.0}, 20)
    with (tmp_path / "log.jsonl").open("a") as stream:
        stream.write('{"step": 60, "los')

    resumed = StageLog(tmp_path / "log.jsonl", until_step=35)
    resumed.losses(40, 3.0, {"loss": 10.0}, 20)

    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert lines == [{"step": 20, "seconds": 1.0, "loss": 2.0}, {"step": 40, "seconds": 3.0, "loss": 0.5}]
    assert resumed.entries == lines
