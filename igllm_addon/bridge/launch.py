# SPDX-License-Identifier: GPL-3.0-or-later
"""How the model runner is started: another Python runs this very package from where it lies. No bpy, no torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_PACKAGE_FOLDER = Path(__file__).resolve().parents[1]

# Isolated mode leaves neither the working folder nor PYTHONPATH on sys.path, so nothing that lies about can shadow a module of
# the runner's own Python; for the same reason the folder that holds the package is appended and not put in front.
_START = (
    "import runpy, sys; sys.path.append(sys.argv.pop(1)); runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)


def runner_command(arguments: Sequence[str] = (), python: str | Path | None = None) -> list[str]:
    """The command line of a runner in `python` (this one, where it is None) with further `arguments`.

    The runner's own output is UTF-8 whatever the locale, and a crash in native code leaves its stack in the log.
    """
    interpreter = str(python or sys.executable)
    module = f"{_PACKAGE_FOLDER.name}.model_runner"
    return [interpreter, "-I", "-X", "utf8", "-X", "faulthandler", "-c", _START, str(_PACKAGE_FOLDER.parent), module, *arguments]


def start_process(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """The runner with pipes to all its streams, in a session of its own: Ctrl-C in a terminal is for the client to handle."""
    options: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        options = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    pipe = subprocess.PIPE
    return subprocess.Popen(list(command), stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, **options)
