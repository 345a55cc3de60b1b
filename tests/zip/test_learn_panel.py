# SPDX-License-Identifier: GPL-3.0-or-later
"""Learn These Assets in the installed extension: selected objects become a model in the list, which shows their meshes."""

from __future__ import annotations

from conftest import Run
from test_extension import SHOW, last_json

SHIPPED = ["clevr-small", "shapenet-small", "sixdof-small"]
SCENE = """
import os, tempfile
os.environ["IGLLM_MODELS"] = tempfile.mkdtemp()
os.environ["IGLLM_CACHE"] = tempfile.mkdtemp()
os.environ["OMP_NUM_THREADS"] = "1"
from pathlib import Path
preferences = module("ui.preferences").current()
preferences.runner, preferences.python_path = "PYTHON", os.environ["IGLLM_TEST_RUNNER"]
bpy.data.batch_remove(list(bpy.data.objects))
import session
session.PATIENCE_S = 450.0  # it starts Blender and torch, and trains
def cone(name, depth):
    bpy.ops.mesh.primitive_cone_add(vertices=5, depth=depth)
    bpy.context.object.name = name
    return bpy.context.object
made = [cone("flat", 0.5), cone("tall", 4.0), cone("left out", 2.0)]
for item in made:
    item.select_set(item.name != "left out")
settings = bpy.context.scene.igllm.learning
settings.name, settings.minutes = "my cones", 0.1
jobs = module("ui.jobs")
models = Path(os.environ["IGLLM_MODELS"])
def listed():
    return [entry[1] for entry in module("ui.properties")._models(None, None)]
"""


def test_the_selected_objects_become_a_model_after_a_pause(run_blender: Run) -> None:
    output = run_blender(
        SHOW
        + SCENE
        + """
bpy.ops.igllm.learn()
again = bpy.ops.igllm.learn.poll()
wait_until(lambda: "ictures: " in jobs.state.learning.line or jobs.state.learning.is_over)
bpy.ops.igllm.learn_cancel()
wait_until(lambda: jobs.state.learning.is_over)
paused = [jobs.state.learning.sentence, jobs.state.learning.failed, listed()]
bpy.ops.igllm.learn()
wait_until(lambda: jobs.state.learning.is_over)
job = jobs.state.learning
if job.failed:
    print(job.details())
config = json.loads((models / "my-cones" / "checkpoint" / "config.json").read_text())
refused = bpy.ops.igllm.learn()
show(again=again, paused=paused, failed=job.failed, sentence=job.sentence, listed=listed(), refused=[sorted(refused), failure()],
     words=config["vocabulary"]["words"]["shape"], library=config["meshes"]["library"] == str(models / "my-cones" / "library"),
     marked=[item.name for item in made if item.asset_data is not None])
"""
    )

    found = last_json(output)
    assert found["again"] is False
    assert found["paused"] == ["Cancelled; Go On takes it up from there.", False, [*SHIPPED, "Other…"]]
    assert found["failed"] is False
    assert str(found["sentence"]).startswith("“my-cones” is in the list of models: right mesh")
    assert found["listed"] == [*SHIPPED, "my-cones", "Other…"]
    assert found["refused"] == [
        ["CANCELLED"],
        "There is a model “my-cones” already; write another name, or delete that one.",
    ]
    assert found["words"] == ["my-cones_flat", "my-cones_tall"]
    assert (found["library"], found["marked"]) == (True, [])


def test_what_cannot_be_learnt_is_said_in_a_sentence(run_blender: Run) -> None:
    output = run_blender(
        SHOW
        + SCENE
        + """
said = []
def tried():
    said.append([sorted(bpy.ops.igllm.learn()), failure()])
bpy.ops.object.select_all(action="DESELECT")
tried()
settings.what = "MARKED"
tried()
settings.name = " // "
tried()
show(said=said, left=[path.name for path in models.iterdir()], deletable=bpy.ops.igllm.learn_remove.poll())
"""
    )

    assert last_json(output) == {
        "said": [
            [["CANCELLED"], "No mesh is selected; select some, or choose Marked as Assets."],
            [["CANCELLED"], "No mesh of this file is marked as an asset; mark some, or choose Selected Objects."],
            [["CANCELLED"], "A model needs a name of letters or digits, got ' // '; write another."],
        ],
        "left": [],
        "deletable": False,
    }


def test_a_result_has_the_models_own_meshes_and_keeps_them_without_the_model(run_blender: Run) -> None:
    output = run_blender(
        SHOW
        + SCENE
        + """
from dataclasses import asdict
importers, indexing = module("render_templates.meshes.importers"), module("render_templates.meshes.indexing")
generate_command, card = module("render_templates.generate_command"), module("learning.card")
vocabulary_json = module("core.vocabulary_json")
library = models / "cones" / "library"
importers.save_objects(made[:2], library / "cones.blend")
catalogue = indexing.up_to_date_catalogue(str(library), generate_command.measurer_command, previews=False).catalogue
words = tuple(sorted(catalogue.entries))
vocabulary = vocabulary_json.vocabulary_to_json(catalogue.vocabulary("shapenet", words, 4))
entries = [asdict(catalogue.entry(word)) for word in words]
config = card.config_with_meshes(json.dumps({"vocabulary": vocabulary}), str(library), entries)
checkpoint = models / "cones" / "checkpoint"
checkpoint.mkdir()
(checkpoint / "config.json").write_text(config)
order, builder = module("ui.derender_order"), module("ui.result_builder")
bpy.context.scene.igllm.model = str(models / "cones")
asked, plan = order.order_and_plan(bpy.context, PICTURE, "", ("true",))
built = builder.ResultBuilder(plan)
built.add(f"add(shape='{words[0]}', loc=(0.2, 0, 0), rotation=(0, 0, 1))\\n", 0.9)
built.add(f"add(shape='{words[0]}', loc=(-0.2, 0, 0), rotation=(0, 1, 0))\\n", 0.8)
collection = built.finish(1.0)
own = [item for item in collection.objects if "igllm_statement" in item]
shared = own[0].data == own[1].data
faces = len(own[0].data.polygons)
import shutil
shutil.rmtree(models / "cones")
own[0].location.x = 0.5
updated = sorted(bpy.ops.igllm.update_code())
collection.igllm.text.write(f"add(shape='{words[1]}', loc=(0, 0, 0), rotation=(0, 0, 0))\\n")
rebuilt = sorted(bpy.ops.igllm.rebuild())
own = [item for item in collection.objects if "igllm_statement" in item]
missing = module("render_templates.meshes.read").missing_meshes(own)
show(asked=asked.model == str(models / "cones"), shape=list(asked.vocabulary.words["shape"]), shared=shared, faces=faces,
     updated=updated, rebuilt=rebuilt, failure=failure(), names=[item.name for item in own], missing=len(missing),
     boxed=[len(item.data.polygons) for item in own], labelled=[item.show_name for item in own],
     code=collection.igllm.text.as_string().count("0.5"))
"""
    )

    found = last_json(output)
    assert (found["asked"], found["shape"]) == (True, ["cones_flat", "cones_tall"])
    assert (found["shared"], found["faces"]) == (True, 6)
    assert (found["updated"], found["rebuilt"], found["failure"]) == (["FINISHED"], ["FINISHED"], "")
    assert found["names"] == ["1 cones_tall", "2 cones_flat", "3 cones_flat"]
    assert (found["missing"], found["boxed"], found["labelled"]) == (1, [6, 6, 6], [True, False, False])
    assert found["code"] == 1
