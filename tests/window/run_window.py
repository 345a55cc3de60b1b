# SPDX-License-Identifier: GPL-3.0-or-later
"""Tries the extension in a real Blender: Xvfb, software OpenGL, real clicks and keys; then its shell command and the example.

    python tests/window/run_window.py [--suite trixie] [--out build/window] [--if-possible]

The Blender is a Debian release's (trixie has 4.3.2, sid 5.2.2 LTS), in a tree of its own that debootstrap makes on first use
(root; 1.6 GB), kept in IGLLM_VERSIONS or build/versions. The model runner is this very Python with its packages: its folders
are mounted into the tree while the test runs. What was measured is printed and written to OUT/report.json; the pictures lie
beside it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from debian_tree import mounted, obstacle, prepared_tree
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
INSIDE = Path("/opt/igllm_window")
WIDTH, HEIGHT = 1280, 800
DISPLAY = ":97"
ACTS = ("work", "fail", "generate", "meddle", "drop", "quit", "kill")
SMALL = ["--width", "64", "--height", "48", "--samples", "1", "--workers", "1"]
# Stands for the system's file browser, which a tree without a desktop has not.
XDG_OPEN = f'#!/bin/sh\necho "$1" > {INSIDE}/out/opened.txt\n'


class ActFailed(Exception):
    """An act did not end as it should have, or left something behind."""


def staged(tree: Path, extension: Path) -> Path:
    """An empty folder in the tree with all that the acts need."""
    stage = tree / INSIDE.relative_to("/")
    shutil.rmtree(stage, ignore_errors=True)
    (stage / "out").mkdir(parents=True)
    (stage / "drop").mkdir()
    shutil.copy(extension, stage / "extension.zip")
    for script in (ROOT / "tests" / "window").glob("*.py"):
        shutil.copy(script, stage)
    shutil.copy(ROOT / "examples" / "derender_folder.py", stage)
    picture = ROOT / "docs" / "pictures" / "demo.png"
    shutil.copy(picture, stage)
    shutil.copy(picture, stage / "drop" / "photo.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by a quarter, clockwise
    with Image.open(picture) as upright:
        stored = upright.convert("RGB").transpose(Image.Transpose.ROTATE_90)
        stored.save(stage / "turned.jpg", quality=95, exif=exif)
    browser = tree / "usr" / "local" / "bin" / "xdg-open"
    browser.write_text(XDG_OPEN, encoding="utf-8")
    browser.chmod(0o755)
    return stage


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


def environment(act: str = "") -> dict[str, str]:
    return {
        "DISPLAY": DISPLAY,
        "LIBGL_ALWAYS_SOFTWARE": "1",
        "BLENDER_USER_RESOURCES": str(INSIDE / "user"),
        "IGLLM_RUNNER_PYTHON": sys.executable,
        "IGLLM_ACT": act,
        "HOME": "/root",
        "PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2"),
    }


def played(tree: Path, act: str, out: Path, limit_s: float, tries: int) -> dict[str, Any]:
    """`play`, begun anew where it went wrong and may be; software OpenGL on a busy machine loses a click now and then."""
    for left in reversed(range(tries)):
        try:
            return play(tree, act, out, limit_s)
        except (ActFailed, subprocess.TimeoutExpired) as error:
            if not left:
                raise SystemExit(str(error)) from None
            print(f"{error}\nAct {act!r} is begun again; {left} more.", flush=True)
    raise ValueError("an act is tried at least once")


def play(tree: Path, act: str, out: Path, limit_s: float) -> dict[str, Any]:
    """An act in a Blender of its own; what the driver found. An ActFailed where it failed or left a process behind."""
    command = ["chroot", str(tree), "blender", "--factory-startup", "--gpu-backend", "opengl", "--no-window-focus"]
    command += ["--window-geometry", "0", "0", str(WIDTH), str(HEIGHT), "--python", str(INSIDE / "driver.py")]
    report = tree / INSIDE.relative_to("/") / "out" / f"{act}.json"
    log_path = out / f"{act}.log"
    with log_path.open("wb") as log, subprocess.Popen(command, env=environment(act), stdout=log, stderr=log) as blender:
        try:
            wanted = wait(blender, report, act == "kill", limit_s)
        finally:
            blender.kill()
    if blender.returncode != wanted or not report.is_file():
        log_text = log_path.read_text(encoding="utf-8", errors="replace")
        raise ActFailed(f"Act {act!r} ended with status {blender.returncode}; its log is {log_path}:\n{log_text[-3000:]}")
    found: dict[str, Any] = json.loads(report.read_text(encoding="utf-8"))
    print(json.dumps({act: found}), flush=True)
    if left := processes_left(found["pids"]):
        raise ActFailed(f"After act {act!r} these processes were left: {left}")
    return found


def wait(blender: subprocess.Popen[bytes], report: Path, is_killed: bool, limit_s: float) -> int:
    """Let the act end, or kill Blender once it has reported; the exit status that is right."""
    if not is_killed:
        blender.wait(limit_s)
        return 0
    end = time.monotonic() + limit_s
    while not report.is_file() and blender.poll() is None and time.monotonic() < end:
        time.sleep(0.2)
    blender.send_signal(signal.SIGKILL)
    blender.wait()
    return -signal.SIGKILL


def processes_left(pids: list[int], patience_s: float = 15.0) -> list[int]:
    """Those that still run after a while."""
    end = time.monotonic() + patience_s
    while (left := [pid for pid in pids if Path(f"/proc/{pid}").exists()]) and time.monotonic() < end:
        time.sleep(0.2)
    return left


def shell(tree: Path, arguments: list[str], limit_s: float) -> tuple[int, str]:
    """Blender without a window and with the preferences that the first act saved: exit status and output."""
    command = ["chroot", str(tree), "blender", *arguments]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False, timeout=limit_s)
    return done.returncode, done.stdout + done.stderr


def try_shell(tree: Path, stage: Path, limit_s: float) -> dict[str, Any]:
    """`blender --command igllm generate`, and the example that de-renders a folder."""
    generate = ["--command", "igllm", "generate", "clevr"]
    out, seconds = str(INSIDE / "out" / "command"), {}
    for name, arguments, wanted in (
        ("generate", [*generate, "--count", "2", "--seed", "1", "--out", out, *SMALL], 0),
        ("generate_without_options", generate, 2),
        ("unknown_command", ["--command", "igllm", "paint"], 2),
        ("example", ["--background", "--python", str(INSIDE / "derender_folder.py"), "--", str(INSIDE / "drop")], 0),
    ):
        started = time.monotonic()
        status, output = shell(tree, arguments, limit_s)
        if status != wanted:
            raise SystemExit(f"blender {' '.join(arguments)} ended with status {status} and not {wanted}:\n{output[-3000:]}")
        seconds[name] = round(time.monotonic() - started, 1)
    count = json.loads((stage / "out" / "command" / "train" / "manifest.json").read_text(encoding="utf-8"))["count"]
    if count != 2 or not (stage / "drop" / "photo.blend").is_file():
        raise SystemExit("The shell command or the example said that all is well and made nothing.")
    print(json.dumps({"shell_s": seconds}), flush=True)
    return seconds


def built_zip(out: Path) -> Path:
    """The extension as it is now."""
    subprocess.run([sys.executable, str(ROOT / "packaging" / "make_zip.py"), "--out", str(out)], check=True)
    (path,) = out.glob("igllm_addon-*.zip")
    return path


def main() -> int:
    parser = argparse.ArgumentParser(description="Try the extension in a real Blender.")
    parser.add_argument("--suite", default="trixie", help="Debian release (default: trixie, which has Blender 4.3.2)")
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "window", metavar="DIR")
    parser.add_argument("--zip", type=Path, help="try this zip instead of building one")
    parser.add_argument("--act", action="append", choices=ACTS, help="only these acts, and not the shell command")
    parser.add_argument("--tries", type=int, default=1, metavar="N", help="how often an act may be begun until it goes well")
    parser.add_argument("--limit", type=float, default=900.0, metavar="SECONDS", help="for one start of Blender")
    parser.add_argument("--if-possible", action="store_true", help="say why, and succeed, where no Debian tree can be had")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))  # and take everything down on the way out
    out: Path = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    try:
        if why := obstacle():
            raise SystemExit(f"The window test cannot run here: {why}.")
        tree = prepared_tree(Path(os.environ.get("IGLLM_VERSIONS", ROOT / "build" / "versions")).resolve(), options.suite)
    except (SystemExit, subprocess.CalledProcessError) as error:
        if not options.if_possible:
            raise
        print(f"SKIPPED {error}", flush=True)
        return 0
    stage = staged(tree, options.zip or built_zip(out))
    found: dict[str, Any] = {}
    with mounted(tree), display(tree):
        try:
            for act in options.act or ACTS:
                found[act] = played(tree, act, out, options.limit, options.tries)
            if not options.act:
                found["shell_s"] = try_shell(tree, stage, options.limit)
        finally:
            for picture in (stage / "out").glob("*.png"):
                shutil.copy(picture, out)
            (out / "report.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
