# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything that can go wrong while a picture is de-rendered: a sentence, nothing half-built, no process left."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import psutil
import pytest
from conftest import Run, Start
from test_extension import SHOW, last_json

PROCESS_TESTS = str(Path(__file__).resolve().parents[1] / "process")


def has_ended(pid: int) -> bool:
    sys.path.insert(0, PROCESS_TESTS)
    from runner_driver import has_ended as ended

    return ended(pid)


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("crash", "killed by SIGABRT"),
        ("garbage", "something that is no message"),
        ("out-of-memory", "not enough memory"),
        ("wrong-version", "update the add-on"),
    ],
)
def test_a_failing_runner_is_a_sentence_and_leaves_nothing(run_blender: Run, mode: str, said: str) -> None:
    output = run_blender(
        SHOW
        + f"""
camera = bpy.context.scene.camera
play({mode!r})
ended = sorted(bpy.ops.igllm.derender(filepath=PICTURE, model="fake"))
found = module("ui.jobs").state.failure
show(ended=ended, sentence=found.sentence, details=found.details, objects=objects(), result=result() is None,
     collections=[item.name for item in bpy.data.collections if item.igllm.run_id], camera=bpy.context.scene.camera == camera)
"""
    )

    found = last_json(output)
    assert found["ended"] == ["CANCELLED"]
    assert said in str(found["sentence"]) and "\n" not in str(found["sentence"])
    assert "demo.png" in str(found["details"]) and "platform" in str(found["details"])
    assert (found["objects"], found["collections"], found["result"], found["camera"]) == ([], [], True, True)


def test_a_runner_killed_while_it_decodes_is_a_sentence_and_the_next_run_is_served(run_blender: Run) -> None:
    output = run_blender(
        SHOW
        + """
import os, signal
held = begun("slow")
step_until(held, lambda: held._run.stage == "Looking slowly")
os.kill(runner_pid(), signal.SIGKILL)
ended = step_until(held, lambda: False)
sentence = failure()
play("success")
again = bpy.ops.igllm.derender(filepath=PICTURE, model="fake")
show(ended=sorted(ended), sentence=sentence, again=sorted(again), failure=failure())
"""
    )

    found = last_json(output)
    assert (found["ended"], found["again"], found["failure"]) == (["CANCELLED"], ["FINISHED"], "")
    assert "killed by SIGKILL" in str(found["sentence"])


def test_a_runner_that_hangs_is_ended_after_the_stated_time(run_blender: Run) -> None:
    output = run_blender(
        SHOW
        + """
module("ui.preferences").current().patience_s = 5
held = begun("hang")
step_until(held, lambda: held._run.stage == "Looking")
pid = runner_pid()
ended = step_until(held, lambda: False)
show(ended=sorted(ended), sentence=failure(), pid=pid)
"""
    )

    found = last_json(output)
    assert found["ended"] == ["CANCELLED"]
    assert "said nothing for 5 seconds" in str(found["sentence"])
    assert has_ended(int(str(found["pid"])))


def test_a_run_that_is_cancelled_leaves_the_scene_as_it_was(run_blender: Run) -> None:
    output = run_blender(
        SHOW
        + """
def blocks():
    kinds = ("objects", "meshes", "materials", "images", "cameras", "lights", "collections", "texts")
    return {kind: sorted(item.name for item in getattr(bpy.data, kind)) for kind in kinds}
before = blocks()
held = begun("success")
step_until(held, lambda: len(objects()) == 4)
amid = blocks()
held._run.cancel()
ended = step_until(held, lambda: False)
show(ended=sorted(ended), failure=failure(), before=before, after=blocks(), grown=[k for k in amid if amid[k] != before[k]])
"""
    )

    found = last_json(output)
    assert (found["ended"], found["failure"]) == (["CANCELLED"], "")
    assert found["grown"] == ["objects", "meshes", "materials", "images", "cameras", "collections"]
    assert found["after"] == found["before"]


