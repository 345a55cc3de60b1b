# SPDX-License-Identifier: GPL-3.0-or-later
"""The template that shows what a model writes, from the model's own config.json. No bpy.

A model of meshes has the words of a library. One that `igllm learn` made names the library and each mesh's file; for one that was
trained by hand the library has to be named, or is the shipped one. Nothing of it need still be there: what cannot be found is
shown as a box with its name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...core.errors import SceneError, UsageError
from ...core.model_folders import MESHES_KEY
from ...core.vocabulary_json import vocabulary_from_json
from ..template import Template, template_named
from .catalogue import Catalogue, catalogue_home, entry_from_json, library_folder, read_catalogue_or_none
from .mesh_template import MeshTemplate

_DEFAULT = "clevr"
_BESIDE = "library"  # of a learnt model's folder, where Blender's extension keeps the meshes


def facts_of(config: Mapping[str, Any], checkpoint: Path, library: str | None = None) -> str:
    """What of a config.json the template depends on, as one text; "" where that is the template's name alone.

    checkpoint: the folder of config.json. library: another folder of meshes, or "shipped", where the user names one."""
    vocabulary = config["vocabulary"]
    if not isinstance(template_named(str(vocabulary["template"])), MeshTemplate):
        return ""
    facts: dict[str, Any] = {"vocabulary": vocabulary}
    known = config.get(MESHES_KEY)
    if library is None and isinstance(known, Mapping):
        facts[MESHES_KEY] = {**known, "library": str(_where(str(known["library"]), checkpoint))}
    elif library is not None:
        facts["library"] = str(library_folder(library))
    return json.dumps(facts)


def template_from_facts(name: str, facts: str) -> Template:
    """The template of this name for what facts_of found; a UsageError where the facts are damaged."""
    template = template_named(name)
    if not facts or not isinstance(template, MeshTemplate):
        return template
    try:
        value = json.loads(facts)
        vocabulary = vocabulary_from_json(value["vocabulary"])
        catalogue = _catalogue(value)
    except (ValueError, LookupError, TypeError, AttributeError, SceneError) as error:
        raise UsageError(f"What the model says of its meshes cannot be read ({error}); learn them again.") from error
    return template.of_model(vocabulary, catalogue)


def chosen_template(config_path: Path | None, name: str | None, library: str | None) -> Template:
    """What a command line chooses: the template of the checkpoint with this config.json, or else the one of this name. library: a
    folder of meshes, or "shipped", instead of the one that the model names."""
    if config_path is None:
        return _with_library(template_named(name or _DEFAULT), library)
    template = template_of_config(config_path, library)
    if name is not None and name != template.name:
        raise UsageError(f"The model {config_path.parent} writes scenes of {template.name!r}; leave --template {name} away.")
    return template if isinstance(template, MeshTemplate) else _with_library(template, library)


def template_of_config(config_path: Path, library: str | None = None) -> Template:
    """The template of the checkpoint with this config.json; a UsageError where that cannot be told."""
    try:
        config = json.loads(config_path.read_text(encoding="utf-8"))
        return template_from_facts(str(config["vocabulary"]["template"]), facts_of(config, config_path.parent, library))
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise UsageError(f"{config_path} does not tell its template ({error}); choose another model.") from error


def _catalogue(facts: Mapping[str, Any]) -> Catalogue:
    if MESHES_KEY in facts:
        library = Path(facts[MESHES_KEY]["library"])
        entries = [entry_from_json(entry) for entry in facts[MESHES_KEY]["meshes"]]
        return Catalogue(library, catalogue_home(library), {entry.word: entry for entry in entries})
    library = library_folder(facts.get("library", "shipped"))
    return read_catalogue_or_none(library) or Catalogue(library, catalogue_home(library), {})


def _with_library(template: Template, library: str | None) -> Template:
    if library is None:
        return template
    if not isinstance(template, MeshTemplate):
        raise UsageError(f"The template {template.name!r} shows no library's meshes; leave --library away.")
    return template.bound_to(template.options(library=library))


def _where(library: str, checkpoint: Path) -> Path:
    """The library where it was; where it is gone, the one beside the checkpoint, which may have been moved along with it."""
    beside = checkpoint.parent / _BESIDE
    return beside if not Path(library).is_dir() and beside.is_dir() else Path(library)
