# SPDX-License-Identifier: GPL-3.0-or-later
"""`igllm generate` with Blender: the samples are what their labels say, the same for any workers, whole after any kill."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

bpy = pytest.importorskip("bpy", reason="needs the bpy wheel")

from igllm_addon.core.errors import UsageError  # noqa: E402  (bpy must be known to exist first)
from igllm_addon.core.graphics_code import parse  # noqa: E402
from igllm_addon.core.scene import Scene  # noqa: E402
from igllm_addon.core.scene_json import scene_from_json  # noqa: E402
from igllm_addon.render_templates import generate  # noqa: E402
from igllm_addon.render_templates.labels import scene_rng  # noqa: E402
from igllm_addon.render_templates.render import RenderOptions, apply_options, render_png  # noqa: E402
from igllm_addon.render_templates.template import template_named  # noqa: E402

CLEVR = template_named("clevr")
TINY = ["clevr", "--seed", "11", "--width", "64", "--height", "48", "--samples", "2", "--shard-size", "4", "--camera", "mixed"]


def command(out: Path, count: int, *more: str) -> list[str]:
    return [sys.executable, str(generate.__file__), *TINY, "--count", str(count), "--out", str(out), *more]


def run(out: Path, count: int, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(out, count, *more), capture_output=True, text=True, check=False)


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def samples_of(folder: Path) -> dict[str, dict[str, bytes]]:
    samples: dict[str, dict[str, bytes]] = {}
    for shard in sorted((folder / "train").glob("*.tar")):
        with tarfile.open(shard) as archive:
            for member in archive.getmembers():
                key, _, extension = member.name.partition(".")
                file = archive.extractfile(member)
                assert file is not None
                samples.setdefault(key, {})[extension] = file.read()
    return samples


def built(scene: Scene) -> bpy.types.Collection:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    CLEVR.blender_side().prepare_world(bpy.context.scene)
    collection = bpy.data.collections.new("generated")
    bpy.context.scene.collection.children.link(collection)
    CLEVR.blender_side().build(scene, collection)
    bpy.context.scene.camera = next(item for item in collection.objects if item.type == "CAMERA")
    return collection


def pixels_of(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def numbers_of(scene: Scene) -> np.ndarray:
    assert scene.camera is not None
    objects = [value for item in scene.objects for value in (*(item.location or ()), *(item.rotation or ()))]
    lights = [value for light in scene.lights for value in (*light.location, *light.quaternion_wxyz, light.power, light.size)]
    return np.array([*objects, *lights, *scene.camera.location, *scene.camera.quaternion_wxyz])


@pytest.fixture(scope="module")
def data_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six samples made by one worker."""
    folder = tmp_path_factory.mktemp("data")
    finished = run(folder, 6, "--workers", "1")
    assert finished.returncode == 0, finished.stderr
    return folder


def test_a_sample_is_a_picture_a_label_and_graphics_code(data_set: Path) -> None:
    sample = samples_of(data_set)["00000005"]
    label = json.loads(sample["json"])

    assert sorted(sample) == ["code.txt", "json", "png"]
    assert Image.open(io.BytesIO(sample["png"])).size == (64, 48)
    assert (label["format"], label["seed"], label["split"], label["index"]) == ("igllm-label", 11, "train", 5)
    assert label["blender_version"] == ".".join(str(number) for number in bpy.app.version)
    assert parse(sample["code.txt"].decode(), CLEVR.vocabulary).error is None


def test_graphics_code_and_label_hold_the_same_scene(data_set: Path) -> None:
    sample = samples_of(data_set)["00000002"]

    from_code = parse(sample["code.txt"].decode(), CLEVR.vocabulary).scene
    from_label = scene_from_json(json.loads(sample["json"])["scene_canonical"])

    assert from_code == replace(from_label, lights=())


def test_the_label_holds_what_blender_was_given(data_set: Path) -> None:
    scene = scene_from_json(json.loads(samples_of(data_set)["00000001"]["json"])["scene"])

    read_back = CLEVR.blender_side().read_scene(built(scene))

    assert [replace(item, location=None, rotation=None) for item in read_back.objects] == [
        replace(item, location=None, rotation=None) for item in scene.objects
    ]
    assert np.abs(numbers_of(read_back) - numbers_of(scene)).max() < 1e-5


