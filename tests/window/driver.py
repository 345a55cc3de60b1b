# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs inside of a real Blender with a window and plays an act: clicks and keys by xdotool, checks, pictures of the screen.

An act is a generator that an application timer steps; what it yields is how many seconds Blender is left alone. What it found
goes into out/ACT.json. A failed check leaves no such file and a traceback in the log.
"""

from __future__ import annotations

import faulthandler
import importlib
import json
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np

# isort: split
import addon_utils  # lies on a path that Blender adds

HERE = Path(__file__).resolve().parent
PACKAGE = "bl_ext.user_default.igllm_addon"
PICTURE = str(HERE / "demo.png")
PATIENCE_S = 400.0

faulthandler.enable()
bpy.context.preferences.view.show_splash = False
found: dict[str, Any] = {"blender": bpy.app.version_string, "python": sys.version.split()[0], "pids": []}


def module(name: str) -> Any:
    return importlib.import_module(f"{PACKAGE}.{name}")


def settings() -> Any:
    return bpy.context.scene.igllm


def area() -> bpy.types.Area:
    window = bpy.context.window_manager.windows[0]
    return max((item for item in window.screen.areas if item.type == "VIEW_3D"), key=lambda item: item.width * item.height)


def sidebar() -> bpy.types.Region:
    return next(item for item in area().regions if item.type == "UI")


def xdotool(*words: object) -> None:
    subprocess.run(["xdotool", *map(str, words)], check=True)


def click(x: int, y: int) -> None:
    xdotool("mousemove", x, y)
    time.sleep(0.1)
    xdotool("click", 1)


def point_at_viewport() -> None:
    shown = area()
    xdotool("mousemove", shown.x + 200, bpy.context.window_manager.windows[0].height - shown.y - 300)


def screen_pixels() -> np.ndarray:
    raw = subprocess.run(["import", "-window", "root", "-depth", "8", "rgb:-"], check=True, capture_output=True).stdout
    width = bpy.context.window_manager.windows[0].width
    return np.frombuffer(raw, dtype=np.uint8).reshape(-1, width, 3)


def take_picture(name: str) -> None:
    subprocess.run(["import", "-window", "root", str(HERE / "out" / f"{name}.png")], check=True)


def settled() -> Iterator[float]:
    """Panels slide into place over several drawings; a picture is to be taken after that."""
    for _ in range(4):
        for shown in bpy.context.window_manager.windows[0].screen.areas:
            shown.tag_redraw()
        yield 0.7


def big_button() -> tuple[int, int]:
    """The middle of the sidebar's only widget that is more than 28 pixels high, found by its even colour."""
    region, height = sidebar(), bpy.context.window_manager.windows[0].height
    pixels = screen_pixels()
    column = pixels[:, region.x + 40].astype(int)
    top = height - (region.y + region.height)
    run_start = top
    for y in range(top + 1, height - region.y):
        if np.abs(column[y] - column[y - 1]).max() > 2:
            is_button = 26 <= y - run_start <= 40 and column[y - 1].mean() > 70
            if is_button:
                return region.x + region.width // 2, (run_start + y) // 2
            run_start = y
    raise AssertionError("the big button is not on the screen")


def until(condition: Callable[[], object], every_s: float = 0.02) -> Iterator[float]:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        yield every_s


def results() -> list[bpy.types.Collection]:
    return [item for item in bpy.data.collections if item.igllm.run_id]


def built() -> int:
    return sum("igllm_statement" in item for item in bpy.data.objects)


def play_fake(mode: str) -> None:
    launch, python = module("bridge.launch"), os.environ["IGLLM_RUNNER_PYTHON"]
    module("ui.derender_operator").runner_command = lambda: tuple(launch.runner_command(["--fake", mode], python))


def watch_stalls() -> dict[str, float]:
    """How long a call of the extension keeps Blender's main thread, at most: on the clock and of the processor."""
    operator = module("ui.derender_operator").IGLLM_OT_derender
    worst = {"clock_ms": 0.0, "processor_ms": 0.0, "calls": 0.0}
    step = operator.step

    def timed(self: Any, context: bpy.types.Context) -> Any:
        clock, processor = time.perf_counter(), time.thread_time()
        try:
            return step(self, context)
        finally:
            worst["clock_ms"] = max(worst["clock_ms"], 1000.0 * (time.perf_counter() - clock))
            worst["processor_ms"] = max(worst["processor_ms"], 1000.0 * (time.thread_time() - processor))
            worst["calls"] += 1.0

    operator.step = timed
    return worst


