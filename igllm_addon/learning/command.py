# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of `igllm learn`: a folder of meshes in, a model that knows them out, within a budget of minutes. No bpy, no
torch: Blender works in processes of its own, and who trains is given."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ..core.command_line import SentenceParser
from ..core.errors import UsageError
from ..render_templates import generate as entry
from ..render_templates.generate_command import worker_command
from ..render_templates.meshes.catalogue import Catalogue, library_folder
from ..render_templates.meshes.indexing import up_to_date_catalogue
from .learn import learn
from .model_folder import LearningState, ModelFolder
from .plan import TEMPLATES, first_plan, sentences
from .training import Trainer

_DEFAULT_MINUTES = 30.0
_LEAST_MINUTES, _MOST_MINUTES = 0.1, 7 * 24 * 60.0
_INTERRUPTED = 130  # what a shell shows for a command that Ctrl-C ended


def main(arguments: Sequence[str], models: Path, trainer: Callable[[], Trainer]) -> int:
    """Learn; the result is the exit status. models: where models go that no --out names. trainer: makes the one who trains, or
    raises an IgllmError where there is no torch."""
    options = _parser(models).parse_args(arguments)
    library = str(library_folder(options.library))
    out = options.out or models / (library_folder(options.library).name or "model")
    folder = ModelFolder(Path(out).expanduser().absolute())
    if options.resume:
        state = _resumed(folder, library, options)
        catalogue = _catalogue(library, options.blender)
        _check_same(state, catalogue)
    else:
        folder.check_is_free()
        catalogue = _catalogue(library, options.blender)
        state = _begun(catalogue, options)
    for line in sentences(state.plan, len(state.meshes)):
        print(line, file=sys.stderr)
    if options.dry_run:
        return 0
    try:
        sentence = learn(folder, state, catalogue, blender_command(options.blender, entry.WORKER), trainer())
    except KeyboardInterrupt:
        print(f"igllm learn: interrupted; the same command with --resume goes on from here ({folder.path}).", file=sys.stderr)
        return _INTERRUPTED
    print(sentence)
    return 0


def blender_command(blender: str | None, role: str) -> list[str]:
    """How to start a Blender for `role`: the one that --blender names, a program or a Python with the bpy wheel, or the one that
    this Python has."""
    if blender is None:
        return worker_command(role)
    path = Path(blender)
    if not path.is_file():
        raise UsageError(f"There is no Blender {blender}; give the path of its program, or leave --blender away.")
    file = str(Path(entry.__file__).resolve())
    if path.name.lower().startswith("python"):
        return [str(path), "-P", file, role]
    return [str(path), "--background", "--factory-startup", "--python-exit-code", "1", "--python", file, "--", role]


def _catalogue(library: str, blender: str | None) -> Catalogue:
    """What the library holds; what cannot be used is said."""
    catalogue = up_to_date_catalogue(
        library,
        lambda: blender_command(blender, entry.MEASURER),
        report=lambda text: print(f"looking at mesh {text}", file=sys.stderr, flush=True),
    ).catalogue
    for item in catalogue.skipped:
        print(f"skipped {item.path}: {item.reason}", file=sys.stderr)
    if not catalogue.entries:
        raise UsageError(f"No file in {catalogue.library} gave a mesh; `igllm assets {catalogue.library}` says why.")
    return catalogue


def _begun(catalogue: Catalogue, options: argparse.Namespace) -> LearningState:
    chosen = tuple(sorted(catalogue.entries)) if options.meshes is None else _words(options.meshes)
    meshes = tuple(catalogue.entry(word).word for word in chosen)
    template = options.template or TEMPLATES[0]
    if template == "so3":
        meshes = meshes[:1]  # one mesh, in the origin
    plan = first_plan(template, options.minutes or _DEFAULT_MINUTES, options.seed if options.seed is not None else 1)
    return LearningState(str(catalogue.library), meshes, catalogue.fingerprint(), plan)


def _resumed(folder: ModelFolder, library: str, options: argparse.Namespace) -> LearningState:
    """What was begun there; a UsageError where it is something else than what is asked for."""
    state = folder.state_or_none()
    if state is None:
        raise UsageError(f"{folder.path} holds no learning to go on with; leave --resume away to begin one.")
    if folder.checkpoint.exists():
        raise UsageError(f"{folder.path} is finished: its model is {folder.checkpoint}; choose another --out for a new one.")
    plan = state.plan
    pairs = [
        ("FOLDER", library, state.library),
        ("--template", options.template or plan.template, plan.template),
        ("--minutes", options.minutes or plan.minutes, plan.minutes),
        ("--seed", plan.seed if options.seed is None else options.seed, plan.seed),
        ("--meshes", state.meshes if options.meshes is None else _words(options.meshes), state.meshes),
    ]
    for name, asked, there in pairs:
        if asked != there:
            raise UsageError(f"{folder.path} was begun with {name} {there}, not {asked}; leave it away or choose another --out.")
    return state


def _check_same(state: LearningState, catalogue: Catalogue) -> None:
    if catalogue.fingerprint() != state.fingerprint:
        raise UsageError(f"The meshes in {state.library} have changed since the learning began; choose another --out.")


def _words(text: str) -> tuple[str, ...]:
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not words:
        raise UsageError(f"--meshes needs words of the library, separated by commas, got {text!r}.")
    return words


def _minutes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not _LEAST_MINUTES <= value <= _MOST_MINUTES:
        raise argparse.ArgumentTypeError(f"expected minutes, {_LEAST_MINUTES:g} to {_MOST_MINUTES:g}, got {text!r}")
    return value


def _seed(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, got {text!r}")
    return int(text)


def _parser(models: Path) -> SentenceParser:
    parser = SentenceParser(prog="igllm learn", description="Make a model that knows the meshes of a folder.", allow_abbrev=False)
    parser.add_argument("library", metavar="FOLDER", help="meshes, as `igllm assets` takes them")
    parser.add_argument("--out", metavar="MODEL", type=Path, help=f"the model's folder (default: {models}/NAME of the folder)")
    parser.add_argument("--minutes", type=_minutes, help=f"for all of it (default: {_DEFAULT_MINUTES:g})")
    parser.add_argument("--seed", type=_seed, help="decides pictures and training (default: 1)")
    parser.add_argument("--template", choices=TEMPLATES, help="what pictures show (default: sixdof, one mesh turned any way)")
    parser.add_argument("--meshes", metavar="WORDS", help="separated by commas (default: all of the folder)")
    parser.add_argument("--blender", metavar="PATH", help="the Blender that renders (default: this Python's)")
    parser.add_argument("--resume", action="store_true", help="go on with what was interrupted in MODEL")
    parser.add_argument("--dry-run", action="store_true", help="say the plan and do nothing")
    return parser
