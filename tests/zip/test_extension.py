# SPDX-License-Identifier: GPL-3.0-or-later
"""The installed extension in Blender: enabling and disabling, a result and what can be done with it, the shell command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from conftest import Run
from PIL import Image


def last_json(output: str) -> dict[str, object]:
    """What the program printed with show()."""
    line = next(line for line in reversed(output.splitlines()) if line.startswith("SHOWN "))
    found: dict[str, object] = json.loads(line.removeprefix("SHOWN "))
    return found


SHOW = """
import json
def show(**values):
    print("SHOWN " + json.dumps(values))
"""


def test_enabling_and_disabling_ten_times_leaves_nothing(run_blender: Run) -> None:
    output = run_blender(
        SHOW
        + """
import threading
def registered():
    groups = (bpy.types.Operator, bpy.types.Panel, bpy.types.PropertyGroup, bpy.types.AddonPreferences, bpy.types.FileHandler)
    own = [c.__name__ for g in groups for c in g.__subclasses__() if c.__module__.startswith(PACKAGE) and c.is_registered]
    handlers = [f for name in dir(bpy.app.handlers) if isinstance(getattr(bpy.app.handlers, name), list)
                for f in getattr(bpy.app.handlers, name) if f.__module__.startswith(PACKAGE)]
    groups = [hasattr(bpy.types.Scene, "igllm"), hasattr(bpy.types.Collection, "igllm")]
    return len(own), len(handlers), groups, "derender" in dir(bpy.ops.igllm)
enabled = registered()
for _ in range(10):
    addon_utils.disable(PACKAGE)
    disabled = registered()
    addon_utils.enable(PACKAGE)
again = registered()
addon_utils.disable(PACKAGE)
pump = module("ui.jobs")._pump
show(enabled=enabled, again=again, disabled=disabled, timer=bpy.app.timers.is_registered(pump),
     threads=[t.name for t in threading.enumerate() if t.name.startswith("igllm")])
"""
    )

    found = last_json(output)
    assert found["enabled"] == found["again"]
    assert found["enabled"][0] > 20 and found["enabled"][1:] == [3, [True, True], True]
    assert found["disabled"] == [0, 0, [False, False], False]
    assert (found["timer"], found["threads"]) == (False, [])


def test_enabling_imports_only_the_interface_and_nothing_heavy(run_blender: Run) -> None:
    output = run_blender(
        SHOW
        + """
import sys
show(foreign=sorted({name.split(".")[0] for name in IMPORTED if not name.startswith("bl_ext")} - set(sys.stdlib_module_names)),
     own=sorted({".".join(name.split(".")[3:4]) for name in IMPORTED if name.startswith(PACKAGE)}))
"""
    )

    assert last_json(output) == {"foreign": [], "own": ["", "ui"]}


def test_a_script_gets_a_finished_result(run_blender: Run) -> None:
    output = run_blender(
        SHOW
        + """
play("success")
ended = bpy.ops.igllm.derender(filepath=PICTURE, model="fake")
collection = result()
own = [item for item in collection.objects if "igllm_statement" in item]
camera = collection.igllm.camera
show(ended=sorted(ended), name=collection.name, names=[item.name for item in own],
     confidences=[item["igllm_confidence"] for item in own], shapes=[item.data.name for item in own],
     materials=[item.material_slots[0].material.name for item in own],
     camera=bpy.context.scene.camera == camera, behind=camera.data.background_images[0].image.name,
     size=[bpy.context.scene.render.resolution_x, bpy.context.scene.render.resolution_y],
     code=collection.igllm.text.as_string(), failure=failure(),
     lights=sum(item.type == "LIGHT" for item in collection.objects), uncertain=[item.name for item in own if item.show_name])
"""
    )

    found = last_json(output)
    assert found["ended"] == ["FINISHED"]
    assert found["name"] == "De-rendered demo"
    assert found["names"] == ["1 large red rubber cube", "2 small green metal sphere", "3 large blue metal cylinder"]
    assert found["confidences"] == [0.99, 0.9, 0.75]
    assert found["shapes"] == ["CLEVR cube", "CLEVR sphere", "CLEVR cylinder"]
    assert found["materials"] == ["CLEVR rubber red", "CLEVR metal green", "CLEVR metal blue"]
    assert (found["camera"], found["behind"], found["lights"]) == (True, "demo.png", 4)
    assert found["size"] == [320, 240]
    assert str(found["code"]).count("add(") == 3 and str(found["code"]).startswith("camera(")
    assert (found["failure"], found["uncertain"]) == ("", [])


def test_code_and_objects_follow_each_other(run_blender: Run) -> None:
    output = run_blender(
        SHOW
        + """