def enable() -> Iterator[float]:
    bpy.ops.extensions.package_install_files(filepath=str(HERE / "extension.zip"), repo="user_default", enable_on_install=False)
    clock, processor = time.perf_counter(), time.process_time()
    addon_utils.enable(PACKAGE, default_set=True)
    found["enable_ms"] = {
        "clock": round(1000.0 * (time.perf_counter() - clock), 1),
        "processor": round(1000.0 * (time.process_time() - processor), 1),
    }
    area().spaces.active.show_region_ui = True
    yield 1.0
    yield from until(tab_is_shown, 0.5)
    yield 1.0


def tab_is_shown() -> bool:
    """Choose the tab; Blender knows it only after the sidebar was drawn once."""
    try:
        sidebar().active_panel_category = "IG-LLM"
    except TypeError:
        return False
    return bool(sidebar().active_panel_category == "IG-LLM")


def use_runner() -> None:
    own = module("ui.preferences").current()
    own.runner, own.python_path = "PYTHON", os.environ["IGLLM_RUNNER_PYTHON"]
    settings().source, settings().filepath = "FILE", PICTURE


def timed_run(name: str, shot: bool) -> Iterator[float]:
    """Press the button, wait for the first object and for the end."""
    yield 1.0
    x, y = big_button()
    clicked = time.perf_counter()
    click(x, y)
    yield from until(lambda: module("ui.jobs").state.derender is not None)
    before = built()
    yield from until(lambda: built() > before or module("ui.jobs").state.derender is None)
    first = time.perf_counter()
    if shot:
        yield 0.3
        take_picture("progress")
    yield from until(lambda: module("ui.jobs").state.derender is None)
    failure = module("ui.jobs").state.failure
    assert failure is None, failure.details
    found[name] = {
        "first_object_s": round(first - clicked, 2),
        "last_s": round(time.perf_counter() - clicked, 2),
        "objects": built(),
    }


def act_work() -> Iterator[float]:
    yield from enable()
    yield from settled()
    take_picture("not_set_up")
    use_runner()
    yield from until(lambda: module("ui.jobs").state.check.is_over)
    assert module("ui.jobs").state.check.answer == "ok", module("ui.jobs").state.check.answer
    cube = bpy.data.objects["Cube"]
    cube.location.x = 1.25
    cube.hide_set(True)
    bpy.ops.ed.undo_push(message="The artist's own step")
    worst = watch_stalls()
    yield from timed_run("cold", shot=True)
    found["worst_call"] = {name: round(value, 1) for name, value in worst.items()}
    objects = built()
    assert objects == 8, f"{objects} objects of the picture's 8"
    yield from settled()
    take_picture("result")

    point_at_viewport()
    xdotool("key", "ctrl+z")
    yield 2.0
    assert results() == [] and built() == 0, "one undo step does not remove the whole result"
    assert bpy.data.objects["Cube"].location.x == 1.25, "the undo step took the artist's own step along"
    xdotool("key", "ctrl+shift+z")
    yield 2.0
    assert built() == objects, "redo does not bring the result back"

    yield from timed_run("warm", shot=False)
    print(found, flush=True)
    xdotool("key", "ctrl+z")
    yield 1.0

    play_fake("slow")
    before = built()
    click(*big_button())
    yield from until(lambda: module("ui.jobs").state.derender is not None)
    yield 3.0
    assert not bpy.ops.igllm.derender.poll(), "a second click is possible"
    point_at_viewport()
    yield 0.5
    xdotool("key", "Escape")
    yield from until(lambda: module("ui.jobs").state.derender is None)
    assert built() == before and module("ui.jobs").state.failure is None
    found["cancelled"] = True

    play_fake("crash")
    yield 1.0
    click(*big_button())
    yield from until(lambda: module("ui.jobs").state.failure is not None)
    yield from settled()
    take_picture("failure")
    found["failure"] = module("ui.jobs").state.failure.sentence
    module("ui.jobs").state.failure = None

    yield from compare()
    yield from viewport_source()
    addon_utils.disable(PACKAGE)
    yield 1.0
    assert not hasattr(bpy.types.Scene, "igllm")
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("igllm")] == []
    take_picture("disabled")