def test_what_the_artist_wears_too_outlives_a_cancelled_run(run_blender: Run) -> None:
    output = run_blender(
        SHOW
        + """
held = begun("success")
step_until(held, lambda: len(objects()) == 4)
worn = next(item for item in bpy.data.objects if "igllm_statement" in item)
bpy.data.objects["Cube"].data.materials[0] = worn.material_slots[0].material
held._run.cancel()
step_until(held, lambda: False)
show(worn=bpy.data.objects["Cube"].material_slots[0].material.name, materials=sorted(item.name for item in bpy.data.materials))
"""
    )

    found = last_json(output)
    assert found["worn"] == "CLEVR rubber red" and found["worn"] in found["materials"]
    assert "CLEVR metal green" not in found["materials"]


@pytest.mark.parametrize("change", ["scene.name = 'Renamed'", "bpy.data.scenes.remove(scene)"])
def test_a_scene_that_is_renamed_or_deleted_during_a_run_is_no_obstacle(run_blender: Run, change: str) -> None:
    output = run_blender(
        SHOW
        + f"""
other = bpy.data.scenes.new("Other")
held = begun("slow")
step_until(held, lambda: held._run.stage == "Looking slowly")
scene = bpy.context.scene
{change}
ended = step_until(held, lambda: False)
show(ended=sorted(ended), failure=failure(),
     where=[item.name for item in bpy.data.scenes if any(child.igllm.run_id for child in item.collection.children)])
"""
    )

    found = last_json(output)
    assert (found["ended"], found["failure"]) == (["FINISHED"], "")
    assert found["where"] in (["Renamed"], ["Other"])


def test_a_run_that_is_over_waits_for_object_mode_where_undo_holds_whole_scenes(run_blender: Run) -> None:
    output = run_blender(
        SHOW
        + """
held = begun("success")
bpy.context.view_layer.objects.active = bpy.data.objects["Cube"]
bpy.ops.object.mode_set(mode="EDIT")
step_until(held, lambda: held._run.stage == "Leave this mode to finish")
waits = [held.step(bpy.context) for _ in range(3)]
bpy.ops.object.mode_set(mode="OBJECT")
show(waits=waits, ended=sorted(held.step(bpy.context)), objects=len(objects()))
"""
    )

    assert last_json(output) == {"waits": [None, None, None], "ended": ["FINISHED"], "objects": 9}


def test_a_picture_file_that_is_deleted_during_a_run_is_missing_behind_the_camera_alone(run_blender: Run, tmp_path: Path) -> None:
    copy = tmp_path / "going.png"
    copy.write_bytes((Path(__file__).resolve().parents[2] / "docs" / "pictures" / "demo.png").read_bytes())
    output = run_blender(
        SHOW
        + f"""
import os
held = begun("slow", {str(copy)!r})
step_until(held, lambda: held._run.stage == "Looking slowly")
os.remove({str(copy)!r})
ended = step_until(held, lambda: False)
show(ended=sorted(ended), failure=failure(), objects=len(objects()), picture=result().igllm.picture is None)
"""
    )

    assert last_json(output) == {"ended": ["FINISHED"], "failure": "", "objects": 9, "picture": True}


def test_what_was_built_and_is_undone_during_a_run_comes_again(run_blender: Run) -> None:
    output = run_blender(
        SHOW
        + """
held = begun("success")
step_until(held, lambda: len(objects()) >= 3)
for item in list(bpy.data.objects):
    if "igllm_run" in item:
        bpy.data.objects.remove(item)
bpy.data.collections.remove(held._builder.collection_or_none)
ended = step_until(held, lambda: False)
show(ended=sorted(ended), names=[item.name for item in result().objects if "igllm_statement" in item])
"""
    )

    found = last_json(output)
    assert found["ended"] == ["FINISHED"]
    assert found["names"] == ["1 large red rubber cube", "2 small green metal sphere", "3 large blue metal cylinder"]


