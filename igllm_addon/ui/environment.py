# SPDX-License-Identifier: GPL-3.0-or-later
"""The model runner's own Python: which it is, what it lacks, and how it is made. No bpy.

It is made step by step; what is there is not fetched again, and whole downloads are kept until all is done, so that a set-up
which broke goes on where it was.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from .child_process import GUARD, ChildProcess

# What the runner needs for the model that ships. The versions are those of requirements.lock, with which it was trained.
PACKAGES = ("numpy", "pillow", "safetensors", "scipy", "torch==2.13.0", "transformers==5.23.0")
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
DOWNLOAD_GB = {"CPU": 0.4, "GPU": 4.0}

_READY = "ready.json"
_PIP = "pip>=25.1"  # the first that goes on with a download that broke off
_SHARES = {"environment": 4.0, "pip": 1.0, "torch": 60.0, "transformers": 10.0, "check": 5.0}  # of the time; others take 5
_MODULES = {"pillow": "PIL"}
_CHECK = """
import importlib, json, sys
missing = []
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except ImportError as error:
        missing.append(name)
print("CHECKED " + json.dumps({"python": sys.version.split()[0], "missing": missing}))
"""


def environment_python(folder: Path) -> Path:
    """Where the Python of an environment in `folder` is."""
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def is_ready(folder: Path) -> bool:
    """Whether the set-up of this environment was finished, for these very packages."""
    with contextlib.suppress(OSError, ValueError):
        ready = json.loads((folder / _READY).read_text(encoding="utf-8"))
        return bool(ready.get("packages") == list(PACKAGES)) and environment_python(folder).exists()
    return False


def has_begun(folder: Path) -> bool:
    """Whether a set-up was begun there and not finished."""
    return environment_python(folder).exists() and not is_ready(folder)


def check_command(python: str | Path) -> list[str]:
    """Tells on its last line what the runner would lack in this Python."""
    return [str(python), "-I", "-X", "utf8", "-c", _CHECK, *(_module_of(package) for package in PACKAGES)]


def missing_or_error(lines: list[str]) -> list[str] | str:
    """What check_command said: the packages that are missing, or a sentence where it said nothing."""
    for line in reversed(lines):
        if line.startswith("CHECKED "):
            return [str(name) for name in json.loads(line.removeprefix("CHECKED "))["missing"]]
    return f"That is no working Python ({lines[-1] if lines else 'it said nothing'}); choose another."


@dataclass(frozen=True)
class Step:
    """One command of the set-up. title: what it does, for people. share: of the whole, as a weight."""

    title: str
    command: tuple[str, ...]
    share: float


def setup_steps(folder: Path, host_python: str, flavor: str, packages: tuple[str, ...] = PACKAGES) -> list[Step]:
    """The commands that make the environment in `folder`. flavor: "CPU" or "GPU"."""
    python = str(environment_python(folder))
    steps = []
    if not environment_python(folder).exists():
        create = (host_python, "-I", str(GUARD), "--", "module", "venv", str(folder))
        steps.append(Step("Creating the environment", create, _SHARES["environment"]))
    pip: tuple[str, ...] = (
        python,
        "-I",
        str(GUARD),
        "--",
        "module",
        "pip",
        "--no-input",
        "--disable-pip-version-check",
        "--no-color",
    )
    pip += ("--cache-dir", str(folder / "downloads"), "install", "--only-binary=:all:")
    steps.append(Step("Updating pip", (*pip, "--upgrade", _PIP), _SHARES["pip"]))
    # Only now, because an older pip knows neither.
    pip += ("--progress-bar", "raw", "--resume-retries", "5", "--retries", "5")
    extra = ("--extra-index-url", CPU_INDEX) if flavor == "CPU" and sys.platform != "darwin" else ()
    for package in packages:
        name = package.partition("==")[0]
        wanted = package + "+cpu" if extra and name == "torch" else package
        arguments = (*extra, wanted) if name == "torch" else (wanted,)
        steps.append(Step(f"Installing {name}", (*pip, *arguments), _SHARES.get(name, 5.0)))
    modules = tuple(_module_of(package) for package in packages)
    steps.append(Step("Checking", (python, "-I", "-X", "utf8", "-c", _CHECK, *modules), _SHARES["check"]))
    return steps


class Setup:
    """A set-up at work, in steps that never wait. sentence: what went wrong, or empty."""

    def __init__(self, folder: Path, steps: list[Step], log_path: Path | None, packages: tuple[str, ...] = PACKAGES) -> None:
        self._folder, self._steps, self._log_path, self._packages = folder, steps, log_path, packages
        self._index = -1
        self._inside = 0.0
        self._lines: list[str] = []
        self._child: ChildProcess | None = None
        self.is_over = False
        self.sentence = ""
        self.detail = ""

    @property
    def title(self) -> str:
        """What is being done."""
        return self._steps[max(self._index, 0)].title

    @property
    def fraction(self) -> float:
        """Of the whole that is done."""
        done = sum(step.share for step in self._steps[: max(self._index, 0)])
        now = self._steps[max(self._index, 0)].share * self._inside
        return (done + now) / sum(step.share for step in self._steps)

    def step(self) -> None:
        """Note what the present command has said; begin the next one after it."""
        if self.is_over:
            return
        if self._child is not None:
            self._listen(self._child)
            status = self._child.exit_status_or_none()
            if status is None:
                return
            self._listen(self._child)
            if status != 0:
                self._end(self._why(status))
                return
        self._begin_next()

    def cancel(self) -> None:
        """End it; what is there stays for the next time."""
        if self._child is not None:
            self._child.kill()
        self._end("The set-up was cancelled; the button goes on with it.")

    def _begin_next(self) -> None:
        if self._index + 1 == len(self._steps):
            self._finish()
            return
        self._index, self._inside, self._lines, self.detail = self._index + 1, 0.0, [], ""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._child = ChildProcess(self._steps[self._index].command, self._log_path)
        except OSError as error:
            self._end(f"{self.title} is not possible ({error}); choose an existing Python in the preferences.")

    def _finish(self) -> None:
        missing = missing_or_error(self._lines)
        if missing:
            what = missing if isinstance(missing, str) else f"{', '.join(missing)} cannot be imported"
            self._end(f"The environment was made, but {what}; see the log.")
            return
        (self._folder / _READY).write_text(json.dumps({"packages": list(self._packages)}), encoding="utf-8")
        shutil.rmtree(self._folder / "downloads", ignore_errors=True)
        self._inside = 1.0
        self._end("")

    def _listen(self, child: ChildProcess) -> None:
        for line in child.lines():
            if progress := re.fullmatch(r"Progress (\d+) of (\d+)", line.strip()):
                now, whole = int(progress[1]), max(int(progress[2]), 1)
                self._inside = now / whole
                self.detail = f"{now / 1e6:.0f} of {whole / 1e6:.0f} MB"
            elif line.strip():
                self._lines = [*self._lines[-50:], line.strip()]

    def _why(self, status: int) -> str:
        errors = [line for line in self._lines if "error" in line.lower()]
        last = (errors or self._lines or [f"exit status {status}"])[-1]
        if "ensurepip" in " ".join(self._lines):
            last = "this Blender's Python has no ensurepip; install python3-venv or choose an existing Python in the preferences"
        return f"{self.title} failed: {last[:200].rstrip('. ')}; the button goes on from there."

    def _end(self, sentence: str) -> None:
        self.is_over, self.sentence = True, sentence


def _module_of(package: str) -> str:
    name = package.partition("==")[0]
    return _MODULES.get(name, name)
