# SPDX-License-Identifier: GPL-3.0-or-later
"""Libraries of meshes without Blender: names, the catalogue's upkeep with a made-up measurer, what is skipped, symmetries."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from igllm_addon.core.errors import RenderError, UsageError
from igllm_addon.core.rotations import matrix_from_yaw
from igllm_addon.render_templates.assets_command import main
from igllm_addon.render_templates.meshes.catalogue import SHIPPED, read_catalogue, read_catalogue_or_none
from igllm_addon.render_templates.meshes.find_symmetry import find_symmetry
from igllm_addon.render_templates.meshes.indexing import Update, up_to_date_catalogue
from igllm_addon.render_templates.meshes.scan import scan
from igllm_addon.render_templates.meshes.shipped import shipped_models, write_shipped_meshes

# Answers like measuring.py: files named broken are skipped, files named deadly kill it.
MEASURER = """
import json, sys
job = json.loads(sys.stdin.readline())
print(json.dumps({"igllm": "ready"}), flush=True)
for line in sys.stdin:
    file = json.loads(line)
    if "deadly" in file["path"]:
        sys.stderr.write("Segmentation fault\\n")
        sys.exit(3)
    if "broken" in file["path"]:
        bad = {"path": file["path"], "reason": "it holds no faces", "bytes": file["bytes"], "modified_ns": file["modified_ns"]}
        print(json.dumps({"igllm": "measured", "path": file["path"], "meshes": [], "skipped": [bad]}), flush=True)
        continue
    import hashlib, pathlib
    stated = job["stated"].get(file["word"])
    entry = {
        "word": file["word"], "class_name": file["class_name"], "path": file["path"], "object_name": None,
        "size": [0.6, 0.6, 0.5], "original_extent": 2.0, "faces": 12, "symmetry": stated or [],
        "symmetry_is_stated": stated is not None, "warnings": [], "bytes": file["bytes"], "modified_ns": file["modified_ns"],
        "sha256": hashlib.sha256((pathlib.Path(job["library"]) / file["path"]).read_bytes()).hexdigest(), "preview": False,
    }
    print("Blender says something", flush=True)
    print(json.dumps({"igllm": "measured", "path": file["path"], "meshes": [entry], "skipped": []}), flush=True)
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("IGLLM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    for name in ("chairs/red chair.obj", "chairs/red chair.ply", "loose.stl", "chairs/readme.txt", ".hidden.obj"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def index(folder: Path) -> Update:
    return up_to_date_catalogue(str(folder), lambda: [sys.executable, "-c", MEASURER])


def test_a_loose_folder_names_meshes_by_folder_and_file(library: Path) -> None:
    found = scan(library)

    assert [(item.word, item.class_name, item.path) for item in found] == [
        ("chairs_red-chair", "chairs", "chairs/red chair.obj"),
        ("chairs_red-chair.ply", "chairs", "chairs/red chair.ply"),
        ("loose", None, "loose.stl"),
    ]


def test_shapenets_layout_is_named_by_its_taxonomy(tmp_path: Path) -> None:
    (tmp_path / "03001627/1a2b/models").mkdir(parents=True)
    (tmp_path / "03001627/1a2b/models/model_normalized.obj").write_text("v 0 0 0")
    (tmp_path / "03001627/empty/models").mkdir(parents=True)
    (tmp_path / "taxonomy.json").write_text('[{"synsetId": "03001627", "name": "chair,seat", "children": [], "numInstances": 1}]')

    found = scan(tmp_path)

    assert [(item.word, item.class_name) for item in found] == [("chair_1a2b", "chair")]


def test_shapenet_without_a_taxonomy_has_synsets_for_classes(tmp_path: Path) -> None:
    (tmp_path / "03001627/1a2b/models").mkdir(parents=True)
    (tmp_path / "03001627/1a2b/models/model_normalized.obj").write_text("v 0 0 0")

    assert [item.word for item in scan(tmp_path)] == ["03001627_1a2b"]


def test_a_broken_taxonomy_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "03001627").mkdir()
    (tmp_path / "taxonomy.json").write_text("{]")

    with pytest.raises(UsageError, match="is no taxonomy as ShapeNetCore has it"):
        scan(tmp_path)


