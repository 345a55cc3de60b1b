# SPDX-License-Identifier: GPL-3.0-or-later
"""IG-LLM's layout: what `igllm generate --layout igllm` writes is read as its shards are, and so are labels that hold less."""

from __future__ import annotations

import io
import json
import math
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from igllm_addon.core.errors import UsageError
from igllm_addon.core.vocabulary import CLEVR
from igllm_addon.model_runner.data import load_shard, shards_in
from igllm_addon.render_templates.labels import label_bytes, label_of, scene_rng
from igllm_addon.render_templates.layouts import units_of, write_unit
from igllm_addon.render_templates.render_options import RenderOptions
from igllm_addon.render_templates.run_options import BlenderBuild, RunOptions, sample_key
from igllm_addon.render_templates.shards import sample_fragment
from igllm_addon.render_templates.template import template_named

_TEMPLATE = template_named("clevr")
_OPTIONS = _TEMPLATE.options(camera="jittered")
_RENDER = RenderOptions(240, 180, samples=2)


def _png(index: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((180, 240, 3), 40 * index, dtype=np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def _fragment(index: int) -> bytes:
    scene = _TEMPLATE.sample(scene_rng(1, "train", index), _OPTIONS)
    label = label_of(
        _TEMPLATE, scene, split="train", seed=1, index=index, render=_RENDER, options=_OPTIONS, blender_version="4.5.15"
    )
    return sample_fragment(sample_key(index), {"png": _png(index), "json": label_bytes(label), "code.txt": b""})


@pytest.fixture(scope="module")
def both_layouts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same three samples as a shard and in IG-LLM's layout: the shard, the labels file."""
    folder = tmp_path_factory.mktemp("layouts")
    fragments = [_fragment(index) for index in range(3)]
    for layout in ("webdataset", "igllm"):
        run = RunOptions("clevr", "train", 1, 0, layout, 100, (), _RENDER, _OPTIONS)
        for unit in units_of(run, 3):
            for name in unit.names:
                (folder / layout / name).parent.mkdir(parents=True, exist_ok=True)
            write_unit(folder / layout, run, unit, 0, fragments.__getitem__, BlenderBuild("4.5.15", denoises=True))
    return folder / "webdataset" / "train" / "train-000000.tar", folder / "igllm" / "labels" / "train.json"


def _rewritten(labels: Path, folder: Path, *, without: tuple[str, ...] = (), bare: bool = False) -> Path:
    """A copy of a data set whose objects lack some keys; `bare` leaves out the header and each scene's camera too."""
    (folder / "labels").mkdir(parents=True)
    (folder / "images").symlink_to(labels.parent.parent / "images")
    value = json.loads(labels.read_text())
    for scene in value["scenes"]:
        scene["objects"] = [{key: entry for key, entry in item.items() if key not in without} for item in scene["objects"]]
        if bare:
            del scene["camera"]
    (folder / "labels" / "train.json").write_text(json.dumps(value["scenes"] if bare else value))
    return folder / "labels" / "train.json"


def _differences(labels: Path, shard: Path) -> dict[str, float]:
    found, expected = (load_shard(path, 240, CLEVR) for path in (labels, shard))
    assert torch.equal(found.images, expected.images)
    assert torch.equal(found.exists, expected.exists)
    assert torch.equal(found.words, expected.words)
    assert torch.equal(found.yaw.isnan(), expected.yaw.isnan())
    names = ("camera", "uv", "location", "yaw")
    return {name: float((getattr(found, name) - getattr(expected, name)).nan_to_num().abs().max()) for name in names}


def test_what_generate_writes_in_the_layout_is_read_like_its_shards(both_layouts: tuple[Path, Path]) -> None:
    shard, labels = both_layouts

    assert max(_differences(labels, shard).values()) < 1e-5


def test_degrees_are_read_where_the_header_says_degrees(both_layouts: tuple[Path, Path], tmp_path: Path) -> None:
    shard, labels = both_layouts
    without = _rewritten(labels, tmp_path / "degrees", without=("yaw_radians", "yaw_radians_canonical"))

    assert _differences(without, shard)["yaw"] < 1e-5


def test_a_label_without_camera_and_canonical_frame_gets_both_from_its_pixels(
    both_layouts: tuple[Path, Path], tmp_path: Path
) -> None:
    shard, labels = both_layouts
    derived = ("3d_coords_canonical", "yaw_radians_canonical", "bbox_px", "visible_pixels", "rotation")
    bare = _rewritten(labels, tmp_path / "bare", without=derived, bare=True)

    differences = _differences(bare, shard)

    assert differences["camera"] < 1e-3
    assert differences["location"] < 1e-3
    assert differences["yaw"] < 1e-3


def test_derived_boxes_lie_about_the_visible_ones(both_layouts: tuple[Path, Path]) -> None:
    shard, labels = both_layouts

    found, expected = (load_shard(path, 240, CLEVR) for path in (labels, shard))

    assert float((found.bbox - expected.bbox)[..., 3][found.exists].abs().median()) < 4.0


def test_a_folder_of_pictures_does_as_well(both_layouts: tuple[Path, Path], tmp_path: Path) -> None:
    shard, labels = both_layouts
    (tmp_path / "train").mkdir()
    (tmp_path / "train.json").write_text(labels.read_text())
    with tarfile.open(labels.parent.parent / "images" / "train.tar") as archive:
        archive.extractall(tmp_path / "train", filter="data")

    assert max(_differences(tmp_path / "train.json", shard).values()) < 1e-5
    assert shards_in(tmp_path / "train.json") == [tmp_path / "train.json"]


def _one_object(folder: Path, **changes: Any) -> Path:
    item = {"color": "red", "size": "large", "material": "metal", "shape": "sphere", "3d_coords": [0.0, 0.0, 0.7]}
    item |= {"pixel_coords": [120.0, 85.0, 10.9]} | changes
    scene = {"image_filename": "a.png", "objects": [{key: value for key, value in item.items() if value is not None}]}
    (folder / "some").mkdir()
    (folder / "some" / "a.png").write_bytes(_png(1))
    (folder / "some.json").write_text(json.dumps([scene]))
    return folder / "some.json"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": None}, "object 0 has no 'size', which the stages tower and decoder need"),
        ({"3d_coords": None}, "object 0 has no '3d_coords', which the stages tower and decoder need"),
        ({"color": "pink"}, "object 0 has the color 'pink', expected one of gray, red"),
        ({}, "has no camera and 1 objects"),
        ({"3d_coords": "up"}, "cannot be learned from"),
    ],
)
def test_a_label_that_lacks_something_is_refused_in_one_sentence(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=rf"some\.json, a\.png.*{message}"):
        load_shard(_one_object(tmp_path, **changes), 240, CLEVR)


