# SPDX-License-Identifier: GPL-3.0-or-later
"""The `igllm` process ends when its work is done, whatever still refers to Blender's module."""

from __future__ import annotations

import subprocess
import sys

_HELD = """
import bpy, sys, threading
from igllm_addon import cli

def verb(arguments):
    threading.Thread(target=lambda held: threading.Event().wait(), args=(bpy,), daemon=True).start()
    print("done")
    return 3

cli.VERBS["hold"] = (verb, "")
sys.argv = ["igllm", "hold"]
sys.exit(cli.command())
"""


def test_a_thread_that_still_holds_blender_does_not_keep_the_process_alive() -> None:
    ended = subprocess.run([sys.executable, "-c", _HELD], stdout=subprocess.PIPE, text=True, timeout=120, check=False)

    assert (ended.returncode, ended.stdout) == (3, "done\n")