def test_a_folder_without_meshes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no meshes; expected files of the kinds .obj, .ply"):
        scan(tmp_path)
    with pytest.raises(UsageError, match="There is no folder"):
        scan(tmp_path / "nowhere")


def test_a_second_look_measures_nothing(library: Path) -> None:
    first, second = index(library), index(library)

    assert (first.measured, second.measured) == (3, 0)
    assert second.catalogue == first.catalogue


def test_a_changed_file_is_measured_again_and_a_removed_one_forgotten(library: Path) -> None:
    index(library)
    (library / "loose.stl").write_text("another mesh")
    (library / "chairs/red chair.ply").unlink()

    update = index(library)

    assert update.measured == 1
    assert sorted(update.catalogue.entries) == ["chairs_red-chair", "loose"]


def test_a_changed_texture_is_a_changed_mesh(library: Path) -> None:
    index(library)
    (library / "loose.png").write_bytes(b"picture")

    assert index(library).measured == 1


def test_broken_and_deadly_files_are_skipped_and_the_rest_goes_on(library: Path) -> None:
    (library / "broken.obj").write_text("nothing")
    (library / "a deadly one.fbx").write_text("boom")

    update = index(library)

    assert sorted(update.catalogue.entries) == ["chairs_red-chair", "chairs_red-chair.ply", "loose"]
    assert [(item.path, item.reason) for item in update.catalogue.skipped] == [
        ("a deadly one.fbx", "Blender ended over it (Segmentation fault)"),
        ("broken.obj", "it holds no faces"),
    ]
    assert index(library).measured == 0


def test_a_stated_symmetry_overrides_and_can_be_taken_back(library: Path) -> None:
    index(library)
    (library / "igllm_symmetries.json").write_text(json.dumps({"loose": [[0, 0, 1, 0]]}))

    stated = index(library)
    (library / "igllm_symmetries.json").unlink()
    back = index(library)

    assert (stated.measured, back.measured) == (1, 1)
    assert stated.catalogue.entry("loose").symmetry == ((0.0, 0.0, 1.0, 0),)
    assert back.catalogue.entry("loose").symmetry == ()


def test_stated_nonsense_is_one_sentence(library: Path) -> None:
    (library / "igllm_symmetries.json").write_text(json.dumps({"loose": [[0, 0, 1, 1]]}))

    with pytest.raises(UsageError, match=r"states no symmetries .* expected \{word: \[\[x, y, z, order\]\]\}"):
        index(library)


def test_a_measurer_that_cannot_start_is_no_skipped_file(library: Path) -> None:
    with pytest.raises(RenderError, match="Blender ended while it started"):
        up_to_date_catalogue(str(library), lambda: [sys.executable, "-c", "raise SystemExit(4)"])


def test_a_damaged_catalogue_says_what_to_do(library: Path) -> None:
    home = index(library).catalogue.home
    (home / "catalogue.json").write_text('{"format": "igllm-meshes", "version": 1}')

    with pytest.raises(UsageError, match="is no catalogue of meshes .* remove it and it is made again"):
        read_catalogue_or_none(library)


def test_a_library_that_was_never_looked_at_says_which_command_does(library: Path) -> None:
    with pytest.raises(UsageError, match="has not been looked at yet; run `igllm assets"):
        read_catalogue(str(library))


def test_the_shipped_library_is_what_the_generators_write(tmp_path: Path) -> None:
    shipped = read_catalogue(SHIPPED)

    written = write_shipped_meshes(tmp_path)

    assert [path.read_bytes() for path in written] == [
        (shipped.library / path.relative_to(tmp_path)).read_bytes() for path in written
    ]
    assert (tmp_path / "taxonomy.json").read_bytes() == (shipped.library / "taxonomy.json").read_bytes()