def test_objects_that_no_camera_sees_there_are_refused(both_layouts: tuple[Path, Path], tmp_path: Path) -> None:
    bare = _rewritten(both_layouts[1], tmp_path / "bare", bare=True)
    scenes = json.loads(bare.read_text())
    for item in scenes[0]["objects"]:
        item["3d_coords"] = [item["3d_coords"][1], math.pi, item["3d_coords"][0]]
    bare.write_text(json.dumps(scenes))

    with pytest.raises(UsageError, match="none that looks at the origin"):
        load_shard(bare, 240, CLEVR)


def test_missing_pictures_are_named(tmp_path: Path) -> None:
    labels = _one_object(tmp_path)
    (tmp_path / "some" / "a.png").unlink()

    with pytest.raises(UsageError, match=r"labels 1 pictures that are not there, such as a\.png"):
        load_shard(labels, 240, CLEVR)


def test_where_pictures_are_looked_for_is_said(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "train.json").write_text("[]")

    with pytest.raises(UsageError, match=r"expected .*images/train\.tar"):
        load_shard(tmp_path / "labels" / "train.json", 240, CLEVR)


@pytest.mark.parametrize("text", ["{", "[1]", '{"scenes": [{"objects": []}]}', "3"])
def test_a_file_that_is_no_labels_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "train.json").write_text(text)

    with pytest.raises(UsageError, match=r"train\.json is no file of labelled scenes"):
        load_shard(tmp_path / "train.json", 240, CLEVR)
