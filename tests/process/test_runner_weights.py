# SPDX-License-Identifier: GPL-3.0-or-later
"""A real runner with checkpoints that cannot be used: it says so, goes on, and serves one that can."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from runner_driver import answer_of, predict

torch = pytest.importorskip("torch", reason="needs torch")

from safetensors.torch import load, save  # noqa: E402  (torch must be known to exist first)

from igllm_addon.bridge.client import RunnerClient  # noqa: E402  (torch must be known to exist first)
from igllm_addon.bridge.launch import runner_command  # noqa: E402
from igllm_addon.core.model_folders import DEFAULT_MODEL  # noqa: E402
from igllm_addon.core.protocol import ErrorCode, Failure, Message, Prediction  # noqa: E402
from igllm_addon.model_runner.shipped import model_directory  # noqa: E402


def checkpoint(folder: Path, config: bytes, weights: bytes) -> str:
    folder.mkdir()
    (folder / "config.json").write_bytes(config)
    (folder / "model.safetensors").write_bytes(weights)
    return str(folder)


def said(answer: Message) -> str:
    assert isinstance(answer, Failure)
    assert answer.code == ErrorCode.UNUSABLE_WEIGHTS
    return answer.message


def test_checkpoints_that_cannot_be_used_are_answers_and_a_good_one_is_served_after_them(tmp_path: Path) -> None:
    shipped = model_directory(DEFAULT_MODEL)
    config, weights = (shipped / "config.json").read_bytes(), (shipped / "model.safetensors").read_bytes()
    flipped = weights[:-1] + bytes([weights[-1] ^ 1])

    with RunnerClient(runner_command()) as client:
        garbled = answer_of(client, predict(model=checkpoint(tmp_path / "garbled", b"{", weights)))
        cut = answer_of(client, predict(model=checkpoint(tmp_path / "cut", config, weights[: len(weights) // 2])))
        changed = answer_of(client, predict(model=checkpoint(tmp_path / "changed", config, flipped)))
        missing = answer_of(client, predict(model=str(tmp_path)))
        good = answer_of(client, predict(model=DEFAULT_MODEL))

    assert "config" in said(garbled)
    assert "sha256" in said(cut)
    assert "sha256" in said(changed)
    assert "lacks config.json and model.safetensors" in said(missing)
    assert isinstance(good, Prediction)


def with_its_sha256(config: bytes, weights: bytes) -> bytes:
    return json.dumps(json.loads(config) | {"weights_sha256": hashlib.sha256(weights).hexdigest()}).encode()


def test_weights_whose_sha256_is_right_and_that_fit_no_model_are_answers_too(tmp_path: Path) -> None:
    shipped = model_directory(DEFAULT_MODEL)
    config, weights = (shipped / "config.json").read_bytes(), (shipped / "model.safetensors").read_bytes()
    tensors = load(weights)
    name = min(tensors)
    fewer = save({key: value for key, value in tensors.items() if key != name})
    wider = save(tensors | {name: torch.cat([tensors[name], tensors[name]])})
    cut = weights[:-1000]

    with RunnerClient(runner_command()) as client:
        torn = answer_of(client, predict(model=checkpoint(tmp_path / "torn", with_its_sha256(config, cut), cut)))
        lacking = answer_of(client, predict(model=checkpoint(tmp_path / "lacking", with_its_sha256(config, fewer), fewer)))
        other = answer_of(client, predict(model=checkpoint(tmp_path / "other", with_its_sha256(config, wider), wider)))
        foreign = answer_of(client, predict(model=checkpoint(tmp_path / "foreign", b'{"model_type": "llama"}', weights)))
        none = answer_of(client, predict(model=checkpoint(tmp_path / "none", config, b"")))

    assert "safetensors" in said(torn)
    assert name in said(lacking)
    assert name in said(other)
    assert "config.json" in said(foreign)
    assert "sha256" in said(none)
