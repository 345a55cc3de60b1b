# SPDX-License-Identifier: GPL-3.0-or-later
"""scene.json, and every file that a scene can be read from: graphics code, scene.json, a data set's label."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .core.errors import SceneError, UsageError
from .core.graphics_code import parse, serialize
from .core.scene import Scene
from .core.scene_json import scene_from_json, scene_to_json
from .core.vocabulary import Vocabulary

FORMAT, VERSION = "igllm-scene", 1
_BYTES_LIMIT = 16 * 1024 * 1024  # a scene takes some kilobytes


@dataclass(frozen=True)
class SceneDocument:
    """A scene and, where its file says so, the template that it belongs to and the size of its picture (width, height)."""

    scene: Scene
    template: str | None = None
    size_px: tuple[int, int] | None = None


def write_scene_document(path: Path, scene: Scene, template: str, **about: Any) -> None:
    """scene.json: what made the scene, as given, and the scene itself."""
    value = {"format": FORMAT, "version": VERSION, "template": template, **about, "scene": scene_to_json(scene)}
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")


def read_scene_document(path: Path, vocabulary: Vocabulary) -> SceneDocument:
    """The scene in a file: JSON if its name ends in .json, else graphics code. A UsageError says what is wrong with it."""
    text = _read_text(path)
    if path.suffix.lower() == ".json":
        return _from_json(path, text, vocabulary)
    result = parse(text, vocabulary)
    if result.error is not None:
        raise UsageError(
            f"{path} is not graphics code of the template {vocabulary.template!r}: {result.error}; correct that place."
        )
    return SceneDocument(result.scene)


def _read_text(path: Path) -> str:
    try:
        size = path.stat().st_size
        if size > _BYTES_LIMIT:
            raise UsageError(f"{path} has {size:,} bytes; a scene has at most {_BYTES_LIMIT:,}, so give another file.")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not a text; give graphics code (.py, .txt) or a scene.json.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}); give graphics code (.py, .txt) or a scene.json.") from error


def _from_json(path: Path, text: str, vocabulary: Vocabulary) -> SceneDocument:
    try:
        value = json.loads(text)
        found = value["scene"] if isinstance(value, dict) and "scene" in value else value
        scene = scene_from_json(found)
        serialize(scene, vocabulary)  # what graphics code cannot say, the template cannot build
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON ({error}); give graphics code (.py, .txt) or a scene.json.") from None
    except SceneError as error:
        raise UsageError(f"{path} is not a scene: {error}; give a scene.json or a label of a data set.") from None
    template = value.get("template")
    return SceneDocument(scene, template if isinstance(template, str) else None, _size_or_none(value.get("render")))


def _size_or_none(render: object) -> tuple[int, int] | None:
    if not isinstance(render, Mapping):
        return None
    width, height = render.get("width_px"), render.get("height_px")
    return (width, height) if isinstance(width, int) and isinstance(height, int) else None
