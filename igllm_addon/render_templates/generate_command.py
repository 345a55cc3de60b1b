# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of `igllm generate`: arguments in, sentences and an exit status out. No bpy."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import NoReturn

from ..core.errors import RenderError, UsageError
from . import generate as entry
from .crew import CrewOptions
from .dots2d.generate_command import run_dots2d
from .generation import Report, generate
from .meshes.catalogue import SHIPPED
from .meshes.indexing import up_to_date_catalogue
from .render_options import ENGINES, RenderOptions
from .run_options import LAYOUTS, PASSES, RunOptions
from .template import template_named, templates

_DEFAULT_WORKERS = 8  # at most; each takes about 400 MB, and more of them share the cores no better
_INTERRUPTED = 130  # what a shell shows for a command that Ctrl-C ended


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[:1].upper()}{message[1:]}; igllm generate --help lists the options.")


def run_command(argv: Sequence[str]) -> int:
    """Parse, generate, say what happened."""
    try:
        if argv[:1] == ["dots2d"]:  # needs neither Blender nor workers
            return run_dots2d(argv[1:])
        arguments = _parser().parse_args(argv)
        report = _generate(arguments)
    except UsageError as error:
        print(f"igllm generate: {error}", file=sys.stderr)
        return 2
    except RenderError as error:
        print(f"igllm generate: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("igllm generate: interrupted; the same command goes on from here.", file=sys.stderr)
        return _INTERRUPTED
    print(f"{report.total} samples in {report.folder} ({report.made} of them made now).")
    return 0


def _generate(arguments: argparse.Namespace) -> Report:
    template = template_named(arguments.template)
    known = {field.name for field in fields(template.options)} - set(template.filled_options)
    given = {name: getattr(arguments, name) for name in _option_help() if getattr(arguments, name) is not None}
    if strange := sorted(set(given) - known):
        raise UsageError(
            f"The template {template.name!r} has no option --{strange[0]}; it has {', '.join(sorted(known)) or 'none'}."
        )
    if "library" in known:
        up_to_date_catalogue(given.get("library", SHIPPED), measurer_command, report=_report_to_stderr)
    options = template.given_options(given, arguments.split, arguments.height / arguments.width)
    render = RenderOptions(arguments.width, arguments.height, arguments.engine, arguments.samples, arguments.denoise)
    run = RunOptions(
        template=template.name,
        split=arguments.split,
        seed=arguments.seed,
        start=arguments.start,
        layout=arguments.layout,
        shard_size=arguments.shard_size,
        passes=tuple(name for name in PASSES if name in arguments.passes) + tuple(set(arguments.passes) - set(PASSES)),
        render=render,
        options=options,
    )
    cores = usable_cores()
    workers = arguments.workers or (min(cores, _DEFAULT_WORKERS) if render.engine == "cycles" else 1)
    crew = CrewOptions(size=workers)
    threads = max(1, cores // workers)
    return generate(run, arguments.count, arguments.out, worker_command(), threads, crew, sys.stderr)


def worker_command(role: str = entry.WORKER) -> list[str]:
    """How to start a process that has Blender: the Blender that runs this, or this Python with the bpy wheel. role: what it does,
    WORKER or MEASURER of generate.py."""
    bpy = sys.modules.get("bpy")
    file = str(Path(entry.__file__).resolve())
    if bpy is not None and bpy.app.binary_path:
        start = [bpy.app.binary_path, "--background", "--factory-startup", "--python-exit-code", "1"]
        return [*start, "--python", file, "--", role]
    if importlib.util.find_spec("bpy") is None:
        raise UsageError(
            f"{sys.executable} has no Blender: install the bpy wheel there (pip install bpy),"
            f" or run blender --background --python {file} -- with the same arguments."
        )
    return [sys.executable, "-P", file, role]


def measurer_command() -> list[str]:
    """How to start the process that looks at meshes."""
    return worker_command(entry.MEASURER)


def _report_to_stderr(sentence: str) -> None:
    print(f"looking at mesh {sentence}", file=sys.stderr)


def usable_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _option_help() -> dict[str, str]:
    """Every option that some template has -> what `--help` says about it."""
    found: dict[str, list[str]] = {}
    for template in templates().values():
        for field in fields(template.options):
            if field.name not in template.filled_options:
                found.setdefault(field.name, []).append(f"{template.name}: default {field.default}")
    return {name: "; ".join(lines) for name, lines in found.items()}


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)


def _natural(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 0, got {text!r}")
    return int(text)


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="igllm generate", description="Make a data set: pictures, labels and graphics code.", allow_abbrev=False
    )
    parser.add_argument("template", metavar="TEMPLATE", help=f"one of {', '.join(templates())}, dots2d")
    parser.add_argument("--count", type=_positive, required=True, help="samples in all; may be raised later")
    parser.add_argument("--seed", type=_natural, required=True, help="with split and index it decides every sample")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the data set")
    parser.add_argument("--split", default="train", metavar="NAME", help="default: train")
    parser.add_argument("--start", type=_natural, default=0, metavar="INDEX", help="the first sample's index (default: 0)")
    parser.add_argument(
        "--workers", type=_positive, metavar="N", help=f"processes; default: one a core, at most {_DEFAULT_WORKERS}, for Cycles"
    )
    parser.add_argument("--engine", default="cycles", metavar="|".join(ENGINES), help="default: cycles")
    parser.add_argument("--samples", type=_positive, default=16, help="per pixel; default: 16")
    parser.add_argument("--no-denoise", dest="denoise", action="store_false", help="leave the noise of Cycles in the pictures")
    parser.add_argument("--width", type=_positive, default=320, help="pixels; default: 320")
    parser.add_argument("--height", type=_positive, default=240, help="pixels; default: 240")
    parser.add_argument("--layout", default="webdataset", metavar="|".join(LAYOUTS), help="default: webdataset")
    parser.add_argument("--shard-size", type=_positive, default=100, metavar="N", help="samples in a shard; default: 100")
    parser.add_argument("--passes", type=_names, default=[], metavar=",".join(PASSES), help="also write these")
    for name, text in _option_help().items():
        parser.add_argument(f"--{name}", metavar="VALUE", help=text.replace("%", "%%"))
    return parser
