# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a child process, which it ends when the parent closes the child's input or dies. Started as a file, without bpy:

python guarded.py -- module pip install ...
python guarded.py -- generate clevr --count 10 ...
python guarded.py -- learn FOLDER --out MODEL ...
blender --background --python guarded.py -- render JOB.json
"""

from __future__ import annotations

import _thread
import importlib
import importlib.util
import os
import runpy
import sys
import threading
import time
from pathlib import Path

_GRACE_S = 8.0  # for what is interrupted to leave its files in order


def _end_with_the_parent() -> None:
    """The watching thread: wait for the end of the input, then interrupt the main thread, then end the process."""
    while os.read(0, 1024):
        pass
    _thread.interrupt_main()
    time.sleep(_GRACE_S)
    os._exit(130)


def main(arguments: list[str]) -> int:
    """Run what the arguments say."""
    threading.Thread(target=_end_with_the_parent, name="igllm guard", daemon=True).start()
    kind, rest = arguments[0], arguments[1:]
    if kind == "module":
        sys.argv = rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
        return 0
    package = _this_package()
    name = {"generate": "render_templates.generate", "render": "ui.render_process", "learn": "cli"}[kind]
    module = importlib.import_module(f"{package}.{name}")
    return int(module.main(["learn", *rest] if kind == "learn" else rest))


def _this_package() -> str:
    """The package around this file, by its folder: the Python that runs this may have another one of the same name installed."""
    folder = Path(__file__).resolve().parents[1]
    spec = importlib.util.spec_from_file_location(folder.name, folder / "__init__.py", submodule_search_locations=[str(folder)])
    assert spec is not None and spec.loader is not None
    sys.modules[folder.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[folder.name])
    return folder.name


if __name__ == "__main__":
    try:
        _status = main(sys.argv[sys.argv.index("--") + 1 :])
    except KeyboardInterrupt:
        _status = 130
    sys.stdout.flush()
    sys.exit(_status)
