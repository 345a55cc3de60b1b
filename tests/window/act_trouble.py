# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist does to a run: undo, meddle with the file, change the mode, drop a picture, open another file, quit, kill."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import bpy
import numpy as np
from act_work import enabled, tab_is_shown, use_existing_python
from hands import (
    HERE,
    PICTURE,
    area,
    built,
    children,
    cross,
    drag,
    found,
    in_viewport,
    play_fake,
    press_key,
    results,
    screen_pixels,
    settings,
    settled,
    state,
    take_picture,
    until,
    use_runner,
    window,
    xdotool,
)

TURNED = str(HERE / "turned.jpg")


def act_meddle() -> Iterator[float]:
    """The file changes under the run's hands."""
    yield from enabled()
    yield from use_existing_python()
    yield from other_scene()
    yield from edit_mode()
    yield from picture_gone()
    yield from cancel_by_the_cross()
    yield from turned_picture()


def other_scene() -> Iterator[float]:
    """The scene is renamed and another one shown."""
    yield from begun()
    own = window().scene
    own.name = "Renamed"
    window().scene = bpy.data.scenes.new("Another")
    yield from until(lambda: state().derender is None)
    assert state().failure is None, state().failure.details
    assert [item.name for item in own.collection.children if item.igllm.run_id] == ["De-rendered demo"]
    assert len(window().scene.collection.children) == 0
    window().scene = own
    found["scene_renamed_during_a_run"] = True
    press_key("ctrl+z")
    yield 1.0


def edit_mode() -> Iterator[float]:
    """The run's end waits, so that it is an undo step of its own."""
    yield from begun()
    with in_viewport():
        bpy.context.view_layer.objects.active = bpy.data.objects["Cube"]
        bpy.ops.object.mode_set(mode="EDIT")
    yield from until(lambda: "Leave this mode" in state().derender.stage)
    yield from settled()
    take_picture("edit_mode")
    with in_viewport():
        bpy.ops.object.mode_set(mode="OBJECT")
    yield from until(lambda: state().derender is None)
    finished = built()
    press_key("ctrl+z")
    yield 1.0
    assert (finished, built(), results()) == (3, 0, []), "a run that met Edit Mode is no undo step of its own"
    assert "Cube" in bpy.data.objects
    found["edit_mode_during_a_run"] = True


def picture_gone() -> Iterator[float]:
    """The picture's file is deleted once the runner has it."""
    copy = HERE / "out" / "going.png"
    copy.write_bytes(Path(PICTURE).read_bytes())
    yield from begun(str(copy))
    copy.unlink()
    yield from until(lambda: state().derender is None)
    assert state().failure is None and built() == 3
    found["picture_deleted_during_a_run"] = True
    press_key("ctrl+z")
    yield 1.0


def cancel_by_the_cross() -> Iterator[float]:
    yield from begun()
    yield from settled()
    xdotool("mousemove", *cross())
    yield 0.3
    xdotool("click", 1)
    yield from until(lambda: state().derender is None)
    assert results() == [] and state().failure is None
    found["cancelled_by_the_cross"] = True


def turned_picture() -> Iterator[float]:
    """The same picture as a JPEG whose rows are stored turned by a quarter: it has to look the same behind the camera."""
    shown = []
    for name, path in (("upright", PICTURE), ("turned", TURNED)):
        use_runner()  # undo takes the panel's settings back, too
        play_fake("success")
        settings().filepath = path
        yield from de_rendered()
        for item in settings().result.objects:
            item.hide_set(item.type != "CAMERA")
        yield from settled()
        take_picture(name)
        view = area()
        top = window().height - view.y - view.height
        shown.append(screen_pixels()[top + 100 : top + view.height, view.x + 100 : view.x + view.width - 300].astype(float))
        press_key("ctrl+z")
        yield 1.0
    difference = float(np.abs(shown[0] - shown[1]).mean())
    found["turned_picture_differs_by"] = round(difference, 2)
    assert difference < 4.0, f"the turned picture is shown otherwise, by {difference:.1f} of 255"


def de_rendered() -> Iterator[float]:
    with in_viewport():
        assert bpy.ops.igllm.derender("INVOKE_DEFAULT") == {"RUNNING_MODAL"}
    yield from until(lambda: state().derender is None)
    assert state().failure is None, state().failure.details


def act_drop() -> Iterator[float]:
    """A picture is dragged out of Blender's file browser onto the viewport."""
    yield from enabled()
    yield from use_existing_python()
    play_fake("success")
    with in_viewport():
        bpy.ops.screen.area_split(direction="HORIZONTAL", factor=0.35)
    browser = min((item for item in window().screen.areas if item.type == "VIEW_3D"), key=lambda item: item.height)
    browser.ui_type = "FILES"
    yield 2.0
    shown = browser.spaces.active
    shown.params.directory = str(HERE / "drop").encode()
    shown.params.display_type = "LIST_VERTICAL"
    yield from settled()
    region = next(item for item in browser.regions if item.type == "WINDOW")
    first_row = region.x + 60, window().height - region.y - region.height + 36
    onto = area().x + 300, window().height - area().y - area().height // 2
    yield from drag(first_row, onto)
    yield 1.5
    take_picture("drop_menu")
    yield from drop_choices()
    yield from until(lambda: state().derender is not None or state().failure is not None)
    assert state().failure is None, state().failure.details
    yield from until(lambda: state().derender is None)
    assert built() == 3 and settings().result.name == "De-rendered photo"
    yield from settled()
    take_picture("dropped")
    found["dropped"] = settings().result.name


def drop_choices() -> Iterator[float]:
    """Choose De-render Image in the menu that Blender shows where several handlers take a file."""
    yield 0.5
    xdotool("key", "d")


def act_quit() -> Iterator[float]:
    """Undo in the middle of a run, open another file in the middle of the next, quit in the middle of the last."""
    yield from enabled()
    yield from use_existing_python()
    cube = bpy.data.objects["Cube"]
    cube.location.x = 1.25
    bpy.ops.ed.undo_push(message="The artist's own step")
    yield from begun()
    press_key("ctrl+z")
    yield 2.0
    assert bpy.data.objects["Cube"].location.x == 0.0, "undo does not work during a run"
    yield from until(lambda: state().derender is None)
    assert state().failure is None and built() == 3, "the run does not survive an undo"
    found["undone_during_a_run"] = True

    yield from begun()
    bpy.ops.wm.read_homefile()
    yield 2.0
    assert state().derender is None
    found["new_file"] = state().failure.sentence
    area().spaces.active.show_region_ui = True
    yield from begun()
    found["quit_during_a_run"] = True


def act_kill() -> Iterator[float]:
    """Report while the run goes on, and wait to be killed."""
    yield from enabled()
    yield from use_existing_python()
    yield from begun()
    report = HERE / "out" / "kill.json"
    report.with_suffix(".new").write_text(json.dumps(found), encoding="utf-8")
    os.replace(report.with_suffix(".new"), report)
    while True:
        yield 1.0


def begun(filepath: str = "") -> Iterator[float]:
    """A run of a slow runner, up to where it has the picture."""
    yield 1.0
    use_runner()
    settings().filepath = filepath or settings().filepath
    play_fake("slow")
    yield from until(tab_is_shown, 0.5)
    with in_viewport():
        assert bpy.ops.igllm.derender("INVOKE_DEFAULT") == {"RUNNING_MODAL"}
    run = state().derender
    yield from until(lambda: run.stage == "Looking slowly" or run.is_over)
    found["pids"] += children()