def test_parts_of_a_run_that_an_undo_brings_back_are_taken_away(run_blender: Run) -> None:
    output = run_blender(
        SHOW
        + """
held = begun("success")
step_until(held, lambda: len(objects()) >= 2)
held.drop()
made = bpy.data.collections.new("brought back")
made.igllm.run_id = "long over"
play("success")
bpy.ops.igllm.derender(filepath=PICTURE, model="fake")
module("ui.file_handlers")._remove_unfinished()
show(collections=[item.name for item in bpy.data.collections if item.igllm.run_id])
"""
    )

    assert last_json(output) == {"collections": ["De-rendered demo"]}


@pytest.mark.parametrize("opening", ["read_homefile(app_template='')", "read_factory_settings()"])
def test_a_new_file_ends_the_run_and_its_runner(run_blender: Run, opening: str) -> None:
    output = run_blender(
        SHOW
        + f"""
held = begun("slow")
step_until(held, lambda: held._run.stage == "Looking slowly")
pid = runner_pid()
load_pre = module("ui.file_handlers")._before_another_file
load_pre()
sentence = failure()
bpy.ops.wm.{opening}
show(sentence=sentence, over=module("ui.jobs").state.derender is None, pid=pid, objects=objects())
"""
    )

    found = last_json(output)
    assert found["sentence"] == "The file was closed while its picture was de-rendered; start again." and found["over"] is True
    assert has_ended(int(str(found["pid"]))) and found["objects"] == []


def test_two_clicks_are_one_run(run_blender: Run) -> None:
    output = run_blender(
        SHOW
        + """
held = begun("slow")
can = bpy.ops.igllm.derender.poll()
try:
    bpy.ops.igllm.derender(filepath=PICTURE, model="fake")
    said = ""
except RuntimeError as error:
    said = str(error)
held.drop()
show(can=can, said=said, free=bpy.ops.igllm.derender.poll())
"""
    )

    found = last_json(output)
    assert (found["can"], found["free"]) == (False, True)
    assert "being de-rendered already" in str(found["said"])


