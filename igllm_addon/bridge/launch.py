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
# the runner's own Python. The package is loaded from its folder and not found by its name, because that Python may have an
# igllm_addon of another version installed; and sys.path stays as it is, so that nothing beside the package can be imported.
_START = """
import importlib.util, runpy, sys
folder, name = sys.argv.pop(1), sys.argv.pop(1)
spec = importlib.util.spec_from_file_location(name, folder + "/__init__.py", submodule_search_locations=[folder])
sys.modules[name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules[name])
runpy.run_module(name + ".model_runner", run_name="__main__", alter_sys=True)
"""


def runner_command(arguments: Sequence[str] = (), python: str | Path | None = None) -> list[str]:
    """The command line of a runner in `python` (this one, where it is None) with further `arguments`.

    The runner's own output is UTF-8 whatever the locale, and a crash in native code leaves its stack in the log.
    """
    interpreter = str(python or sys.executable)
    package = [str(_PACKAGE_FOLDER), _PACKAGE_FOLDER.name]
    return [interpreter, "-I", "-X", "utf8", "-X", "faulthandler", "-c", _START, *package, *arguments]


def start_process(command: Sequence[str]) -> subprocess.Popen[bytes]:
    """The runner with pipes to all its streams, in a session of its own: Ctrl-C in a terminal is for the client to handle."""
    options: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        options = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    pipe = subprocess.PIPE
    return subprocess.Popen(list(command), stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0, **options)
