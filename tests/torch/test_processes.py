# SPDX-License-Identifier: GPL-3.0-or-later
"""Training on two processes that `accelerate launch` starts, on processors with gloo."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytest.importorskip("accelerate")

_SCRIPT = Path(__file__).with_name("launched_training.py")
_LAUNCH = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
_LAUNCH += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]


def _run(folder: Path, *launcher: str) -> Path:
    (folder / "results").mkdir(parents=True)
    command = [sys.executable, *launcher, str(_SCRIPT), str(folder / "out"), str(folder / "results")]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2], timeout=500)
    return folder


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run on two processes."""
    return _run(tmp_path_factory.mktemp("two"), *_LAUNCH)


def test_both_processes_end_with_the_same_weights(two: Path) -> None:
    first, second = (torch.load(two / "results" / f"rank{rank}of2.pt", weights_only=True) for rank in (0, 1))

    assert all(torch.equal(value, second[name]) for name, value in first.items())


def test_two_processes_do_what_one_does_with_all_rows(two: Path, tmp_path: Path) -> None:
    alone = torch.load(_run(tmp_path) / "results" / "rank0of1.pt", weights_only=True)

    together = torch.load(two / "results" / "rank0of2.pt", weights_only=True)

    assert all(torch.allclose(value, alone[name], atol=1e-6) for name, value in together.items())


def test_the_first_process_alone_writes_files(two: Path) -> None:
    lines = (two / "out" / "toy.log.jsonl").read_text().splitlines()

    assert [line for line in lines if "validation" in line] == lines[-1:]
    assert {path.name for path in (two / "out").iterdir()} >= {"toy.state.pt", "toy.best.pt", "toy.log.jsonl"}
    assert len(list((two / "out" / "tensorboard" / "toy").iterdir())) == 1
