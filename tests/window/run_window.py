# SPDX-License-Identifier: GPL-3.0-or-later
"""Tries the extension in a real Blender window: Xvfb, software OpenGL, real clicks and keys.

    python tests/window/run_window.py [--suite trixie] [--out build/window]

The Blender is a Debian release's, in a tree of its own that debootstrap makes on first use (root; 1.6 GB), kept in IGLLM_VERSIONS
or build/versions. The model runner is this very Python with its packages: its folders are mounted into the tree
while the test runs.
What was measured is printed and written to OUT/report.json; the pictures lie beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ["blender", "python3-numpy", "python3-requests", "python3-zstandard", "python3-cattr"]
PACKAGES += ["xvfb", "xdotool", "imagemagick", "libegl1", "libgl1-mesa-dri"]
INSIDE = Path("/opt/igllm_window")
WIDTH, HEIGHT = 1280, 800
DISPLAY = ":97"


def prepared_tree(folder: Path, suite: str) -> Path:
    """The Debian tree with all packages."""
    tree = folder / suite
    quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    if not (tree / "usr/bin").is_dir():
        keyring = "--keyring=/usr/share/keyrings/debian-archive-keyring.gpg"
        mirror = "http://deb.debian.org/debian"
        subprocess.run(["debootstrap", "--variant=minbase", keyring, suite, str(tree), mirror], check=True)
    # Debian makes some of them links that mean something only inside of the tree, so they may lead nowhere from here.
    if not all(os.path.lexists(tree / "usr/bin" / name) for name in ("blender", "Xvfb", "xdotool", "import")):
        # The signature is checked all the same; what is let pass is a mirror whose copy of a rolling release is some days old.
        update = ["apt-get", "update", "-q", "-o", "Acquire::Check-Valid-Until=false"]
        subprocess.run(["chroot", str(tree), *update], check=True, env=quiet)
        install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *PACKAGES]
        subprocess.run(["chroot", str(tree), *install], check=True, env=quiet)
    return tree


@contextlib.contextmanager
def mounted(tree: Path) -> Iterator[None]:
    """This Python and the system's own folders, seen in the tree at the places where they are here."""
    folders = [Path("/proc"), Path("/dev"), Path(sys.prefix), Path(sys.base_prefix)]
    done: list[Path] = []
    try:
        for folder in folders:
            place = tree / folder.relative_to("/")
            place.mkdir(parents=True, exist_ok=True)
            subprocess.run(["mount", "--bind", str(folder), str(place)], check=True)
            done.append(place)
        yield
    finally:
        for place in reversed(done):
            subprocess.run(["umount", "--lazy", str(place)], check=False)


@contextlib.contextmanager
def display(tree: Path) -> Iterator[None]:
    """An X server without a screen."""
    command = ["chroot", str(tree), "Xvfb", DISPLAY, "-screen", "0", f"{WIDTH}x{HEIGHT}x24", "-nolisten", "tcp"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            time.sleep(2.0)
            yield
        finally:
            server.terminate()


def blender(tree: Path, act: str, limit_s: float) -> subprocess.CompletedProcess[str]:
    """One start of Blender, with the driver playing an act."""
    settings = {
        "DISPLAY": DISPLAY,
        "LIBGL_ALWAYS_SOFTWARE": "1",
        "BLENDER_USER_RESOURCES": str(INSIDE / "user"),
        "IGLLM_RUNNER_PYTHON": sys.executable,
        "IGLLM_ACT": act,
        "HOME": "/root",
        "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2"),
    }
    command = ["chroot", str(tree), "blender", "--factory-startup", "--gpu-backend", "opengl", "--no-window-focus"]
    command += ["--window-geometry", "0", "0", str(WIDTH), str(HEIGHT), "--python", str(INSIDE / "driver.py")]
    return subprocess.run(command, env=settings, capture_output=True, text=True, check=False, timeout=limit_s)


def play(tree: Path, acts: list[str], out: Path, limit_s: float) -> dict[str, object]:
    """Every act in a Blender of its own; what the driver found, by act."""
    found: dict[str, object] = {}
    for act in acts:
        done = blender(tree, act, limit_s)
        report = tree / INSIDE.relative_to("/") / "out" / f"{act}.json"
        (out / f"{act}.log").write_text(done.stdout + done.stderr, encoding="utf-8")
        if done.returncode != 0 or not report.is_file():
            log = done.stdout + done.stderr
            raise SystemExit(f"Act {act!r} ended with status {done.returncode}; its log is {out / act}.log:\n{log[-3000:]}")
        found[act] = json.loads(report.read_text(encoding="utf-8"))
        print(json.dumps({act: found[act]}), flush=True)
        left = [pid for pid in found[act].get("pids", []) if Path(f"/proc/{pid}").exists()]  # type: ignore[attr-defined]
        if left:
            raise SystemExit(f"After act {act!r} these processes were left: {left}")
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Try the extension in a real Blender window.")
    parser.add_argument("--suite", default="trixie", help="Debian release (default: trixie, which has Blender 4.3.2)")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "window", metavar="DIR")
    parser.add_argument("--zip", type=Path, help="try this zip instead of building one")
    parser.add_argument("--act", action="append", help="only these acts")
    parser.add_argument("--limit", type=float, default=900.0, metavar="SECONDS", help="for one start of Blender")
    options = parser.parse_args()
    out: Path = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    if options.zip is None:
        subprocess.run([sys.executable, str(ROOT / "packaging" / "make_zip.py"), "--out", str(out)], check=True)
        (options.zip,) = out.glob("igllm_addon-*.zip")
    tree = prepared_tree(Path(os.environ.get("IGLLM_VERSIONS", ROOT / "build" / "versions")).resolve(), options.suite)
    stage = tree / INSIDE.relative_to("/")
    shutil.rmtree(stage, ignore_errors=True)
    (stage / "out").mkdir(parents=True)
    shutil.copy(options.zip, stage / "extension.zip")
    shutil.copy(ROOT / "tests" / "window" / "driver.py", stage)
    shutil.copy(ROOT / "docs" / "pictures" / "demo.png", stage)
    with mounted(tree), display(tree):
        try:
            found = play(tree, options.act or ["work", "quit"], out, options.limit)
        finally:
            for picture in (stage / "out").glob("*.png"):
                shutil.copy(picture, out)
    (out / "report.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
