# SPDX-License-Identifier: GPL-3.0-or-later
"""The walk from a picture to a Blender scene: ask the model runner, build and render what it wrote, compare. Needs bpy.

The model works in a process of its own; what comes back is parsed, never executed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from .bridge.client import RunnerClient, error_of
from .bridge.link import ServedRunner
from .comparison import Comparison, Titled, compare, comparison_page
from .core.errors import IgllmError, RunnerError, UsageError
from .core.graphics_code import parse
from .core.protocol import Failure, Predict, Prediction, Progress, Statement
from .core.scene import Scene
from .output_set import complete_set
from .render_templates.render_options import RenderOptions
from .render_templates.scene_files import RENDER_NAME, Background, blender_version, write_scene_files
from .render_templates.template import Template
from .scene_documents import SceneDocument, write_scene_document
from .source import Source

RENDER_SIDE_LIMIT_PX = 640
_RENDER_SIDE_LEAST_PX = 16  # what Blender renders at all
_POLL_S = 0.2
PATIENCE_S = 300.0  # a first start on a slow disk loads torch for a minute; no step of a prediction takes that long

# What is going on, and which part of it is done (None where that is not known).
Report = Callable[[str, float | None], None]


@dataclass(frozen=True)
class Derendered:
    """What came of it: the scene with its camera and lights, the model's answer, how alike picture and render are, and sentences
    about meshes that could not be shown."""

    scene: Scene
    prediction: Prediction
    comparison: Comparison
    missing: tuple[str, ...] = ()


def derender(
    source: Source,
    folder: Path,
    *,
    model: str,
    template: Template,
    samples: int,
    runner: Sequence[str] | ServedRunner,
    report: Report,
    patience_s: float = PATIENCE_S,
) -> Derendered:
    """Write code.py, scene.json, scene.blend, render.png and comparison.png into the folder, all of them or none.

    model: a shipped model's name or the absolute path of a checkpoint. runner: the command that starts the model
    runner, or one that is running already.
    patience_s: seconds of silence after which the runner is given up and ended.
    """
    prediction = predict(source, model, template, runner, report, patience_s)
    result = parse(prediction.code, template.vocabulary)
    if result.error is not None:
        raise RunnerError(f"The model wrote graphics code that cannot be read: {result.error}; choose another model.")
    scene = template.completed(result.scene)
    width_px, height_px = render_size_px(source.picture.size)
    options = RenderOptions(width_px, height_px, samples=samples)
    with complete_set(folder) as unfinished:
        report("building and rendering the scene", None)
        comparison, missing = _show(source, scene, template, options, unfinished)
        (unfinished / "code.py").write_text(prediction.code, encoding="utf-8")
        write_scene_document(
            unfinished / "scene.json",
            scene,
            template.name,
            source=source.name,
            model=prediction.model,
            confidences=list(prediction.confidences),
            seconds=dict(prediction.seconds),
            render=_about(options),
            comparison=comparison.to_json(),
        )
    return Derendered(scene, prediction, comparison, tuple(missing))


def render_document(document: SceneDocument, path: Path, template: Template, options: RenderOptions, folder: Path) -> list[str]:
    """Write render.png, scene.json and scene.blend of a scene that was read from `path` into the folder, all of them or none.
    What could not be shown is returned as sentences."""
    scene = template.completed(document.scene)
    with complete_set(folder) as unfinished:
        missing = write_scene_files(scene, template, unfinished, path.stem, options)
        write_scene_document(unfinished / "scene.json", scene, template.name, source=path.name, render=_about(options))
    return missing


def predict(
    source: Source, model: str, template: Template, runner: Sequence[str] | ServedRunner, report: Report, patience_s: float
) -> Prediction:
    """The model's program for the picture, by a runner that is started for it and ended after it, or by one that is running
    already. A runner that says nothing for `patience_s` seconds is taken for hung: RunnerError."""
    report("connecting to the model runner" if isinstance(runner, ServedRunner) else "starting the model runner", None)
    with RunnerClient(runner, client_name="igllm derender") as client:
        request_id = client.send(Predict(source.wire_bytes(), model, template.vocabulary))
        heard_at = time.monotonic()
        while time.monotonic() - heard_at < patience_s:
            for message in client.poll(_POLL_S):
                heard_at = time.monotonic()
                if isinstance(message, Progress):
                    report(message.stage, message.fraction)
                elif isinstance(message, Statement):
                    report(f"{message.confidence:4.0%}  {message.text.rstrip()}", None)
                elif isinstance(message, Failure):
                    raise _named(source.name, message)
                elif isinstance(message, Prediction) and message.id == request_id:
                    return message
    raise RunnerError(
        f"The model runner said nothing for {patience_s:g} seconds and was ended; try again, "
        "with a larger --patience on a slow machine."
    )


def _named(name: str, failure: Failure) -> IgllmError:
    """The runner knows a picture and no file, so the file's name goes in front of what it says about the picture."""
    error = error_of(failure)
    return UsageError(f"{name}: {error}") if isinstance(error, UsageError) else error


def render_size_px(picture_size: tuple[int, int]) -> tuple[int, int]:
    """The picture's own size; a larger one is reduced until neither side is above RENDER_SIDE_LIMIT_PX."""
    scale = min(1.0, RENDER_SIDE_LIMIT_PX / max(picture_size))
    width, height = (max(round(side * scale), _RENDER_SIDE_LEAST_PX) for side in picture_size)
    return width, height


def _about(options: RenderOptions) -> dict[str, str | int]:
    return {
        "engine": options.engine,
        "samples": options.samples,
        "width_px": options.width_px,
        "height_px": options.height_px,
        "blender_version": blender_version(),
    }


def _show(source: Source, scene: Scene, template: Template, options: RenderOptions, folder: Path) -> tuple[Comparison, list[str]]:
    """Write the render, the Blender file and the comparison page into the folder; what could not be shown, as sentences."""
    upright = folder / "picture.png"
    source.picture.save(upright)
    stem = Path(source.name).stem
    missing = write_scene_files(scene, template, folder, f"De-rendered {stem}", options, Background(upright, source.name))
    upright.unlink()
    render = folder / RENDER_NAME
    with Image.open(render) as picture:
        rendered = Titled(picture.convert("RGB"), "Render", render.name)
    titled = Titled(source.picture, "Picture", source.name)
    # The picture comes to the render's size and not the other way round: enlarging the render would add nothing.
    comparison = compare(rendered, titled)
    comparison_page(titled, rendered, comparison).save(folder / "comparison.png")
    return comparison, missing
