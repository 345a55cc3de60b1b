# SPDX-License-Identifier: GPL-3.0-or-later
"""The built zip, installed into a user folder of its own, and a way to run programs in a Blender that has it.

IGLLM_BPY_PYTHON names another Python with another bpy wheel; the zip is always built with the one that runs the tests.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("bpy", reason="needs the bpy wheel")

ROOT = Path(__file__).resolve().parents[2]
BLENDER_PYTHON = os.environ.get("IGLLM_BPY_PYTHON", sys.executable)

Start = Callable[..., "subprocess.Popen[str]"]
Run = Callable[..., str]


@pytest.fixture(scope="session")
def zip_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, str(ROOT / "packaging" / "make_zip.py"), "--out", str(folder)], check=True)
    (path,) = folder.glob("*.zip")
    return path


@pytest.fixture(scope="session")
def user_folder(zip_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Blender's user folder with the extension installed and enabled."""
    folder = tmp_path_factory.mktemp("blender")
    install = f"""
import bpy
bpy.ops.extensions.package_install_files(filepath={str(zip_path)!r}, repo="user_default", enable_on_install=True)
bpy.ops.wm.save_userpref()
"""
    subprocess.run([BLENDER_PYTHON, "-c", install], env=environment(folder), check=True, timeout=300)
    return folder


@pytest.fixture
def start_blender(user_folder: Path) -> Start:
    """Start a program in a Blender that has the extension; `session` is imported for it."""

    def start(program: str, **options: object) -> subprocess.Popen[str]:
        text = "from session import *\n" + program
        command = [BLENDER_PYTHON, "-c", text]
        return subprocess.Popen(
            command, env=environment(user_folder), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options
        )

    return start


@pytest.fixture
def run_blender(start_blender: Start) -> Run:
    """Run such a program to its end, which must be a good one; what it printed."""

    def run(program: str) -> str:
        with start_blender(program) as process:
            output, _ = process.communicate(timeout=500)
        assert process.returncode == 0, output
        return output

    return run


def environment(folder: Path) -> dict[str, str]:
    paths = {"BLENDER_USER_RESOURCES": str(folder), "PYTHONPATH": str(Path(__file__).parent)}
    return os.environ | paths | {"IGLLM_TEST_RUNNER": sys.executable}
