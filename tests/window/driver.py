# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside of a real Blender with a window and plays an act: clicks and keys by xdotool, checks, pictures of the screen.

An act is a generator that an application timer steps; what it yields is how many seconds Blender is left alone. What it found
goes into out/ACT.json. A failed check leaves no such file and a traceback in the log.
"""

from __future__ import annotations

import faulthandler
import json
import os
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path

import bpy

# isort: split
sys.path.insert(0, str(Path(__file__).resolve().parent))
import act_trouble
import act_work
from hands import HERE, found, take_picture

ACTS = {
    "work": act_work.act,
    "fail": act_work.act_fail,
    "generate": act_work.act_generate,
    "meddle": act_trouble.act_meddle,
    "drop": act_trouble.act_drop,
    "quit": act_trouble.act_quit,
    "kill": act_trouble.act_kill,
}


def play(act: Iterator[float], name: str) -> None:
    def step() -> float | None:
        try:
            return next(act)
        except StopIteration:
            (HERE / "out" / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")
        except Exception:  # noqa: BLE001  (whatever it is, the window must close)
            traceback.print_exc()
            take_picture(f"{name}_failed")
        sys.stdout.flush()
        bpy.ops.wm.quit_blender()
        return None

    bpy.app.timers.register(step, first_interval=3.0, persistent=True)


faulthandler.enable()
bpy.context.preferences.view.show_splash = False
found["python"] = sys.version.split()[0]
play(ACTS[os.environ["IGLLM_ACT"]](), os.environ["IGLLM_ACT"])
