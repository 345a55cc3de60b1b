# SPDX-License-Identifier: GPL-3.0-or-later
"""`igllm learn` from end to end on two small meshes with the smallest budget: interrupted, gone on with, a model at the end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("bpy", reason="needs the bpy wheel")
pytest.importorskip("torch", reason="needs torch")

ROOT = Path(__file__).resolve().parents[2]
PRISM = "v {x} 0 0\nv 0 1 0\nv 0 0 2\nv 0 0 0\nf 1 2 3\nf 1 4 2\nf 2 4 3\nf 1 3 4\n"


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {
        "IGLLM_MODELS": str(folder / "models"),
        "IGLLM_CACHE": str(folder / "cache"),
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "igllm_addon", *arguments]
    return subprocess.Popen(
        command, cwd=folder, env=environment(folder), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_learning_that_is_interrupted_goes_on_and_ends_as_a_model_with_a_name(tmp_path: Path) -> None:
    meshes, model = tmp_path / "prisms", tmp_path / "models" / "prisms"
    meshes.mkdir()
    (meshes / "tall.obj").write_text(PRISM.format(x=1))
    (meshes / "wide.obj").write_text(PRISM.format(x=4))

    with start(tmp_path, "learn", "prisms", "--minutes", "0.1") as first:
        assert first.stderr is not None
        next(line for line in first.stderr if "tower: step" in line)
        first.send_signal(signal.SIGINT)
        _, said = first.communicate(timeout=400)
    begun = json.loads((model / "learn.json").read_text())
    nothing_yet = (model / "checkpoint").exists()
    with start(tmp_path, "learn", "prisms", "--minutes", "0.1") as again:
        _, refusal = again.communicate(timeout=400)
    with start(tmp_path, "learn", "prisms", "--resume") as second:
        answer, log = second.communicate(timeout=500)
    with start(tmp_path, "models") as listing:
        listed, _ = listing.communicate(timeout=400)

    assert (first.returncode, nothing_yet) == (130, False)
    assert "interrupted; the same command with --resume goes on from here" in said
    assert (begun["phase"], begun["meshes"], begun["runs"]) == ("tower", ["tall", "wide"], 1)
    assert again.returncode == 2 and "--resume goes on with it" in refusal
    assert second.returncode == 0, log
    assert "pictures:" not in log  # they were there
    assert answer.startswith(f"{model / 'checkpoint'} after ") and "right mesh" in answer
    assert json.loads((model / "learn.json").read_text())["phase"] == "done"
    assert [line for line in listed.splitlines() if line.startswith("prisms ")] and "right mesh" in listed
    check_checkpoint(model / "checkpoint", meshes)


def check_checkpoint(checkpoint: Path, meshes: Path) -> None:
    """What the add-on needs to find the meshes again, and a card with figures."""
    config = json.loads((checkpoint / "config.json").read_text())
    card = (checkpoint / "MODEL_CARD.md").read_text()
    assert sorted(path.name for path in checkpoint.iterdir()) == ["MODEL_CARD.md", "config.json", "model.safetensors"]
    assert config["vocabulary"]["words"]["shape"] == ["tall", "wide"]
    assert config["meshes"]["library"] == str(meshes)
    assert [entry["path"] for entry in config["meshes"]["meshes"]] == ["tall.obj", "wide.obj"]
    assert "seed 1" in card and "in 2 runs" in card and "nearest training picture" in card


def test_a_run_that_is_killed_while_it_renders_goes_on_with_its_pictures(tmp_path: Path) -> None:
    (tmp_path / "prisms").mkdir()
    (tmp_path / "prisms" / "tall.obj").write_text(PRISM.format(x=1))

    with start(tmp_path, "learn", "prisms", "--minutes", "0.1", "--out", "model") as first:
        assert first.stderr is not None
        next(line for line in first.stderr if " of 40" in line)
        first.kill()
    killed = json.loads((tmp_path / "model" / "learn.json").read_text())
    with start(tmp_path, "learn", "prisms", "--out", "model", "--resume") as second:
        assert second.stderr is not None
        next(line for line in second.stderr if "tower: step" in line)
        second.send_signal(signal.SIGINT)
        second.communicate(timeout=400)

    shards = sorted(path.name for path in (tmp_path / "model" / "data" / "train").glob("*.tar"))
    assert (killed["phase"], killed["spent_s"]["pictures"] > 0.0) == ("pictures", True)
    assert shards == ["train-000000.tar", "train-000001.tar"]
