# SPDX-License-Identifier: GPL-3.0-or-later
"""The `igllm` command: one verb per step of the loop. Nothing is imported here but the standard library and core; each verb
imports its own part when it is called, so that `igllm --help` needs nothing and `igllm compare` no torch.

Exit status: 0 where the whole job was done, 2 for a wrong command line or unusable input, 130 after Ctrl-C, 1 for the rest.
What went wrong is one sentence on stderr. stdout holds the verb's answer and nothing else.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .core.command_line import SentenceParser, positive
from .core.errors import IgllmError, UsageError, WeightsError

if TYPE_CHECKING:
    from argparse import ArgumentParser

    from .core.protocol import Prediction
    from .core.vocabulary import Vocabulary
    from .derender import Report
    from .render_templates.template import Template
    from .source import Source

_DEFAULT_SAMPLES = 32
_DEFAULT_RENDER_SIZE_PX = (640, 480)
_FILE_BYTES_LIMIT = 1024**3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = "igllm"
    try:
        if not given or given[0] in ("-h", "--help"):
            print(_help())
            return 0 if given else 2
        verb = _verb(given[0])
        command = f"igllm {given[0]}"
        return verb(given[1:])
    except (UsageError, WeightsError) as error:  # a checkpoint is named by the user, as a picture is
        print(f"{command}: {error}", file=sys.stderr)
        return 2
    except IgllmError as error:
        print(f"{command}: {error}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        print(f"{command}: this Python has no {error.name}; `igllm doctor` says how to install it.", file=sys.stderr)
        return 1
    except OSError as error:
        print(
            f"{command}: {error.filename or 'a file'}: {error.strerror or error}; check the disk and its rights.", file=sys.stderr
        )
        return 1
    except KeyboardInterrupt:
        print(f"{command}: interrupted.", file=sys.stderr)
        return 130


def command() -> int:
    """What the installed `igllm` calls: `main`, after which the process really ends.

    The bpy wheel closes Blender when nothing refers to its module any more. Where something still does at the end, a thread that
    waits or a traceback, the wheel of Blender 4.5 waits for ever for a thread of its own; so its clean-up is left out.
    """
    status = main()
    if "bpy" in sys.modules:
        with contextlib.suppress(BrokenPipeError):  # whoever read the answer has gone
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)
    return status


def _verb(name: str) -> Callable[[Sequence[str]], int]:
    if name in VERBS:
        return VERBS[name][0]
    near = difflib.get_close_matches(name, VERBS, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"choose one of {', '.join(VERBS)}."
    raise UsageError(f"There is no verb {name!r}; {hint}")


def _help() -> str:
    verbs = "\n".join(f"  {name:10} {what}" for name, (_, what) in VERBS.items())
    return f"usage: igllm VERB ...\n\nPictures to Blender scenes and back.\n\n{verbs}\n\n`igllm VERB --help` explains a verb."


def _derender(arguments: Sequence[str]) -> int:
    parser = _parser(
        "derender", "Turn a picture into a Blender scene: code.py, scene.json, scene.blend, render.png, comparison.png."
    )
    parser.add_argument("image", metavar="IMAGE", type=Path, help="a picture file")
    parser.add_argument("--model", metavar="NAME|DIR", help="one of `igllm models`, or a checkpoint's folder")
    parser.add_argument("--out", metavar="DIR", type=Path, help="where the files go (default: derendered/<the picture's name>)")
    parser.add_argument("--connect", action="store_true", help="use the model runner that `igllm serve` has running")
    parser.add_argument(
        "--patience", metavar="SECONDS", type=positive, help="of silence before a hung model is ended (default: five minutes)"
    )
    _add_render_options(parser)
    options = parser.parse_args(arguments)
    source = _source(options.image)
    model = _model(options.model)
    from .bridge.launch import runner_command
    from .bridge.link import ServedRunner
    from .derender import PATIENCE_S, derender

    folder = options.out or Path("derendered") / options.image.stem
    template = _template_of(model, options.template, options.library)
    result = derender(
        source,
        folder,
        model=model,
        template=template,
        samples=options.samples,
        runner=ServedRunner() if options.connect else runner_command(),
        report=_reporter(),
        patience_s=float(options.patience or PATIENCE_S),
    )
    _say_missing(result.missing)
    print(f"{_counted(len(result.scene.objects), 'object')} of {options.image} in {folder}")
    return 0


def _render(arguments: Sequence[str]) -> int:
    parser = _parser("render", "Build and render a scene: render.png, scene.json, scene.blend.")
    parser.add_argument("scene", metavar="CODE_OR_SCENE", type=Path, help="graphics code (.py, .txt), a scene.json or a label")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="where the files go")
    parser.add_argument("--width", type=positive, help="pixels (default: as scene.json says, else 640)")
    parser.add_argument("--height", type=positive, help="pixels (default: as scene.json says, else 480)")
    parser.add_argument("--engine", metavar="NAME", default="cycles", help="cycles, eevee or workbench (default: cycles)")
    parser.add_argument("--model", metavar="NAME|DIR", help="the model that wrote it, where that knows meshes of its own")
    _add_render_options(parser)
    options = parser.parse_args(arguments)
    from .render_templates.render_options import RenderOptions
    from .scene_documents import read_scene_document

    template = _template_of(_model(options.model) if options.model else None, options.template, options.library)
    document = read_scene_document(options.scene, template.vocabulary)
    if document.template not in (None, template.name):
        raise UsageError(f"{options.scene} belongs to the template {document.template!r}; give --template {document.template}.")
    width, height = document.size_px or _DEFAULT_RENDER_SIZE_PX
    render = RenderOptions(options.width or width, options.height or height, options.engine, options.samples)
    from .derender import render_document

    _say_missing(render_document(document, options.scene, template, render, options.out))
    print(f"{_counted(len(document.scene.objects), 'object')} of {options.scene} in {options.out}")
    return 0


def _compare(arguments: Sequence[str]) -> int:
    parser = _parser("compare", "Show two pictures and their differences on one page; print PSNR and SSIM as JSON.")
    parser.add_argument("first", metavar="IMAGE_A", type=Path)
    parser.add_argument("second", metavar="IMAGE_B", type=Path, help="is resized to the size of IMAGE_A")
    parser.add_argument("--out", metavar="FILE", type=Path, required=True, help="the page (PNG)")
    options = parser.parse_args(arguments)
    first, second = _source(options.first), _source(options.second)
    from .comparison import Titled, compare, comparison_page
    from .output_set import complete_set

    a = Titled(first.picture, "First picture", first.name)
    b = Titled(second.picture, "Second picture", second.name)
    comparison = compare(a, b)
    if options.out.is_dir():
        raise UsageError(f"{options.out} is a folder; name the file of the page with --out, such as {options.out / 'page.png'}.")
    with complete_set(options.out.parent) as unfinished:
        comparison_page(a, b, comparison).save(unfinished / options.out.name, format="PNG")
    print(json.dumps(comparison.to_json()))
    return 0


def _generate(arguments: Sequence[str]) -> int:
    from .render_templates.generate import main as generate

    return generate(arguments)


def _assets(arguments: Sequence[str]) -> int:
    from .render_templates.assets_command import main as assets

    return assets(arguments)


def _train(arguments: Sequence[str]) -> int:
    from .model_runner.training import main as train

    return train(list(arguments))


def _learn(arguments: Sequence[str]) -> int:
    from .learning.command import main as learn
    from .learning.training import Trainer
    from .model_runner.shipped import learned_models_folder

    def trainer() -> Trainer:
        from .model_runner.learned_model import LearnedModelTrainer

        return LearnedModelTrainer()

    return learn(arguments, learned_models_folder(), trainer)


def _infer(arguments: Sequence[str]) -> int:
    from .bridge.client import RunnerClient
    from .bridge.link import ServedRunner
    from .bridge.many_pictures import predictions_for
    from .model_runner.infer_command import main_infer

    def ask_runner(pictures: Iterator[tuple[str, bytes]], model: str, vocabulary: Vocabulary) -> Iterator[Prediction]:
        with RunnerClient(ServedRunner(), client_name="igllm infer") as client:
            yield from predictions_for(client, pictures, _model(model), vocabulary)

    return main_infer(list(arguments), ask_runner)


def _evaluate(arguments: Sequence[str]) -> int:
    from .model_runner.evaluation import main_evaluate

    return main_evaluate(list(arguments))


def _serve(arguments: Sequence[str]) -> int:
    from .model_runner.serve_command import main_serve

    return main_serve(arguments)


def _models(arguments: Sequence[str]) -> int:
    _parser("models", "List the models that come with the package, and your own.").parse_args(arguments)
    from .model_runner.shipped import WEIGHTS_FOLDER, headline_figures, learned_models, shipped_models, size_bytes

    if not shipped_models() and not learned_models():
        raise IgllmError(f"No model is in {WEIGHTS_FOLDER}; install the package with its weights, or train one.")
    for name, folder in {**{name: WEIGHTS_FOLDER / name for name in shipped_models()}, **learned_models()}.items():
        print(f"{name}  {size_bytes(folder) / 1e6:.1f} MB  {folder}")
        heading, figures = headline_figures(folder)
        print(f"  {heading or 'no figures: its card has none'}")
        for what, figure in figures:
            print(f"    {what}: {figure}")
    return 0


def _doctor(arguments: Sequence[str]) -> int:
    _parser("doctor", "Say what this machine has and lacks; exit status 0 only if all is there.").parse_args(arguments)
    from .doctor import findings
    from .model_runner.shipped import WEIGHTS_FOLDER, weights_states

    missing = 0
    for finding in findings(WEIGHTS_FOLDER, weights_states()):
        print(finding.line(), flush=True)
        missing += finding.remedy is not None
    return 1 if missing else 0


# In the order of the loop. The names are a contract; see docs/architecture.md.
VERBS: dict[str, tuple[Callable[[Sequence[str]], int], str]] = {
    "derender": (_derender, "a picture to a Blender scene"),
    "generate": (_generate, "a data set of pictures, labels and graphics code"),
    "assets": (_assets, "what a library of meshes holds"),
    "train": (_train, "a model from a data set"),
    "learn": (_learn, "a model that knows the meshes of a folder"),
    "infer": (_infer, "a model's programs for many pictures"),
    "evaluate": (_evaluate, "a model's programs against labels"),
    "render": (_render, "graphics code or scene.json to a picture and a .blend"),
    "compare": (_compare, "two pictures side by side, with PSNR and SSIM"),
    "serve": (_serve, "keep a model in memory for several clients"),
    "models": (_models, "the models that are here"),
    "doctor": (_doctor, "what this machine has and lacks"),
}


def _parser(verb: str, description: str) -> ArgumentParser:
    return SentenceParser(prog=f"igllm {verb}", description=description, allow_abbrev=False)


def _add_render_options(parser: ArgumentParser) -> None:
    parser.add_argument("--template", metavar="NAME", help="the scene's domain (default: the model's, else clevr)")
    parser.add_argument("--library", metavar="FOLDER", help="of the model's meshes (default: where it learnt them, else shipped)")
    parser.add_argument("--samples", type=positive, default=_DEFAULT_SAMPLES, help=f"per pixel (default: {_DEFAULT_SAMPLES})")


def _template_of(model: str | None, name: str | None, library: str | None) -> Template:
    """What shows the model's scenes, or those of the template of this name."""
    from .model_runner.shipped import CONFIG_NAME, model_directory
    from .render_templates.meshes.model_template import chosen_template

    return chosen_template(None if model is None else model_directory(model) / CONFIG_NAME, name, library)


