# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs in a child process, which it ends when the parent closes the child's input or dies. Started as a file, without bpy:

python guarded.py -- module pip install ...
python guarded.py -- generate clevr --count 10 ...
blender --background --python guarded.py -- render JOB.json
"""

from __future__ import annotations

import _thread
import importlib
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
    package = Path(__file__).resolve().parents[1]
    sys.path.append(str(package.parent))
    name = {"generate": "render_templates.generate", "render": "ui.render_process"}[kind]
    module = importlib.import_module(f"{package.name}.{name}")
    return int(module.main(rest))


if __name__ == "__main__":
    try:
        _status = main(sys.argv[sys.argv.index("--") + 1 :])
    except KeyboardInterrupt:
        _status = 130
    sys.stdout.flush()
    sys.exit(_status)
