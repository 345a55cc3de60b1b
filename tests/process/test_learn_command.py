# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of `igllm learn`: the plan, and every mistake as one sentence with exit status 2. Nothing is rendered."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def learn(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"IGLLM_MODELS": str(folder / "models"), "IGLLM_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "igllm_addon", "learn", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)


def test_the_plan_can_be_looked_at_without_doing_anything(tmp_path: Path) -> None:
    run = learn("shipped", "--minutes", "30", "--dry-run", folder=tmp_path)

    assert run.returncode == 0, run.stderr
    assert run.stderr.startswith("30 meshes, template sixdof, 30 minutes, seed 1:\n")
    assert "render about" in run.stderr and "train the tower for about" in run.stderr
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "The following arguments are required: FOLDER"),
        (["nowhere"], "There is no folder"),
        (["shipped", "--minutes", "soon"], "expected minutes, 0.1 to 10080, got 'soon'"),
        (["shipped", "--minutes", "0"], "expected minutes, 0.1 to 10080, got '0'"),
        (["shipped", "--seed", "-1"], "expected a whole number of at least 0, got '-1'"),
        (["shipped", "--template", "clevr"], "invalid choice: 'clevr'"),
        (["shipped", "--meshes", "spoon"], "has no mesh 'spoon'"),
        (["shipped", "--meshes", ","], "--meshes needs words of the library"),
        (["shipped", "--resume"], "holds no learning to go on with; leave --resume away"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    run = learn(*arguments, folder=tmp_path)

    assert run.returncode == 2
    assert run.stderr.startswith("igllm learn: ") and run.stderr.count("\n") == 1
    assert sentence in run.stderr


def test_a_blender_that_is_not_there_is_named_before_anything_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "meshes").mkdir()
    (tmp_path / "meshes" / "brick.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")

    run = learn(str(tmp_path / "meshes"), "--blender", str(tmp_path / "blender"), folder=tmp_path)

    assert run.returncode == 2
    assert f"There is no Blender {tmp_path / 'blender'}" in run.stderr
