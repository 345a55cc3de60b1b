# SPDX-License-Identifier: GPL-3.0-or-later
"""An artist's day: install, set up, de-render, undo, cancel, compare, the viewport, disable; a failure; a data set."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator

import addon_utils
import bpy
import numpy as np
import stalls
from hands import (
    BIG_PX,
    HERE,
    PACKAGE,
    area,
    big_button,
    built,
    buttons,
    click,
    found,
    in_viewport,
    play_fake,
    play_model,
    point_at_viewport,
    press,
    press_big_button,
    press_key,
    results,
    settings,
    settled,
    sidebar,
    state,
    take_picture,
    until,
    use_runner,
    window,
    xdotool,
)


def act() -> Iterator[float]:
    yield from enabled()
    found["enable_again_ms"] = enable_again()
    bpy.ops.wm.save_userpref()
    yield from settled()
    take_picture("not_set_up")
    yield from set_up_by_button()
    yield from use_existing_python()
    bpy.ops.wm.save_userpref()
    cube = bpy.data.objects["Cube"]
    cube.location.x = 1.25
    cube.hide_set(True)
    bpy.ops.ed.undo_push(message="The artist's own step")
    stalls.watch()
    yield 2.0
    assert "IGLLM_PT_derender.draw" in stalls.worst_ms, "nothing is measured"
    yield from de_render_twice()
    yield from cancel()
    yield from compare()
    yield from viewport_source()
    addon_utils.disable(PACKAGE)
    yield 1.0
    assert not hasattr(bpy.types.Scene, "igllm")
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("igllm")] == []
    take_picture("disabled")


def enabled() -> Iterator[float]:
    """Install from disk and enable, the very first time: Python has not compiled the modules yet."""
    bpy.ops.extensions.package_install_files(filepath=str(HERE / "extension.zip"), repo="user_default", enable_on_install=False)
    found["enable_first_ms"] = timed_enable()
    area().spaces.active.show_region_ui = True
    yield 1.0
    yield from until(tab_is_shown, 0.5)
    yield 1.0


def enable_again() -> dict[str, float]:
    """As at every later start of Blender: the modules have to be imported, but not compiled."""
    import sys

    addon_utils.disable(PACKAGE)
    for name in [name for name in sys.modules if name.startswith(PACKAGE)]:
        del sys.modules[name]
    return timed_enable()


def timed_enable() -> dict[str, float]:
    clock, processor = time.perf_counter(), time.thread_time()
    addon_utils.enable(PACKAGE, default_set=True)
    return {
        "clock": round(1000.0 * (time.perf_counter() - clock), 1),
        "main_thread": round(1000.0 * (time.thread_time() - processor), 1),
    }


def tab_is_shown() -> bool:
    """Choose the tab; Blender knows it only after the sidebar was drawn once."""
    try:
        sidebar().active_panel_category = "IG-LLM"
    except TypeError:
        return False
    return bool(sidebar().active_panel_category == "IG-LLM")


def set_up_by_button() -> Iterator[float]:
    """Allow online access, press Set Up, agree, and cancel as soon as it works (or could not begin)."""
    yield from until(tab_is_shown, 0.5)
    bpy.context.preferences.system.use_online_access = True
    yield from settled()
    yield from press(buttons()[0][0])
    yield 2.0
    take_picture("set_up_asks")
    xdotool("key", "Return")
    yield from until(lambda: state().setup is not None)
    yield from until(lambda: state().setup.is_over or state().setup.fraction > 0.0)
    yield from settled()
    take_picture("set_up")
    if not state().setup.is_over:
        bpy.ops.igllm.setup_cancel()
    found["set_up"] = {"fraction": round(state().setup.fraction, 3), "sentence": state().setup.sentence}
    assert state().setup.fraction > 0.0 or "ensurepip" in state().setup.sentence, state().setup.sentence
    bpy.context.preferences.system.use_online_access = False


def use_existing_python() -> Iterator[float]:
    use_runner()
    yield from until(lambda: state().check.is_over)
    assert state().check.answer == "ok", state().check.answer


def de_render_twice() -> Iterator[float]:
    yield from timed_run("cold", shot=True)
    objects = built()
    assert objects == 8, f"{objects} objects of the picture's 8"
    yield from settled()
    take_picture("result")

    press_key("ctrl+z")
    yield 2.0
    assert results() == [] and built() == 0, "one undo step does not remove the whole result"
    assert bpy.data.objects["Cube"].location.x == 1.25, "the undo step took the artist's own step along"
    press_key("ctrl+shift+z")
    yield 2.0
    assert built() == objects, "redo does not bring the result back"

    yield from timed_run("warm", shot=False)
    found["main_thread_while_running"] = stalls.report()
    print(found, flush=True)
    press_key("ctrl+z")
    yield 1.0


def timed_run(name: str, shot: bool) -> Iterator[float]:
    """Press the button, wait for the first object and for the end."""
    yield 1.0
    y = big_button()
    yield from press(y)
    clicked = time.perf_counter()
    yield from until(lambda: state().derender is not None)
    before = built()
    yield from until(lambda: built() > before or state().derender is None)
    first = time.perf_counter()
    if shot:
        yield from until(lambda: built() > before + 3 or state().derender is None)
        take_picture("progress")
    yield from until(lambda: state().derender is None)
    assert state().failure is None, state().failure.details
    found[name] = {
        "first_object_s": round(first - clicked, 2),
        "last_s": round(time.perf_counter() - clicked, 2),
        "objects": built(),
    }


def cancel() -> Iterator[float]:
    play_fake("slow")
    before = built(), len(bpy.data.meshes), len(bpy.data.materials), len(bpy.data.images), len(bpy.data.cameras)
    yield from press_big_button()
    yield from until(lambda: state().derender is not None)
    yield 3.0
    assert not bpy.ops.igllm.derender.poll(), "a second click is possible"
    point_at_viewport()
    yield 0.5
    xdotool("key", "Escape")
    yield from until(lambda: state().derender is None)
    after = built(), len(bpy.data.meshes), len(bpy.data.materials), len(bpy.data.images), len(bpy.data.cameras)
    assert after == before and state().failure is None
    found["cancelled"] = True


def act_fail() -> Iterator[float]:
    """The runner crashes; the pointer rests where the bar was."""
    yield from enabled()
    yield from use_existing_python()
    play_fake("crash")
    stalls.watch()
    yield from settled()
    yield from press_big_button()
    yield from until(lambda: state().failure is not None)
    found["main_thread"] = stalls.report()
    yield from settled()
    take_picture("failure")
    found["failure"] = state().failure.sentence
    shown = buttons()
    big = next(number for number, (_, height) in enumerate(shown) if height >= BIG_PX)
    yield from press(shown[big + 1][0])
    yield from until(lambda: bpy.context.window_manager.clipboard)
    copied = bpy.context.window_manager.clipboard
    assert copied.startswith("Blender ") and found["failure"] in copied, f"Copy Details copied {copied!r}"
    state().failure = None


def compare() -> Iterator[float]:
    with in_viewport():
        bpy.ops.igllm.compare("INVOKE_DEFAULT")
    started = time.perf_counter()
    yield from until(lambda: state().comparison is None)
    assert state().failure is None, state().failure.details
    result = settings().result.igllm
    found["compare"] = {"seconds": round(time.perf_counter() - started, 1), "figures": result.figures}
    yield from settled()
    take_picture("compare")
    result.view = "WIPE"
    yield from settled()
    take_picture("wipe")
    editor = next(item for item in window().screen.areas if item.type == "IMAGE_EDITOR")
    with bpy.context.temp_override(window=window(), area=editor, region=editor.regions[0]):
        bpy.ops.screen.area_close()
    yield 2.0


def viewport_source() -> Iterator[float]:
    """De-render what the viewport shows of the result, and see where the objects land."""
    truth = [np.array(item.matrix_world.translation) for item in settings().result.objects if "igllm_statement" in item]
    first = settings().result
    area().spaces.active.shading.color_type = "OBJECT"
    settings().source = "VIEWPORT"
    play_model()
    yield 2.0
    yield from press_big_button()
    yield from until(lambda: state().derender is not None)
    yield from until(lambda: state().derender is None)
    assert state().failure is None, state().failure.details
    landed = [np.array(item.matrix_world.translation) for item in settings().result.objects if "igllm_statement" in item]
    assert settings().result != first
    nearest = sorted(min(float(np.linalg.norm(a - b)) for b in truth) for a in landed)
    found["viewport"] = {"shown": len(truth), "landed": len(landed), "distances": [round(value, 2) for value in nearest]}
    first.hide_viewport = True
    yield from settled()
    take_picture("viewport_source")
    settings().source = "FILE"


def act_generate() -> Iterator[float]:
    """Open the sub-panel, make pictures, cancel, go on, open the folder."""
    yield from enabled()
    yield from use_existing_python()
    region, own = sidebar(), settings().generation
    own.folder, own.count, own.width, own.height, own.samples = str(HERE / "out" / "data"), 60, 64, 48, 1
    before = sorted(item.name for item in bpy.data.objects)
    yield from settled()
    big = big_button()
    yield from click(region.x + 120, big + 66)  # its header
    yield from settled()
    yield from press(buttons()[-2][0])  # the last one opens the folder
    yield from until(lambda: state().generation is not None)
    yield from until(lambda: state().generation.fraction > 0.0 or state().generation.is_over)
    yield from settled()
    take_picture("generate")
    bpy.ops.igllm.generate_cancel()
    yield from until(lambda: state().generation.is_over)
    assert not state().generation.failed, state().generation.details()
    point_at_viewport()  # the button under the pointer has another colour
    yield from settled()
    yield from press(buttons()[-2][0])
    yield from until(lambda: not state().generation.is_over)
    yield from until(lambda: state().generation.is_over)
    assert not state().generation.failed, state().generation.details()
    yield from settled()
    take_picture("generated")
    yield from press(buttons()[-1][0])
    opened = HERE / "out" / "opened.txt"  # written by what stands for the system's file browser
    yield from until(opened.exists)
    assert os.path.samefile(opened.read_text(encoding="utf-8").strip(), own.folder)
    assert before == sorted(item.name for item in bpy.data.objects)
    found["generated"] = state().generation.sentence