def test_pictures_that_are_not_there_are_sentences(run_blender: Run, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("Dear diary")
    output = run_blender(
        SHOW
        + f"""
play("success")
said = {{}}
def attempt(name, **options):
    said[name] = (sorted(bpy.ops.igllm.derender(model="fake", **options)), failure())
settings = bpy.context.scene.igllm
attempt("missing file", filepath="/nowhere/photo.png")
attempt("no picture", filepath={str(tmp_path / "text.png")!r})
attempt("no file chosen")
settings.source = "IMAGE"
attempt("no image chosen")
settings.image = bpy.data.images.new("empty", 8, 8)
settings.image.source = "FILE"
settings.image.filepath = "/nowhere/empty.png"
settings.image.reload()
attempt("image without data")
settings.source = "RENDER"
attempt("nothing rendered")
settings.source = "VIEWPORT"
attempt("no viewport")
settings.source, settings.model, settings.filepath = "FILE", "FOLDER", PICTURE
said["no model"] = (sorted(bpy.ops.igllm.derender()), failure())
show(**said)
"""
    )

    found = last_json(output)
    endings = {ended[0] for ended, _ in found.values()}
    sentences = {name: sentence for name, (_, sentence) in found.items()}
    assert endings == {"CANCELLED"}
    assert sentences["missing file"] == "There is no picture file /nowhere/photo.png; choose another."
    assert "text.png is not a picture" in sentences["no picture"] or "text.png cannot be read" in sentences["no picture"]
    assert "No picture file is chosen" in sentences["no file chosen"]
    assert "No image is chosen" in sentences["no image chosen"]
    assert "has no pixels" in sentences["image without data"]
    assert "Nothing has been rendered yet" in sentences["nothing rendered"]
    assert "no 3D viewport" in sentences["no viewport"]
    assert "No model folder is chosen" in sentences["no model"]


def test_pictures_of_every_source_are_served_in_a_scene_without_a_camera(run_blender: Run) -> None:
    output = run_blender(
        SHOW
        + """
play("success")
bpy.ops.wm.read_factory_settings(use_empty=True)
addon_utils.enable(PACKAGE, default_set=True)
play("success")
settings = bpy.context.scene.igllm
settings.source, settings.image = "IMAGE", bpy.data.images.load(PICTURE)
kinds = {"file image": sorted(bpy.ops.igllm.derender(model="fake"))}
settings.image.pixels[0] = 0.5
kinds["painted image"] = sorted(bpy.ops.igllm.derender(model="fake"))
settings.image = bpy.data.images.new("float", 32, 24, float_buffer=True)
kinds["float image"] = sorted(bpy.ops.igllm.derender(model="fake"))
camera = bpy.context.scene.camera
show(kinds=kinds, failure=failure(), camera=camera == result().igllm.camera, scene=camera is not None)
"""
    )

    found = last_json(output)
    assert set(map(tuple, found["kinds"].values())) == {("FINISHED",)}
    assert (found["failure"], found["camera"], found["scene"]) == ("", True, True)


def test_a_folder_that_cannot_be_written_is_a_sentence_where_it_is_needed(run_blender: Run, tmp_path: Path) -> None:
    (tmp_path / "occupied").write_text("a file stands where a folder is wanted")
    output = run_blender(
        SHOW
        + f"""
settings = bpy.context.scene.igllm.generation
settings.folder = {str(tmp_path / "occupied")!r}
data = (sorted(bpy.ops.igllm.generate()), failure())
settings.folder = "//data"
unsaved = (sorted(bpy.ops.igllm.generate()), failure())
folders = module("ui.folders")
def refuse(*args, **options):
    raise PermissionError(13, "Permission denied")
bpy.utils.extension_path_user = refuse
play("success")
show(data=data, unsaved=unsaved, log=folders.log_path_or_none("x.log") is None,
     derender=sorted(bpy.ops.igllm.derender(filepath=PICTURE, model="fake")))
"""
    )

    found = last_json(output)
    assert found["data"][0] == ["CANCELLED"] and "cannot be written" in found["data"][1]
    assert found["unsaved"][0] == ["CANCELLED"] and "save the file" in found["unsaved"][1]
    assert (found["log"], found["derender"]) == (True, ["FINISHED"])


WAITING = """
held = begun("slow")
step_until(held, lambda: held._run.stage == "Looking slowly")
print("RUNNER", runner_pid(), flush=True)
"""


def announced_pid(start_blender: Start, program: str, word: str) -> tuple[int, object]:
    blender = start_blender(program)
    assert blender.stdout is not None
    for line in blender.stdout:
        if line.startswith(word):
            return int(line.split()[1]), blender
    raise AssertionError(f"{word} was not announced")


def test_no_process_remains_when_blender_quits_during_a_run(start_blender: Start) -> None:
    pid, blender = announced_pid(start_blender, WAITING, "RUNNER")

    blender.communicate(timeout=120)

    assert blender.returncode == 0
    assert has_ended(pid)


def test_no_process_remains_when_blender_is_killed_during_a_run(start_blender: Start) -> None:
    pid, blender = announced_pid(start_blender, WAITING + "time.sleep(600)\n", "RUNNER")

    os.kill(blender.pid, signal.SIGKILL)
    blender.communicate()

    assert has_ended(pid)


def test_no_process_remains_when_blender_is_killed_while_it_generates(start_blender: Start, tmp_path: Path) -> None:
    program = f"""
settings = bpy.context.scene.igllm.generation
settings.folder, settings.count = {str(tmp_path)!r}, 1000
bpy.ops.igllm.generate()
job = module("ui.jobs").state.generation
wait_until(lambda: job.line != "Starting" or job.is_over)
print("GENERATE", job.pid, flush=True)
time.sleep(600)
"""
    pid, blender = announced_pid(start_blender, program, "GENERATE")
    family = [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]

    os.kill(blender.pid, signal.SIGKILL)
    blender.communicate()

    assert len(family) > 1
    assert [number for number in family if not has_ended(number)] == []
