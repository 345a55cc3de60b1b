# SPDX-License-Identifier: GPL-3.0-or-later
"""igllm infer with a runner that is running already: many pictures, their order, and what goes wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from runner_driver import fake_runner, picture_bytes
from serve_driver import ROOT, environment, served

from igllm_addon.bridge.many_pictures import predictions_for
from igllm_addon.core.errors import RunnerError
from igllm_addon.core.vocabulary import CLEVR

pytest.importorskip("torch", reason="needs torch")


def infer(folder: Path, runtime: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "igllm_addon", "infer", "--connect", "--images", folder, "--out", folder / "answers.json"]
    return subprocess.run(command, cwd=ROOT, env=environment(runtime), capture_output=True, text=True, check=False)


def pictures(folder: Path, count: int) -> Path:
    folder.mkdir()
    for index in range(count):
        (folder / f"{index}.png").write_bytes(picture_bytes())
    return folder


def test_a_runner_that_is_running_answers_every_picture_and_goes_on(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "pictures", 7)

    with served(tmp_path / "runtime") as server:
        result = infer(folder, tmp_path / "runtime")
        running = server.process.poll() is None

    assert result.returncode == 0, result.stderr
    answers = json.loads((folder / "answers.json").read_text())
    assert answers["model_name"] == "clevr-small"
    assert list(answers["answers"]) == [f"{index}.png" for index in range(7)]
    assert {entry["outputs"].count("add(") for entry in answers["answers"].values()} == {3}
    assert {tuple(entry["confidences"]) for entry in answers["answers"].values()} == {(0.99, 0.9, 0.75)}
    assert running


def test_a_file_that_is_no_picture_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "pictures", 2)
    (folder / "1.png").write_bytes(b"no picture")

    with served(tmp_path / "runtime"):
        result = infer(folder, tmp_path / "runtime")

    assert result.returncode == 2
    assert "igllm infer: 1.png: " in result.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["0.png", "1.png"]


def test_connecting_without_a_runner_says_how_to_start_one(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "pictures", 1)

    result = infer(folder, tmp_path / "runtime")

    assert result.returncode == 1
    assert "start one with `igllm serve`" in result.stderr
    assert [path.name for path in folder.iterdir()] == ["0.png"]


def test_a_runner_that_says_nothing_is_given_up() -> None:
    with fake_runner("hang") as client:
        written = predictions_for(client, [("a.png", picture_bytes())], "fake", CLEVR, patience_s=1.0)

        with pytest.raises(RunnerError, match="said nothing for 1 seconds"):
            list(written)


def test_no_pictures_are_no_predictions() -> None:
    with fake_runner("success") as client:
        assert list(predictions_for(client, [], "fake", CLEVR)) == []