def test_the_picture_is_a_render_of_the_labels_scene(data_set: Path, tmp_path: Path) -> None:
    sample = samples_of(data_set)["00000003"]
    label = json.loads(sample["json"])
    built(scene_from_json(label["scene"]))

    apply_options(bpy.context.scene, RenderOptions(64, 48, samples=2, seed=label["render"]["cycles_seed"], threads=1))
    render_png(bpy.context.scene, tmp_path / "again.png")

    assert np.array_equal(pixels_of((tmp_path / "again.png").read_bytes()), pixels_of(sample["png"]))


def test_the_picture_shows_the_objects_where_the_label_has_them(data_set: Path) -> None:
    sample = samples_of(data_set)["00000000"]
    label = json.loads(sample["json"])
    picture = pixels_of(sample["png"]).astype(float)

    left, top, right, bottom = label["objects"][0]["bbox_px"]
    inside = picture[top:bottom, left:right].reshape(-1, 3)

    # An object stands out from the grey sweep around it by colour or brightness.
    assert np.abs(inside - np.median(picture.reshape(-1, 3), axis=0)).max(axis=1).mean() > 20.0


def test_two_workers_write_the_bytes_of_one(data_set: Path, tmp_path: Path) -> None:
    finished = run(tmp_path, 6, "--workers", "2")

    assert finished.returncode == 0, finished.stderr
    assert files_of(tmp_path) == files_of(data_set)


def test_a_sample_alone_is_the_sample_of_a_longer_run(data_set: Path, tmp_path: Path) -> None:
    finished = run(tmp_path, 1, "--start", "5", "--workers", "1")

    assert finished.returncode == 0, finished.stderr
    assert samples_of(tmp_path) == {"00000005": samples_of(data_set)["00000005"]}


def test_a_run_killed_at_four_moments_ends_with_the_same_bytes(data_set: Path, tmp_path: Path) -> None:
    for samples in (0, 1, 3, 5):
        process = subprocess.Popen(command(tmp_path, 6, "--workers", "2"), start_new_session=True, stderr=subprocess.DEVNULL)
        while process.poll() is None and samples_there(tmp_path) < samples:
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    finished = run(tmp_path, 6, "--workers", "2")

    assert finished.returncode == 0, finished.stderr
    assert files_of(tmp_path) == files_of(data_set)


def samples_there(folder: Path) -> int:
    packed = 4 * len(list((folder / "train").glob("*.tar")))
    return packed + len(list((folder / "train" / "work").glob("*.sample")))


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    psutil = pytest.importorskip("psutil", reason="needs psutil to see processes")
    process = subprocess.Popen(command(tmp_path, 50, "--workers", "2", "--samples", "64"), stderr=subprocess.DEVNULL)
    while process.poll() is None and samples_there(tmp_path) < 1:
        time.sleep(0.005)
    workers = psutil.Process(process.pid).children(recursive=True)

    process.kill()
    process.wait()
    _, left = psutil.wait_procs(workers, timeout=30)

    assert len(workers) == 2
    assert [worker for worker in left if worker.status() != psutil.STATUS_ZOMBIE] == []


def test_a_full_disk_while_blender_writes_a_picture_is_one_sentence(tmp_path: Path) -> None:
    limited = ["bash", "-c", 'ulimit -f 3; exec "$@"', "bash", *command(tmp_path, 3, "--workers", "1")]

    finished = subprocess.run(limited, capture_output=True, text=True, check=False)

    assert finished.returncode == 2
    assert finished.stderr.splitlines()[-1].startswith("igllm generate: Cannot write ")
    assert "File too large" in finished.stderr.splitlines()[-1]
    assert "Traceback" not in finished.stderr


def test_an_engine_that_this_blender_lacks_is_refused() -> None:
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.preferences.addon_disable(module="cycles")

    with pytest.raises(UsageError, match=r"This Blender .* has no engine 'cycles'; choose another --engine"):
        apply_options(bpy.context.scene, RenderOptions())


def test_igllm_layout_holds_the_same_pictures(data_set: Path, tmp_path: Path) -> None:
    finished = run(tmp_path, 6, "--layout", "igllm", "--workers", "1")

    assert finished.returncode == 0, finished.stderr
    labels = json.loads((tmp_path / "labels" / "train.json").read_text())
    with tarfile.open(tmp_path / "images" / "train.tar") as archive:
        file = archive.extractfile(labels["scenes"][4]["image_filename"])
        assert file is not None
        assert file.read() == samples_of(data_set)["00000004"]["png"]


def test_a_label_can_be_computed_again_from_its_name(data_set: Path) -> None:
    label = json.loads(samples_of(data_set)["00000004"]["json"])

    scene = CLEVR.sample(scene_rng(11, "train", 4), CLEVR.options(camera="mixed", aspect=0.75))

    assert scene_from_json(label["scene"]) == scene
