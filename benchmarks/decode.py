# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast programs are decoded, against `generate` of transformers, the same weights doing the same job in one run.

Both write the program of a picture from the same glimpse of it, greedily, with keys and values cached, on one thread. `generate`
chooses freely among all tokens at every step; only [NUM], which the training never asks for because it is forced, is put in its
mouth, and numbers are read and fed as the weights were trained. Pictures are taken in turn, now the one side first, now the
other, and ratios are of pairs, so that a machine that slows down slows both. Seconds are those of the processor, because
other programs' turns are no part of the work.

IG-LLM reads its numbers in a second pass over the whole program. That would come on top of `generate` and is told apart.

    python benchmarks/decode.py [--images TAR_OR_FOLDER] [--count 40] [--out benchmarks/results]
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable
from itertools import cycle, islice
from pathlib import Path
from typing import TypeVar

import torch
from decode_report import Pair, report_of, table
from decode_with_generate import Generating, generated_program
from torch import Tensor

from igllm_addon.core.graphics_code import parse
from igllm_addon.core.model_folders import DEFAULT_MODEL
from igllm_addon.model_runner.checkpoint import load_checkpoint
from igllm_addon.model_runner.decoding import ProgramWriter
from igllm_addon.model_runner.infer_command import pictures_in
from igllm_addon.model_runner.model import Glimpse, Igllm
from igllm_addon.model_runner.pictures import picture_from_bytes
from igllm_addon.model_runner.predictor import picture_tensor
from igllm_addon.model_runner.shipped import model_directory

_Result = TypeVar("_Result")
PICTURES = Path(__file__).parents[1] / "tests" / "data"


def timed(action: Callable[[], _Result]) -> tuple[_Result, float]:
    start = time.process_time()
    result = action()
    return result, time.process_time() - start


def measure_pair(model: Igllm, generating: Generating, glimpse: Glimpse, ours_first: bool) -> Pair:
    writer = ProgramWriter(model, glimpse)

    def ours() -> str:
        return "".join(statement.text for statement in writer.statements())

    if ours_first:
        (text, our_seconds), (generated, seconds) = timed(ours), timed(lambda: generated_program(generating, glimpse))
    else:
        (generated, seconds), (text, our_seconds) = timed(lambda: generated_program(generating, glimpse)), timed(ours)
    _, second_pass = timed(lambda: generating.passed_again(glimpse))
    return Pair(
        objects=len(parse(text, model.config.vocabulary).scene.objects),
        our_seconds=our_seconds,
        seconds=seconds,
        second_pass_seconds=second_pass,
        our_passes=writer.passes,
        passes=generating.passes,
        characters=len(text),
        is_valid=generated is not None,
        is_identical=generated is not None and generated.says_the_same(parse(text, model.config.vocabulary).scene),
    )


def glimpses_of(model: Igllm, source: Path, count: int) -> list[Glimpse]:
    width = model.config.vision.input_width_px
    pictures: list[Tensor] = [
        picture_tensor(picture_from_bytes(data, name), width) for name, data in islice(pictures_in(source), count)
    ]
    return [model.look(picture) for picture in pictures]


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default=DEFAULT_MODEL, help="a shipped model's name or a checkpoint's folder")
    parser.add_argument("--images", type=Path, default=PICTURES, help="a folder of pictures or a tar")
    parser.add_argument("--count", type=int, default=40, help="pairs; pictures come again where there are fewer")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(1)
    model = load_checkpoint(model_directory(arguments.model))
    generating = Generating(model)
    glimpses = glimpses_of(model, arguments.images, arguments.count)
    measure_pair(model, generating, glimpses[0], ours_first=True)  # joins weights and fills caches; not counted
    pairs = [
        measure_pair(model, generating, glimpse, ours_first=index % 2 == 0)
        for index, glimpse in zip(range(arguments.count), cycle(glimpses), strict=False)
    ]
    report = report_of(pairs)
    report["machine"] = {"processor": platform.processor() or platform.machine(), "torch": torch.__version__, "threads": 1}
    report["model"] = model.config.name
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "decode.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (arguments.out / "decode.md").write_text(table(report), encoding="utf-8")
    print(table(report))


if __name__ == "__main__":
    main()