def test_the_shipped_library_has_five_meshes_of_each_of_six_classes() -> None:
    shipped = read_catalogue(SHIPPED)

    assert {name: len(words) for name, words in shipped.classes().items()} == {
        "airplane": 5, "car": 5, "chair": 5, "lamp": 5, "mug": 5, "table": 5,
    }  # fmt: skip
    assert len(shipped_models()) == 30
    assert shipped.skipped == ()


def test_the_shipped_symmetries_are_those_that_the_eye_sees() -> None:
    shipped = read_catalogue(SHIPPED)

    assert {word: entry.symmetry for word, entry in shipped.entries.items() if entry.symmetry} == {
        "lamp_table": ((0.0, 0.0, 1.0, 0),),
        "table_coffee": ((0.0, 0.0, 1.0, 2),),
        "table_round": ((0.0, 0.0, 1.0, 0),),
        "table_square": ((0.0, 0.0, 1.0, 4),),
    }


def test_surface_points_lie_inside_the_box_and_are_the_same_each_time() -> None:
    geometry = read_catalogue(SHIPPED).geometry("mug_stein")

    points = geometry.surface_points(500)

    assert points.shape == (500, 3)
    assert (np.abs(points) <= np.abs(geometry.vertices).max(axis=0) + 1e-9).all()
    assert np.array_equal(points, geometry.surface_points(500))


def box_points(count: int, half: tuple[float, float, float]) -> np.ndarray:
    rng = np.random.default_rng(3)
    areas = np.array([half[1] * half[2], half[0] * half[2], half[0] * half[1]])
    axis = rng.choice(3, size=count, p=areas / areas.sum())
    points = rng.uniform(-1.0, 1.0, (count, 3)) * half
    points[np.arange(count), axis] = rng.choice([-1.0, 1.0], count) * np.asarray(half)[axis]
    return points


GREY = np.full((4000, 3), 0.5)


def test_a_plain_box_has_half_turns_about_all_its_axes() -> None:
    found = find_symmetry(box_points(4000, (0.3, 0.2, 0.12)), GREY)

    assert found == ((0.0, 0.0, 1.0, 2), (1.0, 0.0, 0.0, 2))


def test_a_painted_side_takes_the_symmetry_away() -> None:
    points = box_points(4000, (0.3, 0.2, 0.12))
    painted = np.where((points[:, 1] > 0.19)[:, None], [0.9, 0.1, 0.1], [0.5, 0.5, 0.5])

    assert find_symmetry(points, painted) == ((0.0, 1.0, 0.0, 2),)


def test_a_cylinder_may_be_turned_any_way_about_its_axis_and_over() -> None:
    rng = np.random.default_rng(4)
    angle, height = rng.uniform(0.0, 2.0 * np.pi, 4000), rng.uniform(-0.35, 0.35, 4000)

    found = find_symmetry(np.stack([0.25 * np.cos(angle), 0.25 * np.sin(angle), height], axis=1), GREY)

    assert found == ((0.0, 0.0, 1.0, 0), (1.0, 0.0, 0.0, 2))


def test_a_lopsided_thing_has_no_symmetry() -> None:
    points = box_points(4000, (0.3, 0.2, 0.12))
    points[points[:, 0] > 0.1, 2] *= 1.6

    assert find_symmetry(points @ matrix_from_yaw(0.4).T, GREY) == ()


def test_the_command_lists_the_shipped_meshes(capsys: pytest.CaptureFixture[str]) -> None:
    status = main([])

    said = capsys.readouterr().out
    assert status == 0
    assert "table_square           154 faces  0.63 x 0.63 x 0.47  quarter turns about z\n" in said
    assert "30 meshes, 0 files looked at now; the catalogue is " in said


def test_the_command_writes_the_shipped_meshes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--out", str(tmp_path / "set")])

    assert status == 0
    assert capsys.readouterr().out == f"30 meshes in {tmp_path / 'set'}\n"
    assert [item.word for item in scan(tmp_path / "set")] == sorted(read_catalogue(SHIPPED).entries)


def test_the_command_writes_only_the_shipped_meshes(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--out writes the shipped meshes; leave FOLDER away"):
        main([str(tmp_path), "--out", str(tmp_path / "set")])