def compare() -> Iterator[float]:
    window = bpy.context.window_manager.windows[0]
    with bpy.context.temp_override(window=window, area=area(), region=sidebar()):
        bpy.ops.igllm.compare("INVOKE_DEFAULT")
    started = time.perf_counter()
    yield from until(lambda: module("ui.jobs").state.comparison is None)
    assert module("ui.jobs").state.failure is None, module("ui.jobs").state.failure.details
    result = settings().result.igllm
    found["compare"] = {"seconds": round(time.perf_counter() - started, 1), "figures": result.figures}
    yield from settled()
    take_picture("compare")
    result.view = "WIPE"
    yield from settled()
    take_picture("wipe")
    editor = next(item for item in window.screen.areas if item.type == "IMAGE_EDITOR")
    with bpy.context.temp_override(window=window, area=editor, region=editor.regions[0]):
        bpy.ops.screen.area_close()
    yield 2.0


def viewport_source() -> Iterator[float]:
    """De-render what the viewport shows of the result, and see where the objects land."""
    truth = [np.array(item.matrix_world.translation) for item in settings().result.objects if "igllm_statement" in item]
    first = settings().result
    area().spaces.active.shading.color_type = "OBJECT"
    settings().source = "VIEWPORT"
    yield from restored_runner()
    click(*big_button())
    yield from until(lambda: module("ui.jobs").state.derender is not None)
    yield from until(lambda: module("ui.jobs").state.derender is None)
    assert module("ui.jobs").state.failure is None, module("ui.jobs").state.failure.details
    landed = [np.array(item.matrix_world.translation) for item in settings().result.objects if "igllm_statement" in item]
    assert settings().result != first
    nearest = sorted(min(float(np.linalg.norm(a - b)) for b in truth) for a in landed)
    found["viewport"] = {"shown": len(truth), "landed": len(landed), "distances": [round(value, 2) for value in nearest]}
    first.hide_viewport = True
    yield from settled()
    take_picture("viewport_source")


def restored_runner() -> Iterator[float]:
    launch = module("bridge.launch")
    module("ui.derender_operator").runner_command = lambda: tuple(launch.runner_command(python=os.environ["IGLLM_RUNNER_PYTHON"]))
    yield 2.0


def act_quit() -> Iterator[float]:
    """Undo in the middle of a run, open another file in the middle of the next, quit in the middle of the last."""
    yield from enable()
    use_runner()
    play_fake("slow")
    cube = bpy.data.objects["Cube"]
    cube.location.x = 1.25
    bpy.ops.ed.undo_push(message="The artist's own step")
    yield from begun()
    point_at_viewport()
    xdotool("key", "ctrl+z")
    yield 2.0
    assert bpy.data.objects["Cube"].location.x == 0.0, "undo does not work during a run"
    yield from until(lambda: module("ui.jobs").state.derender is None)
    assert module("ui.jobs").state.failure is None and built() == 3, "the run does not survive an undo"
    found["undone_during_a_run"] = True

    yield from begun()
    bpy.ops.wm.read_homefile()
    yield 2.0
    assert module("ui.jobs").state.derender is None
    found["new_file"] = module("ui.jobs").state.failure.sentence
    area().spaces.active.show_region_ui = True
    yield from begun()
    found["quit_during_a_run"] = True


def begun() -> Iterator[float]:
    yield 1.0
    use_runner()
    yield from until(tab_is_shown, 0.5)
    with bpy.context.temp_override(window=bpy.context.window_manager.windows[0], area=area(), region=sidebar()):
        assert bpy.ops.igllm.derender("INVOKE_DEFAULT") == {"RUNNING_MODAL"}
    run = module("ui.jobs").state.derender
    yield from until(lambda: run.stage == "Looking slowly" or run.is_over)
    for path in Path(f"/proc/{os.getpid()}/task").glob("*/children"):
        found["pids"] += map(int, path.read_text().split())


def play(act: Iterator[float], name: str) -> None:
    def step() -> float | None:
        try:
            return next(act)
        except StopIteration:
            (HERE / "out" / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")
        except Exception:  # noqa: BLE001  (whatever it is, the window must close)
            traceback.print_exc()
            take_picture(f"{name}_failed")
        sys.stdout.flush()
        bpy.ops.wm.quit_blender()
        return None

    bpy.app.timers.register(step, first_interval=3.0, persistent=True)


play({"work": act_work, "quit": act_quit}[os.environ["IGLLM_ACT"]](), os.environ["IGLLM_ACT"])
