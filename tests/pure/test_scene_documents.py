# SPDX-License-Identifier: GPL-3.0-or-later
"""scene.json comes back as it was written, and other files are refused with a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from igllm_addon.core.errors import UsageError
from igllm_addon.core.scene import Camera, Light, Scene, SceneObject
from igllm_addon.core.scene_json import scene_to_json
from igllm_addon.core.vocabulary import CLEVR
from igllm_addon.scene_documents import read_scene_document, write_scene_document

SCENE = Scene(
    (SceneObject("cube", "large", "red", "rubber", (1.0, -2.0, 0.7), (0.25,)),),
    Camera((7.0, -6.0, 5.0), (0.8, 0.4, 0.2, 0.4)),
    (Light("Key", "area", (6.0, -3.0, 4.0), (1.0, 0.0, 0.0, 0.0), 78.5, 0.5),),
)
CUBE = "add(color='red', size='large', material='rubber', shape='cube', loc=(1.0, -2.0, 0.7), rotation=0.25)\n"


def written(path: Path, value: object) -> Path:
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def test_a_document_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "scene.json"

    write_scene_document(path, SCENE, "clevr", source="håus.png", render={"width_px": 64, "height_px": 48})
    document = read_scene_document(path, CLEVR)

    assert (document.scene, document.template, document.size_px) == (SCENE, "clevr", (64, 48))
    assert json.loads(path.read_text(encoding="utf-8"))["source"] == "håus.png"


def test_a_bare_scene_is_read_too(tmp_path: Path) -> None:
    document = read_scene_document(written(tmp_path / "scene.JSON", scene_to_json(SCENE)), CLEVR)

    assert (document.scene, document.template, document.size_px) == (SCENE, None, None)


@pytest.mark.parametrize("name", ["code.py", "code.txt", "code"])
def test_what_is_not_named_json_is_read_as_graphics_code(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(CUBE)

    assert read_scene_document(tmp_path / name, CLEVR).scene.objects == SCENE.objects


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1, 2]", "not a scene: .*object"),
        ('{"objects": []}', "not a scene: .*camera"),
        (json.dumps(scene_to_json(SCENE)).replace('"cube"', '"teapot"'), "not a scene: .*teapot"),
        (json.dumps({"scene": scene_to_json(SCENE) | {"lamps": []}}), "not a scene: .*lamps"),
    ],
)
def test_json_that_is_no_scene_is_refused_by_name(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "scene.json"
    path.write_text(content)

    with pytest.raises(UsageError, match=f"scene.json is {said}"):
        read_scene_document(path, CLEVR)


def test_code_with_an_error_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "code.py"
    path.write_text(CUBE + "import os\n")

    with pytest.raises(UsageError, match=r"code.py is not graphics code of the template 'clevr': line 2, column 1"):
        read_scene_document(path, CLEVR)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_bytes(b"\xff\xd8\xff\xe0")

    with pytest.raises(UsageError, match="not a text"):
        read_scene_document(tmp_path / "code.py", CLEVR)


@pytest.mark.parametrize("name", ["missing.py", "."])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_scene_document(tmp_path / name, CLEVR)
