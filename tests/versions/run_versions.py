# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs `igllm generate` and a check of its samples in every Blender that we support, and prints a table.

    python tests/versions/run_versions.py                          the bpy wheels, one environment each under build/versions
    python tests/versions/run_versions.py --blender /opt/blender/blender
    python tests/versions/run_versions.py --debian trixie          a real Blender from a Debian tree (root, debootstrap; 1.6 GB)

Environments and trees are kept in --folder (or IGLLM_VERSIONS) and used again. A version whose Python this machine lacks is named
and left out; everything that runs must pass.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
GENERATE = "igllm_addon/render_templates/generate.py"
CHECK = "tests/versions/check_version.py"
WHEELS = (("4.2.23", "3.11", ["numpy<2"]), ("4.5.15", "3.11", []), ("5.0.1", "3.11", []), ("5.2.3", "3.13", []))
RUN = ["clevr", "--count", "3", "--seed", "1", "--width", "64", "--height", "48", "--samples", "2", "--shard-size", "2"]
RUN += ["--camera", "mixed", "--workers", "2", "--passes", "instances,depth,normal"]
COLUMNS = ("blender", "python", "numpy", "samples", "round_trip", "worst_iou", "mean", "scenes", "pictures", "seconds")
# What a Debian tree has to bring besides Blender: its extension system does not load without these.
DEBIAN_PACKAGES = ["blender", "python3-numpy", "python3-requests", "python3-zstandard", "python3-cattr", "libgl1-mesa-dri"]


@dataclass(frozen=True)
class Blender:
    """start: the command that runs a Python file in it, which follows, then "--". code, data: the repository and a folder for
    its output, as this Blender sees them. seen: the same folder as we see it."""

    name: str
    start: list[str]
    code: Path
    data: Path
    seen: Path


def wheel(folder: Path, version: str, python: str, pins: list[str]) -> Blender | None:
    """An environment with that bpy, made on first use."""
    environment = folder / f"bpy-{version}"
    inside = environment / "bin" / "python"
    if not (environment / "installed").exists():
        interpreter = interpreter_or_none(python)
        if interpreter is None:
            print(f"bpy {version} needs Python {python}, which is not on this machine: left out.", flush=True)
            return None
        print(f"Making {environment} …", flush=True)
        subprocess.run([interpreter, "-m", "venv", str(environment)], check=True)
        subprocess.run([str(inside), "-m", "pip", "install", "--quiet", f"bpy=={version}", *pins], check=True)
        (environment / "installed").touch()
    data = folder / f"data-{version}"
    return Blender(f"bpy {version}", [str(inside)], ROOT, data, data)


def interpreter_or_none(python: str) -> str | None:
    """A Python of that minor version: on the path, of pyenv, or the one that runs this."""
    if sys.version.startswith(python + "."):
        return sys.executable
    candidates = sorted(Path.home().glob(f".pyenv/versions/{python}.*/bin/python"))
    return str(candidates[-1]) if candidates else shutil.which(f"python{python}")


def application(folder: Path, path: str) -> Blender:
    """An installed Blender."""
    data = folder / f"data-{Path(path).resolve().parent.name}"
    return Blender(path, [path, *background()], ROOT, data, data)


def debian(folder: Path, suite: str) -> Blender:
    """The Blender of a Debian release, in a tree of its own. The code is copied in, so that nothing has to be mounted."""
    tree = folder / suite
    if not (tree / "usr/bin/blender").exists():
        print(f"Making {tree} …", flush=True)
        keyring = "--keyring=/usr/share/keyrings/debian-archive-keyring.gpg"
        subprocess.run(
            ["debootstrap", "--variant=minbase", keyring, suite, str(tree), "http://deb.debian.org/debian"], check=True
        )
        install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *DEBIAN_PACKAGES]
        subprocess.run(["chroot", str(tree), *install], check=True, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})
    code = tree / "opt" / "igllm"
    for part in ("igllm_addon/core", "igllm_addon/render_templates", "tests/bpy", "tests/versions"):
        shutil.copytree(ROOT / part, code / part, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "igllm_addon" / "__init__.py", code / "igllm_addon")
    start = ["chroot", str(tree), "blender", *background()]
    return Blender(f"Debian {suite}", start, Path("/opt/igllm"), Path("/opt/data"), tree / "opt" / "data")


def background() -> list[str]:
    """How an application runs a file without a window."""
    return ["--background", "--factory-startup", "--python-exit-code", "1", "--python"]


def try_one(blender: Blender) -> dict[str, object]:
    """Generate, check, and generate again, which must find nothing to do; the check's findings, or an "error"."""
    shutil.rmtree(blender.seen, ignore_errors=True)
    started = time.monotonic()
    generate = [*blender.start, str(blender.code / GENERATE), "--", *RUN, "--out", str(blender.data)]
    check = [*blender.start, str(blender.code / CHECK), "--", str(blender.data)]
    for command, wanted in ((generate, "(3 of them made now)"), (check, "FOUND "), (generate, "(0 of them made now)")):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0 or wanted not in done.stdout:
            return {"error": f"{' '.join(command)}: exit status {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"}
        if command is check:
            found: dict[str, object] = json.loads(done.stdout.split("FOUND ", 1)[1].splitlines()[0])
    return found | {"seconds": round(time.monotonic() - started)}


def row(values: list[object]) -> str:
    return "| " + " | ".join(f"{value:.3g}" if isinstance(value, float) else str(value) for value in values) + " |"


def main() -> int:
    parser = argparse.ArgumentParser(description="Try `igllm generate` in every supported Blender.")
    parser.add_argument("--folder", type=Path, default=Path(os.environ.get("IGLLM_VERSIONS", ROOT / "build" / "versions")))
    parser.add_argument("--only", action="append", metavar="VERSION", help="only these bpy wheels")
    parser.add_argument("--blender", action="append", default=[], metavar="PATH", help="also this installed Blender")
    parser.add_argument("--debian", action="append", default=[], metavar="SUITE", help="also the Blender of this Debian release")
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    blenders = [wheel(folder, *entry) for entry in WHEELS if not arguments.only or entry[0] in arguments.only]
    blenders += [application(folder, path) for path in arguments.blender] + [debian(folder, suite) for suite in arguments.debian]
    results = {blender.name: try_one(blender) for blender in blenders if blender is not None}
    print(row(["tried", *COLUMNS]))
    print("|" + " --- |" * (len(COLUMNS) + 1))
    for name, found in results.items():
        print(row([name, "FAILED"]) if "error" in found else row([name, *(found[column] for column in COLUMNS)]))
    errors = {name: str(found["error"]) for name, found in results.items() if "error" in found}
    for name, error in errors.items():
        print(f"\n{name}\n{error}", file=sys.stderr)
    if len({str(found["scenes"]) for found in results.values() if "error" not in found}) > 1:
        print("The sampled scenes differ between versions.", file=sys.stderr)
        return 1
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
