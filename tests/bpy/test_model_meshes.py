# SPDX-License-Identifier: GPL-3.0-or-later
"""De-rendering with a model that knows meshes: its library's own, shared and not copied, and boxes with names for lost ones."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

bpy = pytest.importorskip("bpy", reason="needs the bpy wheel")

from PIL import Image  # noqa: E402  (bpy must be known to exist first)

from igllm_addon import derender as derender_module  # noqa: E402
from igllm_addon.core.errors import UsageError  # noqa: E402
from igllm_addon.core.protocol import Prediction  # noqa: E402
from igllm_addon.core.vocabulary_json import vocabulary_to_json  # noqa: E402
from igllm_addon.derender import Derendered, derender  # noqa: E402
from igllm_addon.learning.card import config_with_meshes  # noqa: E402
from igllm_addon.model_runner.pictures import picture_from_bytes  # noqa: E402
from igllm_addon.render_templates.generate_command import measurer_command  # noqa: E402
from igllm_addon.render_templates.meshes.importers import names_in_blend, save_objects  # noqa: E402
from igllm_addon.render_templates.meshes.indexing import up_to_date_catalogue  # noqa: E402
from igllm_addon.render_templates.meshes.model_template import chosen_template, facts_of, template_from_facts  # noqa: E402
from igllm_addon.source import Source  # noqa: E402

BOX = "v {x} 0 0\nv 0 1 0\nv 0 0 2\nv 0 0 0\nf 1 2 3\nf 1 4 2\nf 2 4 3\nf 1 3 4\n"
CODE = """add(shape='tall', loc=(-0.3, 0, 0.1), rotation=(0.1, 0.2, 0.3))
add(shape='tall', loc=(0.3, 0.1, 0), rotation=(0, 0, 1.5))
add(shape='wide', loc=(0, 0.2, -0.3), rotation=(1, 0, 0))
"""


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two meshes, looked at."""
    monkeypatch.setenv("IGLLM_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / "tall.obj").write_text(BOX.format(x=1))
    (folder / "wide.obj").write_text(BOX.format(x=5))
    up_to_date_catalogue(str(folder), measurer_command, previews=False)
    return folder


def learnt_config(library: Path, checkpoint: Path) -> Path:
    """The config.json of a model that learnt this library, with as much in it as templates look at."""
    catalogue = up_to_date_catalogue(str(library), measurer_command, previews=False).catalogue
    vocabulary = catalogue.vocabulary("shapenet", ("tall", "wide"), 4)
    entries = [asdict(catalogue.entry(word)) for word in ("tall", "wide")]
    checkpoint.mkdir(parents=True)
    path = checkpoint / "config.json"
    plain = json.dumps({"vocabulary": vocabulary_to_json(vocabulary)})
    path.write_text(config_with_meshes(plain, str(library), entries))
    return path


def derendered(config: Path, out: Path, monkeypatch: pytest.MonkeyPatch, library: str | None = None) -> Derendered:
    """The walk of `igllm derender`, but for the runner, in whose place CODE is answered."""
    monkeypatch.setattr(
        derender_module, "predict", lambda *_: Prediction(id=1, code=CODE, confidences=(0.9, 0.8, 0.7), model="mine", seconds={})
    )
    picture = out.parent / "photo.png"
    Image.new("RGB", (64, 48), (120, 110, 100)).save(picture)
    source = Source(picture.name, picture.read_bytes(), picture_from_bytes(picture.read_bytes(), picture.name))
    template = chosen_template(config, None, library)
    return derender(source, out, model="mine", template=template, samples=1, runner=[], report=lambda stage, fraction: None)


def meshes_in(blend: Path) -> dict[str, tuple[int, int, str]]:
    """What scene.blend shows: word -> (objects, faces of the one mesh, why it is a box)."""
    bpy.ops.wm.open_mainfile(filepath=str(blend))
    found: dict[str, tuple[int, int, str]] = {}
    for mesh in bpy.data.meshes:
        if "igllm_shape" in mesh and mesh.users:
            found[mesh["igllm_shape"]] = (mesh.users, len(mesh.polygons), mesh.get("igllm_missing", ""))
    return found


def test_objects_of_one_shape_share_the_librarys_mesh(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = learnt_config(library, tmp_path / "model" / "checkpoint")

    result = derendered(config, tmp_path / "out", monkeypatch)

    assert result.missing == ()
    assert meshes_in(tmp_path / "out" / "scene.blend") == {"tall": (2, 4, ""), "wide": (1, 4, "")}
    placed = next(item for item in bpy.data.objects if item.name == "2 tall")
    assert tuple(placed.location) == pytest.approx((0.3, 0.1, 0.0))
    assert tuple(placed.rotation_euler) == pytest.approx((0.0, 0.0, 1.5))
    assert max(placed.dimensions) < 1.0


def test_a_mesh_that_is_gone_becomes_a_box_of_its_size_with_its_name(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = learnt_config(library, tmp_path / "model" / "checkpoint")
    (library / "wide.obj").unlink()

    result = derendered(config, tmp_path / "out", monkeypatch)

    shown = meshes_in(tmp_path / "out" / "scene.blend")
    assert (shown["tall"][1], shown["wide"][1]) == (4, 6)
    assert len(result.missing) == 1 and result.missing[0].startswith("wide is shown as a box, because ")
    box = next(item for item in bpy.data.objects if item.name == "3 wide")
    assert box.show_name
    assert sorted(box.dimensions) == pytest.approx(sorted(5 / 30**0.5 * edge for edge in (1.0, 0.2, 0.4)), abs=1e-3)


def test_a_whole_library_that_is_gone_is_no_crash(library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = learnt_config(library, tmp_path / "model" / "checkpoint")
    library.rename(tmp_path / "elsewhere")

    gone = derendered(config, tmp_path / "out", monkeypatch)
    named = derendered(config, tmp_path / "again", monkeypatch, str(tmp_path / "elsewhere"))

    assert [sentence.split()[0] for sentence in gone.missing] == ["tall", "wide"]
    # The folder that --library names has no catalogue yet, so that nothing is known of its files.
    assert [sentence.split()[0] for sentence in named.missing] == ["tall", "wide"]


def test_a_library_that_moved_along_with_its_model_is_found(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = learnt_config(library, tmp_path / "model" / "checkpoint")
    library.rename(tmp_path / "model" / "library")

    result = derendered(config, tmp_path / "out", monkeypatch)

    assert result.missing == ()


def test_a_model_that_was_trained_by_hand_shows_the_library_that_is_named(
    library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = learnt_config(library, tmp_path / "model" / "checkpoint")
    value = json.loads(config.read_text())
    config.write_text(json.dumps({"vocabulary": value["vocabulary"]}))

    shipped = derendered(config, tmp_path / "shipped", monkeypatch)
    named = derendered(config, tmp_path / "named", monkeypatch, str(library))

    assert len(shipped.missing) == 2 and "has no mesh 'tall'" in shipped.missing[0]
    assert named.missing == ()


def test_a_mesh_that_comes_back_replaces_its_box(library: Path, tmp_path: Path) -> None:
    config = json.loads(learnt_config(library, tmp_path / "model" / "checkpoint").read_text())
    template = template_from_facts("shapenet", facts_of(config, tmp_path / "model" / "checkpoint"))
    (library / "tall.obj").rename(tmp_path / "tall.obj")
    side: Any = template.blender_side()
    bpy.ops.wm.read_factory_settings(use_empty=True)
    item = derender_module.parse(CODE, template.vocabulary).scene.objects[0]

    box = side.new_object(item, 1)
    (tmp_path / "tall.obj").rename(library / "tall.obj")
    found = side.new_object(item, 2)

    assert (len(box.data.polygons), len(found.data.polygons)) == (6, 4)


def test_a_config_of_another_kind_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"vocabulary": {"template": "dinner"}}')
    broken = tmp_path / "broken.json"
    broken.write_text("[]")

    with pytest.raises(UsageError, match="There is no template 'dinner'"):
        chosen_template(tmp_path / "config.json", None, None)
    with pytest.raises(UsageError, match="broken.json does not tell its template"):
        chosen_template(broken, None, None)


def test_saved_objects_are_those_that_were_chosen_and_stay_as_they_were(tmp_path: Path) -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.mesh.primitive_cube_add()
    cube = bpy.context.object
    bpy.ops.mesh.primitive_cone_add()
    cone = bpy.context.object
    cone.parent = cube  # so that the file has to hold it, too
    bpy.ops.mesh.primitive_monkey_add()

    save_objects([cone], tmp_path / "mine" / "mine.blend")

    assert names_in_blend(tmp_path / "mine" / "mine.blend") == ["Cone"]
    assert (cone.asset_data, cone.use_fake_user) == (None, False)
