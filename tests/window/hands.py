# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist has: hands for mouse and keyboard (xdotool), eyes for the screen (import), patience. Runs inside of Blender."""

from __future__ import annotations

import importlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy
import numpy as np

HERE = Path(__file__).resolve().parent
PACKAGE = "bl_ext.user_default.igllm_addon"
PICTURE = str(HERE / "demo.png")
PATIENCE_S = 400.0
BIG_PX = 26  # the one button that is higher than others
found: dict[str, Any] = {"blender": bpy.app.version_string, "pids": []}


def module(name: str) -> Any:
    return importlib.import_module(f"{PACKAGE}.{name}")


def state() -> Any:
    return module("ui.jobs").state


def settings() -> Any:
    return bpy.context.scene.igllm


def window() -> bpy.types.Window:
    return bpy.context.window_manager.windows[0]


def area() -> bpy.types.Area:
    """The 3D viewport that the sidebar is in."""
    return max((item for item in window().screen.areas if item.type == "VIEW_3D"), key=lambda item: item.width * item.height)


def sidebar() -> bpy.types.Region:
    return next(item for item in area().regions if item.type == "UI")


def in_viewport() -> Any:
    """A context as a button of the sidebar has it."""
    return bpy.context.temp_override(window=window(), area=area(), region=sidebar())


def xdotool(*words: object) -> None:
    subprocess.run(["xdotool", *map(str, words)], check=True)


def click(x: int, y: int) -> Iterator[float]:
    """Blender has to draw between the two: a button takes a click only once the pointer rests on it."""
    xdotool("mousemove", x, y)
    yield 0.3
    xdotool("click", 1)
    yield 0.1


def drag(start: tuple[int, int], end: tuple[int, int]) -> Iterator[float]:
    """Press, move in steps as a hand does, let go."""
    xdotool("mousemove", *start)
    yield 0.5
    xdotool("mousedown", 1)
    for step in range(1, 11):
        yield 0.15
        xdotool("mousemove", *(round(a + (b - a) * step / 10) for a, b in zip(start, end, strict=True)))
    yield 0.5
    xdotool("mouseup", 1)


def point_at_viewport() -> None:
    shown = area()
    xdotool("mousemove", shown.x + 200, window().height - shown.y - 300)


def press_key(key: str) -> None:
    point_at_viewport()
    time.sleep(0.1)
    xdotool("key", key)


def screen_pixels() -> np.ndarray:
    raw = subprocess.run(["import", "-window", "root", "-depth", "8", "rgb:-"], check=True, capture_output=True).stdout
    return np.frombuffer(raw, dtype=np.uint8).reshape(-1, window().width, 3)


def take_picture(name: str) -> None:
    subprocess.run(["import", "-window", "root", str(HERE / "out" / f"{name}.png")], check=True)


def settled() -> Iterator[float]:
    """Panels slide into place over several drawings; a picture is to be taken after that."""
    for _ in range(4):
        for shown in window().screen.areas:
            shown.tag_redraw()
        yield 0.7


def buttons() -> list[tuple[int, int]]:
    """Middle and height, in pixels from the screen's top, of every operator button in the sidebar that can be pressed, but for
    one under the pointer, whose colour is another."""
    return [((start + end) // 2, end - start) for start, end in button_rows(screen_pixels(), 50) if end - start >= 12]


def button_rows(pixels: np.ndarray, across: int) -> list[tuple[int, int]]:
    """First and last row, from the screen's top, of what has a button's colour in one column of the sidebar."""
    region, height = sidebar(), window().height
    inner = bpy.context.preferences.themes[0].user_interface.wcol_tool.inner
    wanted = np.array([255.0 * value for value in inner[:3]])
    column = pixels[:, region.x + across].astype(float)
    is_button = np.abs(column - wanted).max(axis=1) < 12.0
    is_button[: height - (region.y + region.height)] = False
    is_button[height - region.y :] = False
    edges = np.flatnonzero(np.diff(np.concatenate(([0], is_button.astype(int), [0]))))
    return [(int(start), int(end)) for start, end in zip(edges[::2], edges[1::2], strict=True)]


def press(y: int) -> Iterator[float]:
    """A button of the sidebar at this height."""
    yield from click(sidebar().x + 120, y)


def big_button() -> int:
    """De-render Image, where it can be pressed."""
    high = [y for y, height in buttons() if height >= BIG_PX]
    assert high, "the big button is not on the screen"
    return high[0]


def press_big_button() -> Iterator[float]:
    yield from press(big_button())


def cross() -> tuple[int, int]:
    """The button at the right end of the progress bar, which is as high as the big button."""
    region, pixels = sidebar(), screen_pixels()
    for across in range(region.width // 2, region.width):
        for start, end in button_rows(pixels, across):
            if end - start >= BIG_PX:
                return region.x + across + 8, (start + end) // 2
    raise AssertionError("no cross is on the screen")


def until(condition: Callable[[], object], every_s: float = 0.02) -> Iterator[float]:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        yield every_s


def results() -> list[bpy.types.Collection]:
    return [item for item in bpy.data.collections if item.igllm.run_id]


def built() -> int:
    return sum("igllm_statement" in item for item in bpy.data.objects)


def children() -> list[int]:
    """What this Blender has started and still runs."""
    paths = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return [int(pid) for path in paths for pid in path.read_text().split()]


def play_fake(mode: str) -> None:
    """Let a fake of this mode stand for the model runner."""
    launch, python = module("bridge.launch"), os.environ["IGLLM_RUNNER_PYTHON"]
    module("ui.derender_operator").runner_command = lambda: tuple(launch.runner_command(["--fake", mode], python))


def play_model() -> None:
    """The shipped model again."""
    launch, python = module("bridge.launch"), os.environ["IGLLM_RUNNER_PYTHON"]
    module("ui.derender_operator").runner_command = lambda: tuple(launch.runner_command(python=python))


def use_runner() -> None:
    own = module("ui.preferences").current()
    own.runner, own.python_path = "PYTHON", os.environ["IGLLM_RUNNER_PYTHON"]
    settings().source, settings().filepath = "FILE", PICTURE