def _say_missing(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        print(sentence, file=sys.stderr)


def _source(path: Path) -> Source:
    """A picture file that the user named; a UsageError says why it cannot be used."""
    from .model_runner.pictures import picture_from_bytes
    from .source import Source

    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"{path} is not a file; give a PNG or JPEG file.")
        if path.stat().st_size > _FILE_BYTES_LIMIT:
            raise UsageError(
                f"{path} has {path.stat().st_size:,} bytes, and at most {_FILE_BYTES_LIMIT:,} are read; make it smaller."
            )
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}); give a PNG or JPEG file.") from error
    return Source(path.name, data, picture_from_bytes(data, str(path)))


def _model(name_or_folder: str | None) -> str:
    """What a request calls the model: a shipped one by its name, another by its absolute path."""
    from .core.model_folders import DEFAULT_MODEL
    from .model_runner.shipped import model_directory, shipped_models

    wanted = name_or_folder or DEFAULT_MODEL
    directory = model_directory(wanted)
    return wanted if wanted in shipped_models() else str(directory.resolve())


def _reporter() -> Report:
    """A line on stderr for each new stage, with the seconds since the start."""
    started, last = time.monotonic(), ""

    def report(stage: str, fraction: float | None) -> None:
        nonlocal last
        if stage != last:
            print(f"{time.monotonic() - started:6.1f} s  {stage}", file=sys.stderr, flush=True)
        last = stage

    return report


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
