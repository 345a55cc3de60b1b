# SPDX-License-Identifier: GPL-3.0-or-later
"""What the programs that run inside of Blender share: the enabled extension, and a runner that plays the model."""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy

# isort: split
import addon_utils  # lies on a path that bpy adds

PACKAGE = "bl_ext.user_default.igllm_addon"
PICTURE = str(Path(__file__).resolve().parents[2] / "docs" / "pictures" / "demo.png")
PATIENCE_S = 120.0

_before = set(sys.modules)
addon_utils.enable(PACKAGE, default_set=True)  # the wheel starts with factory settings, whatever was saved
IMPORTED = sorted(set(sys.modules) - _before)  # by enabling


def module(name: str) -> ModuleType:
    """A module of the installed extension."""
    return importlib.import_module(f"{PACKAGE}.{name}")


def play(mode: str) -> None:
    """Let a fake of this mode stand for the model runner, in the Python that has what the runner needs."""
    launch, operator = module("bridge.launch"), module("ui.derender_operator")
    preferences = module("ui.preferences").current()
    preferences.runner, preferences.python_path = "PYTHON", os.environ["IGLLM_TEST_RUNNER"]
    operator.runner_command = lambda: tuple(launch.runner_command(["--fake", mode], os.environ["IGLLM_TEST_RUNNER"]))


def result() -> bpy.types.Collection:
    """The scene's shown result."""
    return bpy.context.scene.igllm.result


def failure() -> str:
    """What the panel says went wrong; empty where nothing did."""
    found = module("ui.jobs").state.failure
    return "" if found is None else str(found.sentence)


def wait_until(condition: Callable[[], object]) -> None:
    """Step what a window's timers would step."""
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        module("ui.jobs").pump_once()
        time.sleep(0.02)


def begun(mode: str, filepath: str = PICTURE) -> Any:
    """De-render as its button begins it, held here in the place of Blender's window: call step(bpy.context) for a tick."""
    play(mode)
    operator = module("ui.derender_operator").IGLLM_OT_derender
    body = {name: value for name, value in vars(operator).items() if not name.startswith(("bl_", "__"))}
    held = type("Held", (), body | {"filepath": filepath, "model": "fake", "report": lambda self, kind, text: None})()
    assert held.begin(bpy.context), failure()
    return held


def step_until(held: Any, condition: Callable[[], object]) -> set[str] | None:
    """Tick until the condition holds or the work is over; how it ended, or None."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        ended: set[str] | None = held.step(bpy.context)
        if ended is not None or condition():
            return ended
        time.sleep(0.01)
    raise AssertionError("it did not happen")


def runner_pid() -> int:
    """The fake runner that this Blender has started, beside a look at its Python."""
    children = [int(pid) for path in Path(f"/proc/{os.getpid()}/task").glob("*/children") for pid in path.read_text().split()]
    (pid,) = (pid for pid in children if b"--fake" in Path(f"/proc/{pid}/cmdline").read_bytes())
    return pid


def objects() -> list[str]:
    """The names of everything that a run has built."""
    return sorted(item.name for item in bpy.data.objects if "igllm_run" in item)