play("success")
module("ui.preferences").current().uncertain_below = 0.8
bpy.ops.igllm.derender(filepath=PICTURE, model="fake")
text = result().igllm.text
bpy.data.objects["2 small green metal sphere"].location = (1.0, 2.0, 0.35)
updated = sorted(bpy.ops.igllm.update_code())
after_moving = text.as_string()
added = "add(color='gray', size='small', material='rubber', shape='cube', loc=(0, 0, 0.35))\\n"
text.from_string(after_moving.replace("'red'", "'purple'") + added)
rebuilt = sorted(bpy.ops.igllm.rebuild())
names = [item.name for item in result().objects if "igllm_statement" in item]
text.from_string("add(color='gray'")
refused = sorted(bpy.ops.igllm.rebuild())
kept = [item.name for item in result().objects if "igllm_statement" in item]
selected = sorted(bpy.ops.igllm.select(name=names[0]))
kinds = [item.type for item in result().objects]
show(updated=updated, moved="loc=(1.0, 2.0, 0.35)" in after_moving, untouched="loc=(1.75, 1.5, 0.7)" in after_moving,
     rebuilt=rebuilt, names=names, refused=refused, failure=failure(), kept=kept == names,
     selected=[item.name for item in bpy.context.selected_objects],
     lights=kinds.count("LIGHT"), cameras=kinds.count("CAMERA"))
"""
    )

    found = last_json(output)
    assert (found["updated"], found["moved"], found["untouched"]) == (["FINISHED"], True, True)
    assert found["rebuilt"] == ["FINISHED"]
    names = " ".join(found["names"])
    assert len(found["names"]) == 4 and "purple rubber cube" in names and "blue metal cylinder ?" in names
    assert found["refused"] == ["CANCELLED"] and "cannot be read: line 1" in str(found["failure"]) and found["kept"] is True
    assert found["selected"] == [found["names"][0]]
    assert (found["lights"], found["cameras"]) == (4, 1)


def test_what_is_moved_keeps_its_confidence(run_blender: Run) -> None:
    output = run_blender(
        SHOW
        + """
play("success")
bpy.ops.igllm.derender(filepath=PICTURE, model="fake")
bpy.data.objects["3 large blue metal cylinder"].location = (-2.0, 2.5, 0.7)
bpy.ops.igllm.update_code()
bpy.ops.igllm.rebuild()
show(found=sorted([item["igllm_confidence"], item.name[2:], round(item.location.y, 3)] for item in result().objects
                  if "igllm_statement" in item))
"""
    )

    assert last_json(output)["found"] == [
        [0.75, "large blue metal cylinder", 2.5],
        [0.9, "small green metal sphere", -1.25],
        [0.99, "large red rubber cube", 0.5],
    ]


def test_a_picture_that_exif_turns_stands_upright_behind_the_camera_and_in_the_comparison(
    run_blender: Run, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    upright = np.zeros((48, 36, 3), dtype=np.uint8)
    upright[:24] = 200  # light above, dark below
    Image.fromarray(np.rot90(upright)).save(tmp_path / "turned.jpg", exif=exif)
    output = run_blender(
        SHOW
        + f"""
import math
play("success")
bpy.ops.igllm.derender(filepath={str(tmp_path / "turned.jpg")!r}, model="fake")
own = result().igllm
behind = own.camera.data.background_images[0]
images = module("ui.comparison_images")
picture = module("ui.pixels").upright(images._bytes_of(own.picture), own.picture_orientation)
show(size=[own.picture_width, own.picture_height], stored=list(own.picture.size), degrees=round(math.degrees(behind.rotation)),
     scale=round(behind.scale, 4), light=[int(picture[4].mean()), int(picture[-4].mean())], shape=picture.shape)
