# SPDX-License-Identifier: GPL-3.0-or-later
"""The process that makes samples, one index a line of its stdin: sample, build, render, label. Uses bpy; crew.py is its parent.

Its stdout belongs to the messages: whatever Blender prints goes to stderr. It ends the moment its stdin closes, so that nothing
renders on after the parent was killed.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from pathlib import Path
from typing import Any, TextIO

import bpy

from ..core.errors import RenderError, UsageError
from ..core.scene import Scene
from .labels import code_of, cycles_seed, label_bytes, label_of, scene_rng
from .layouts import fragment_name
from .passes import pass_parts
from .png import without_metadata
from .render import apply_options, has_denoiser, render_png
from .render_options import RenderOptions
from .run_options import RunOptions, run_from_json, sample_key
from .shards import sample_fragment, write_atomically

_PROBE_BYTES = 1 << 20


class Studio:
    """A Blender scene that one sample after another is built into."""

    def __init__(self, run: RunOptions, work: Path, threads: int) -> None:
        self._run, self._work, self._threads = run, work, threads
        self._template = run.template_object()
        self._blender = self._template.blender_side()
        bpy.ops.wm.read_factory_settings(use_empty=True)
        self._scene = bpy.context.scene
        self._collection = bpy.data.collections.new(run.template)
        self._scene.collection.children.link(self._collection)
        self._blender.prepare_world(self._scene)
        self.denoises = run.render.denoise and run.render.engine == "cycles"
        apply_options(self._scene, self._render_options(run.start))  # refuses an engine that this Blender lacks
        self.denoises = self.denoises and has_denoiser(self._scene)

    def make(self, index: int) -> None:
        """Write the sample's fragment."""
        run = self._run
        scene = self._template.sample(scene_rng(run.seed, run.split, index), run.options)
        render = self._render_options(index)
        label = label_of(
            self._template,
            scene,
            split=run.split,
            seed=run.seed,
            index=index,
            render=render,
            options=run.options,
            blender_version=blender_version(),
        )
        parts = {"png": self._picture(scene, render, index), "json": label_bytes(label)}
        parts["code.txt"] = code_of(self._template, scene).encode()
        parts |= pass_parts(self._template, scene, run.passes, render.width_px, render.height_px)
        write_atomically(self._work / fragment_name(index), [sample_fragment(sample_key(index), parts)])

    def _render_options(self, index: int) -> RenderOptions:
        asked = self._run.render
        seed = cycles_seed(self._run.seed, self._run.split, index)
        return RenderOptions(asked.width_px, asked.height_px, asked.engine, asked.samples, self.denoises, seed, self._threads)

    def _picture(self, scene: Scene, render: RenderOptions, index: int) -> bytes:
        self._blender.clear(self._collection)
        self._blender.build(scene, self._collection)
        self._scene.camera = next(item for item in self._collection.objects if item.type == "CAMERA")
        apply_options(self._scene, render)
        path = self._work / f".{sample_key(index)}.{os.getpid()}.png"
        try:
            render_png(self._scene, path)
            return without_metadata(path.read_bytes())
        except (RenderError, RuntimeError):  # Blender's own words for a full disk differ from version to version
            refuse_a_full_disk(path)
            raise
        finally:
            path.unlink(missing_ok=True)


def blender_version() -> str:
    """Such as "4.5.15", without the words that a build may add."""
    return ".".join(str(number) for number in bpy.app.version)


def refuse_a_full_disk(path: Path) -> None:
    """Raise a UsageError where no file of a picture's size can be written at `path`; what stands there goes."""
    write_atomically(path, [bytes(_PROBE_BYTES)])


def main() -> int:
    """Serve the parent until it closes our stdin."""
    messages = _claim_stdout()
    lines = _read_stdin()
    job = json.loads(lines.get())
    try:
        studio = Studio(run_from_json(job["run"]), Path(job["work"]), job["threads"])
        _say(messages, {"igllm": "ready", "blender_version": blender_version(), "denoises": studio.denoises})
        while True:
            index = int(lines.get())
            studio.make(index)
            _say(messages, {"igllm": "done", "index": index})
    except UsageError as error:
        _say(messages, {"igllm": "refused", "message": str(error)})
        return 2


def _say(messages: TextIO, message: dict[str, Any]) -> None:
    messages.write(json.dumps(message) + "\n")
    messages.flush()


def _claim_stdout() -> TextIO:
    """The real stdout for messages; descriptor 1 becomes stderr, for Blender's C code as for Python."""
    sys.stdout.flush()
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return messages


def _read_stdin() -> queue.Queue[str]:
    """Lines as they come. A thread reads them, so that the end of stdin ends the process even in the middle of a frame."""
    lines: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            lines.put(line)
        os._exit(0)

    threading.Thread(target=read, daemon=True).start()
    return lines
