# SPDX-License-Identifier: GPL-3.0-or-later
"""What decides the samples of a data-set run, as data: parent, workers and manifest share it. No bpy.

The number of samples and of workers is no part of it: neither changes what a sample is.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from ..core.errors import UsageError
from .render_options import RenderOptions
from .template import Template, template_named

LAYOUTS = ("webdataset", "igllm")
PASSES = ("instances", "depth", "normal")
# A split is a folder's name, and these stand beside it in IG-LLM's layout.
_RESERVED_SPLITS = ("images", "labels", "passes")
_RENDER_KEYS = ("engine", "samples", "denoise", "width_px", "height_px")


@dataclass(frozen=True)
class RunOptions:
    """start: the first sample's index. passes: some of PASSES, in that order. render: its seed and threads are ignored."""

    template: str
    split: str
    seed: int
    start: int
    layout: str
    shard_size: int
    passes: tuple[str, ...]
    render: RenderOptions
    options: Any

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", self.split) or self.split in _RESERVED_SPLITS:
            raise UsageError(
                f"A split is named by letters, digits, '-' and '_' and not {', '.join(_RESERVED_SPLITS)}, got {self.split!r}."
            )
        if self.layout not in LAYOUTS:
            raise UsageError(f"There is no layout {self.layout!r}; choose one of {', '.join(LAYOUTS)}.")
        if unknown := [name for name in self.passes if name not in PASSES]:
            raise UsageError(f"There is no pass {unknown[0]!r}; choose some of {', '.join(PASSES)}, separated by commas.")
        for name, least in (("seed", 0), ("start", 0), ("shard_size", 1)):
            if getattr(self, name) < least:
                raise UsageError(f"--{name.replace('_', '-')} must be at least {least}, got {getattr(self, name)}.")

    def template_object(self) -> Template:
        """The template of that name, with these options' meshes."""
        return template_named(self.template).bound_to(self.options)


@dataclass(frozen=True)
class BlenderBuild:
    """The Blender of a run's workers, as far as pictures depend on it. version: such as "4.5.15". denoises: whether it cleans the
    pictures as asked; some builds lack OpenImageDenoise."""

    version: str
    denoises: bool


def run_to_json(run: RunOptions) -> dict[str, Any]:
    """The options as JSON values, flat but for the template's own options."""
    value = {field.name: getattr(run, field.name) for field in fields(run) if field.name not in ("render", "options")}
    value["passes"] = list(run.passes)
    value |= {key: getattr(run.render, key) for key in _RENDER_KEYS}
    value["options"] = asdict(run.options)
    return value


def run_from_json(value: dict[str, Any]) -> RunOptions:
    """What run_to_json wrote."""
    own = {field.name: value[field.name] for field in fields(RunOptions) if field.name not in ("render", "options")}
    own["passes"] = tuple(own["passes"])
    template = template_named(own["template"])
    render = RenderOptions(**{key: value[key] for key in _RENDER_KEYS})
    return RunOptions(**own, render=render, options=template.options(**value["options"]))


def difference_or_none(there: dict[str, Any], asked: RunOptions) -> str | None:
    """What a manifest's options and the ones asked for disagree about, such as "seed 1 instead of 2"."""
    here = _flat(run_to_json(asked))
    found = [f"{key} {value!r} instead of {here.get(key)!r}" for key, value in _flat(there).items() if value != here.get(key)]
    found += [f"no {key}" for key in here if key not in _flat(there)]
    return ", ".join(found) or None


def sample_key(index: int) -> str:
    """The name of a sample inside a shard."""
    return f"{index:08d}"


def with_threads(render: RenderOptions, threads: int) -> RenderOptions:
    """The same picture made with that many threads."""
    return replace(render, threads=threads)


def _flat(value: dict[str, Any]) -> dict[str, Any]:
    options = value.get("options")
    rest = {key: entry for key, entry in value.items() if key != "options"}
    return rest | options if isinstance(options, dict) else rest
