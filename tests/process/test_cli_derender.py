# SPDX-License-Identifier: GPL-3.0-or-later
"""igllm derender as a user calls it, with the model that ships: the whole way, and Ctrl-C on the way."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from runner_driver import has_ended
from serve_driver import environment, served

pytest.importorskip("bpy", reason="needs the bpy wheel")
pytest.importorskip("torch", reason="needs torch")

ROOT = Path(__file__).resolve().parents[2]
PICTURE = ROOT / "tests/data/clevr_val_000003.png"
MESHES = ROOT / "tests/data/shapenet_val_000007.png"
RESULT = ["code.py", "comparison.png", "render.png", "scene.blend", "scene.json"]


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "igllm_addon", *map(str, arguments)]


def test_a_picture_becomes_a_scene_and_the_last_line_says_where(tmp_path: Path) -> None:
    result = subprocess.run(
        command("derender", PICTURE, "--out", tmp_path / "out", "--samples", 1),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    assert result.stdout == f"7 objects of {PICTURE} in {tmp_path / 'out'}\n"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == RESULT
    document = json.loads((tmp_path / "out" / "scene.json").read_text())
    assert (document["model"], document["source"], len(document["confidences"])) == ("clevr-small", PICTURE.name, 7)
    assert document["comparison"]["psnr_db"] > 25.0


def test_a_scene_of_meshes_is_built_from_the_shipped_library(tmp_path: Path) -> None:
    result = subprocess.run(
        command("derender", MESHES, "--model", "shapenet-small", "--out", tmp_path / "out", "--samples", 1),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (result.returncode, result.stdout) == (0, f"3 objects of {MESHES} in {tmp_path / 'out'}\n"), result.stderr
    document = json.loads((tmp_path / "out" / "scene.json").read_text())
    shapes = sorted(item["shape"] for item in document["scene"]["objects"])
    assert shapes == ["airplane_biplane", "mug_enamel", "table_desk"]
    assert document["comparison"]["psnr_db"] > 20.0


def test_a_runner_that_is_running_already_is_used_and_goes_on(tmp_path: Path) -> None:
    with served(tmp_path / "runtime") as server:
        results = [
            subprocess.run(
                command("derender", PICTURE, "--out", tmp_path / out, "--samples", 1, "--connect"),
                cwd=ROOT,
                env=environment(tmp_path / "runtime"),
                capture_output=True,
                text=True,
                check=False,
            )
            for out in ("first", "second")
        ]
        running = server.process.poll() is None

    assert [result.returncode for result in results] == [0, 0], results
    assert results[1].stdout == f"3 objects of {PICTURE} in {tmp_path / 'second'}\n"
    assert running


def test_connecting_without_a_runner_says_how_to_start_one(tmp_path: Path) -> None:
    result = subprocess.run(
        command("derender", PICTURE, "--out", tmp_path / "out", "--connect"),
        cwd=ROOT,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 1
    assert "start one with `igllm serve`" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_neither_files_nor_a_runner(tmp_path: Path) -> None:
    with subprocess.Popen(
        command("derender", PICTURE, "--out", tmp_path / "out", "--samples", 1), cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        said = [process.stderr.readline(), process.stderr.readline()]
        children = [child.pid for child in psutil.Process(process.pid).children()]
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()

    assert "starting the model runner" in said[0]
    assert (process.returncode, rest.splitlines()[-1]) == (130, "igllm derender: interrupted.")
    assert len(children) == 1
    assert has_ended(children[0])
    assert not (tmp_path / "out").exists()
