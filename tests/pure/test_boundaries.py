# SPDX-License-Identifier: GPL-3.0-or-later
"""The import table of the architecture, checked against the sources.

Who may import what is decided by where a file stands; an import inside a function counts as much as one at the top, except in
cli.py, whose subcommands import their own part when they are called.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "igllm_addon"
STDLIB = set(sys.stdlib_module_names)
BLENDER = {"bpy", "mathutils", "bpy_extras", "bmesh", "gpu", "imbuf"}
BLENDER_FILES = {
    "build.py",
    "read.py",
    "materials.py",
    "render.py",
    "worker.py",
    "scene_files.py",
    "surroundings.py",
    "importers.py",
    "measuring.py",
    "previews.py",
    "backdrops.py",
}
MODEL_LIBRARIES = {
    "torch",
    "transformers",
    "safetensors",
    "PIL",
    "scipy",
    "skimage",
    "tqdm",
    "open_clip",
    "sentencepiece",
    "tokenizers",
    "peft",
    "accelerate",
    "matplotlib",
}
FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))


def allowed(name: str) -> tuple[set[str], set[str]]:
    """The foreign top-level modules and the folders of this package that a file may import."""
    part = name.split("/")[0]
    if part == "core":
        return {"numpy"}, {"core"}
    if part == "bridge":
        return set(), {"core", "bridge"}
    if part == "render_templates" and name.split("/")[-1] in BLENDER_FILES:
        return {"numpy"} | BLENDER, {"core", "render_templates"}
    if part == "render_templates":
        return {"numpy"}, {"core", "render_templates"}
    if part == "model_runner":
        return {"numpy"} | MODEL_LIBRARIES, {"core", "model_runner"}
    if part == "ui":
        return BLENDER | {"numpy"}, {"core", "bridge", "render_templates", "ui"}
    if part == "learning":
        return set(), {"core", "render_templates", "learning"}
    if part == "comparison.py":
        return {"numpy", "PIL", "skimage"}, {"core"}
    if part == "derender.py":
        return {"PIL"}, {"core", "bridge", "render_templates", "comparison", "output_set", "scene_documents", "source"}
    if part == "source.py":
        return {"PIL"}, {"core"}
    if part == "doctor.py":
        return set(), {"core", "bridge"}
    if part == "__main__.py":
        return set(), {"cli"}
    if part == "__init__.py":
        return set(), {"ui"}
    return set(), {"core"}


def imports_of(path: Path) -> Iterator[tuple[str, str | None, bool]]:
    """(foreign top-level module or "", folder of this package or None, whether at module level)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top_level = {id(node) for node in tree.body}
    depth = len(path.relative_to(PACKAGE).parts)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.split(".")[0], None, id(node) in top_level
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield (node.module or "").split(".")[0], None, id(node) in top_level
        elif isinstance(node, ast.ImportFrom):
            base = path.relative_to(PACKAGE).parts[: depth - node.level]
            whole = [*base, *(node.module or "").split(".")]
            target = next((part for part in whole if part), node.names[0].name)
            yield "", target, id(node) in top_level


@pytest.mark.parametrize("name", FILES)
def test_a_file_imports_only_what_the_table_allows(name: str) -> None:
    if name == "cli.py":
        pytest.skip("cli.py may import everything inside its functions; its module level has a test of its own")
    foreign, folders = allowed(name)

    broken = [
        module or f"igllm_addon.{folder}"
        for module, folder, _ in imports_of(PACKAGE / name)
        if (module and module not in foreign | STDLIB | {"__future__"}) or (folder is not None and folder not in folders)
    ]

    assert broken == []


def test_the_package_itself_imports_nothing_at_module_level() -> None:
    assert [entry for entry in imports_of(PACKAGE / "__init__.py") if entry[2]] == []


def test_the_command_line_imports_only_the_standard_library_and_core_at_module_level() -> None:
    top = [(module, folder) for module, folder, at_top in imports_of(PACKAGE / "cli.py") if at_top]

    assert [entry for entry in top if entry[0] not in STDLIB | {"__future__", ""} or entry[1] not in {None, "core"}] == []


@pytest.mark.parametrize("name", FILES)
def test_every_file_states_its_licence_and_what_it_is(name: str) -> None:
    text = (PACKAGE / name).read_text(encoding="utf-8")

    assert text.startswith("# SPDX-License-Identifier: GPL-3.0-or-later\n")
    assert ast.get_docstring(ast.parse(text))


@pytest.mark.parametrize("name", FILES)
def test_predicted_text_can_never_be_executed(name: str) -> None:
    tree = ast.parse((PACKAGE / name).read_text(encoding="utf-8"))
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}

    assert called & {"eval", "exec", "compile", "__import__"} == set()
