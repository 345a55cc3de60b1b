# SPDX-License-Identifier: GPL-3.0-or-later
"""What this machine has and lacks for each part of the work, with the remedy. Standard library, core and bridge.

Packages are tried out in a process of their own, because one that is broken may take its process along.
"""

from __future__ import annotations

import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .bridge.client import RunnerClient
from .bridge.launch import runner_command
from .core.errors import RunnerError
from .core.protocol import Done, Unload

_PATIENCE_S = 120.0
# import name -> (an expression for its version, what to install, what it is for)
_PACKAGES = {
    "numpy": ("numpy.__version__", "numpy", "everything"),
    "bpy": ("bpy.app.version_string", "bpy==4.5.15", "generate, render, derender"),
    "PIL": ("PIL.__version__", "pillow", "derender, compare, infer, train"),
    "skimage": ("skimage.__version__", "scikit-image", "derender, compare"),
    "torch": ("torch.__version__", "torch==2.13.0", "derender, infer, train"),
    "transformers": ("transformers.__version__", "transformers==5.23.0", "derender, infer, train"),
    "safetensors": ("safetensors.__version__", "safetensors", "derender, infer, train"),
    "scipy": ("scipy.__version__", "scipy", "evaluate"),
}


@dataclass(frozen=True)
class Finding:
    """One line of the report: what was looked for, what was found, and what to do where it is not right (None: it is)."""

    what: str
    found: str
    remedy: str | None = None

    def line(self) -> str:
        """Such as "ok       torch          2.13.0"."""
        state = "ok" if self.remedy is None else "missing"
        advice = "" if self.remedy is None else f"; {self.remedy}"
        return f"{state:8} {self.what:22} {self.found}{advice}"


def findings(weights_folder: Path, weights_states: Iterable[tuple[str, str, bool]]) -> Iterator[Finding]:
    """Everything, one after another as it is found out. `weights_states`: name, what was found, whether it is right."""
    yield _python()
    for package in _PACKAGES:
        yield _package(package)
    yield _runner()
    states = list(weights_states)
    for name, found, is_right in states:
        yield Finding(f"model {name}", found, None if is_right else "install igllm_addon again")
    if not states:
        yield Finding(
            "models", f"none in {weights_folder}", "install igllm_addon with its weights, or train one with `igllm train`"
        )


def _python() -> Finding:
    found = f"{platform.python_version()} ({sys.executable})"
    return Finding("python", found, None if sys.version_info >= (3, 11) else "use Python 3.11, which bpy 4.5 is built for")


def _package(name: str) -> Finding:
    version, requirement, purpose = _PACKAGES[name]
    remedy = f"needed for {purpose}: {sys.executable} -m pip install {requirement}"
    # The version goes to stderr, after whatever the package itself prints, because Blender prints to stdout when it ends.
    program = f"import sys, {name}; sys.stderr.write('\\n' + str({version}))"
    try:
        result = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=_PATIENCE_S, check=False)
    except subprocess.TimeoutExpired:
        return Finding(name, f"not imported after {_PATIENCE_S:.0f} s", remedy)
    last_line = result.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
    return Finding(name, last_line, remedy if result.returncode else None)


def _runner() -> Finding:
    try:
        with RunnerClient(runner_command(), client_name="igllm doctor") as client:
            client.send(Unload())
            end = time.monotonic() + _PATIENCE_S
            while time.monotonic() < end:
                if any(isinstance(message, Done) for message in client.poll(1.0)):
                    return Finding("model runner", f"starts and answers ({client.runner})")
    except RunnerError as error:
        return Finding("model runner", str(error).splitlines()[0], f"run {sys.executable} -m igllm_addon.model_runner to see why")
    return Finding(
        "model runner", f"no answer after {_PATIENCE_S:.0f} s", "see whether this machine is overloaded, and try again"
    )