"""
    )

    found = last_json(output)
    assert (found["size"], found["stored"], found["shape"]) == ([36, 48], [48, 36], [48, 36, 3])
    assert (found["degrees"], found["scale"]) == (-270, 1.3333)
    assert found["light"][0] > 190 and found["light"][1] < 10


def test_a_large_picture_is_put_behind_the_camera_when_the_run_is_over(run_blender: Run, tmp_path: Path) -> None:
    Image.new("RGB", (2000, 1500)).save(tmp_path / "large.jpg")
    output = run_blender(
        SHOW
        + f"""
held = begun("success", {str(tmp_path / "large.jpg")!r})
step_until(held, lambda: len(objects()) == 4)
camera = held._builder.collection_or_none.igllm.camera.data
amid = len(camera.background_images)
step_until(held, lambda: False)
show(amid=amid, after=[item.image.name for item in camera.background_images])
"""
    )

    assert last_json(output) == {"amid": 0, "after": ["large.jpg"]}


def test_a_comparison_is_rendered_measured_and_saved(run_blender: Run, tmp_path: Path) -> None:
    output = run_blender(
        SHOW
        + f"""
play("success")
bpy.ops.igllm.derender(filepath=PICTURE, model="fake")
ended = sorted(bpy.ops.igllm.compare())
own = result().igllm
size = list(own.comparison.size)
own.view = "WIPE"
wiped = list(own.comparison.size)
saved = sorted(bpy.ops.igllm.save_comparison(filepath={str(tmp_path / "page")!r}))
bad = sorted(bpy.ops.igllm.save_comparison(filepath={str(tmp_path / "none" / "page.png")!r}))
show(ended=ended, figures=own.figures, size=size, wiped=wiped, saved=saved, bad=bad, failure=failure(),
     scenes=len(bpy.data.scenes))
"""
    )

    found = last_json(output)
    assert found["ended"] == ["FINISHED"], output
    assert str(found["figures"]).startswith("PSNR ") and "SSIM" in str(found["figures"])
    assert (found["size"], found["wiped"]) == ([3 * 320 + 16, 240], [320, 240])
    assert (found["saved"], found["bad"]) == (["FINISHED"], ["CANCELLED"])
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")
    assert "cannot be written" in str(found["failure"])
    assert found["scenes"] == 1


def test_data_is_generated_beside_the_open_file_cancelled_and_gone_on_with(run_blender: Run, tmp_path: Path) -> None:
    output = run_blender(
        SHOW
        + f"""
settings = bpy.context.scene.igllm.generation
settings.folder, settings.count, settings.width, settings.height, settings.samples = {str(tmp_path)!r}, 3, 64, 48, 1
state = module("ui.jobs").state
before = sorted(item.name for item in bpy.data.objects)
started = sorted(bpy.ops.igllm.generate())
wait_until(lambda: state.generation.fraction > 0 or state.generation.is_over)
bpy.ops.igllm.generate_cancel()
wait_until(lambda: state.generation.is_over)
cancelled = state.generation.sentence
bpy.ops.igllm.generate()
wait_until(lambda: state.generation.is_over)
show(started=started, cancelled=cancelled, done=state.generation.sentence, failed=state.generation.failed,
     same=before == sorted(item.name for item in bpy.data.objects), log=state.generation.details())
"""
    )

    found = last_json(output)
    assert found["started"] == ["FINISHED"]
    assert found["cancelled"] == "Cancelled; the button goes on from there." or "3 samples in" in str(found["cancelled"])
    assert str(found["done"]).startswith("3 samples in") and found["failed"] is False, found["log"]
    assert found["same"] is True
    assert json.loads((tmp_path / "train" / "manifest.json").read_text())["count"] == 3


def test_the_shell_command_generates_and_refuses_with_a_status(run_blender: Run, tmp_path: Path) -> None:
    output = run_blender(
        SHOW
        + f"""
run = module("ui.shell_command").run
ok = run(["generate", "clevr", "--count", "1", "--seed", "1", "--out", {str(tmp_path)!r}, "--width", "32", "--height", "24",
          "--samples", "1", "--workers", "1"])
show(ok=ok, help=run(["--help"]), none=run([]), strange=run(["paint"]), wrong=run(["generate", "clevr"]))
"""
    )

    assert last_json(output) == {"ok": 0, "help": 0, "none": 2, "strange": 2, "wrong": 2}
    assert len(list((tmp_path / "train").glob("*.tar"))) == 1
