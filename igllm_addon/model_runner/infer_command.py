# SPDX-License-Identifier: GPL-3.0-or-later
"""`igllm infer`: a model's program for every picture of a folder or tar, in IG-LLM's file of answers.

{"model_path", "model_base", "model_name", "answers": {file name: {"outputs": program, "confidences": [one for each object]}}}
"""

from __future__ import annotations

import json
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from tqdm import tqdm

from ..core.command_line import SentenceParser
from ..core.errors import UsageError
from ..core.model_folders import DEFAULT_MODEL
from ..core.vocabulary import Vocabulary
from .config import config_from_json
from .data import shards_in
from .dot_layout import dot_files, is_dots
from .pictures import picture_from_bytes
from .shipped import model_directory

_PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")


class Program(Protocol):
    """What was written for a picture."""

    @property
    def code(self) -> str: ...

    @property
    def confidences(self) -> tuple[float, ...]: ...


NamedPicture = tuple[str, bytes]  # file name and the file's bytes
AskRunner = Callable[[Iterator[NamedPicture], str, Vocabulary], Iterator[Program]]


def pictures_in(source: Path, names_alone: bool = False) -> Iterator[tuple[str, bytes]]:
    """(file name, bytes) of each picture in a folder, in the tars of a folder, or in one tar. names_alone: nothing is read."""
    if is_dots(source):
        yield from dot_files(source, names_alone)
        return
    if source.is_dir():
        files = sorted(path for path in source.iterdir() if path.suffix.lower() in _PICTURE_SUFFIXES)
        if files:
            yield from ((path.name, b"" if names_alone else path.read_bytes()) for path in files)
            return
    for shard in shards_in(source) if source.is_dir() else [source]:
        try:
            with tarfile.open(shard) as archive:
                for member in archive:
                    extracted = archive.extractfile(member)
                    if extracted is not None and member.name.lower().endswith(_PICTURE_SUFFIXES):
                        yield PurePosixPath(member.name).name, b"" if names_alone else extracted.read()
        except (OSError, tarfile.TarError) as caught:
            raise UsageError(f"{shard} is neither a folder of pictures nor a tar ({caught}).") from caught


def answers_of(programs: Callable[[Iterator[NamedPicture]], Iterator[Program]], source: Path) -> dict[str, Any]:
    """file name -> answer for every picture in `source`, as plain data."""
    total = sum(1 for _ in pictures_in(source, names_alone=True))
    names: list[str] = []

    def pictures() -> Iterator[NamedPicture]:
        for name, data in pictures_in(source):
            names.append(name)
            yield name, data

    written = tqdm(programs(pictures()), total=total, desc="infer", unit="picture", file=sys.stderr, mininterval=2.0)
    entries = [{"outputs": program.code, "confidences": list(program.confidences)} for program in written]
    if not entries:
        raise UsageError(f"{source} holds no pictures; give a folder or a tar with PNG or JPEG files.")
    return dict(zip(names, entries, strict=True))


def main_infer(argv: list[str], ask_runner: AskRunner) -> int:
    """`igllm infer`. ask_runner: how to have the programs written by the runner that `igllm serve` has running."""
    parser = SentenceParser(prog="igllm infer", description="Write a model's program for every picture.")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="a shipped model's name or a checkpoint's folder")
    parser.add_argument("--images", type=Path, required=True, help="a folder of pictures, a tar, or a folder of tar shards")
    parser.add_argument("--out", type=Path, required=True, help="the answers file to write (JSON)")
    parser.add_argument("--connect", action="store_true", help="use the model runner that `igllm serve` has running")
    options = parser.parse_args(argv)
    directory = model_directory(options.model)
    config = config_from_json((directory / "config.json").read_text(encoding="utf-8"), str(directory / "config.json"))

    def written(pictures: Iterator[NamedPicture]) -> Iterator[Program]:
        if options.connect:
            return ask_runner(pictures, options.model, config.vocabulary)
        from .predictor import Predictor

        return Predictor.load(directory).predict_many(picture_from_bytes(data, name) for name, data in pictures)

    unfinished = options.out.with_name(f".{options.out.name}.unfinished")
    try:  # before the work, not after it
        options.out.parent.mkdir(parents=True, exist_ok=True)
        unfinished.touch()
    except OSError as error:
        raise UsageError(f"{options.out} cannot be written ({error.strerror}); choose another --out.") from error
    try:
        value: dict[str, Any] = {"model_path": str(directory), "model_base": None, "model_name": config.name}
        value["answers"] = answers_of(written, options.images)
        unfinished.write_text(json.dumps(value) + "\n", encoding="utf-8")
        unfinished.replace(options.out)
    finally:
        unfinished.unlink(missing_ok=True)
    return 0
