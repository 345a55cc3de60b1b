# SPDX-License-Identifier: GPL-3.0-or-later
"""Decoding in IG-LLM's text dialect with digits, against `generate` of transformers on the same weights: see decode.py.

`generate` gets what a user would give it, the picture and the question as embeddings, and writes the whole text, forced or not,
token by token. Without --model the decoder's weights are random, so that only the time can be compared: `generate` is then
made to write exactly as many tokens as our program has, and nothing is said of what they say.

    python benchmarks/decode_text.py [--model DIR] [--images TAR_OR_FOLDER] [--count 10] [--out benchmarks/results]
"""

from __future__ import annotations

import argparse
import json
import platform
from dataclasses import replace
from itertools import cycle
from pathlib import Path

import torch
from decode import PICTURES, glimpses_of, timed
from decode_report import Pair, report_of, table
from torch import Tensor

from igllm_addon.core.graphics_code import parse
from igllm_addon.core.model_folders import DEFAULT_MODEL
from igllm_addon.model_runner.checkpoint import load_checkpoint
from igllm_addon.model_runner.decoding import ProgramWriter
from igllm_addon.model_runner.dialects import TextDialect
from igllm_addon.model_runner.model import Glimpse, Igllm
from igllm_addon.model_runner.shipped import model_directory

from transformers import LlamaForCausalLM  # isort: skip

_MOST_NEW_TOKENS = 1024
_RANDOM_OBJECTS = 6


def random_text_model() -> Igllm:
    """The shipped tower and a decoder of the shipped size with random weights, which writes six objects for any picture."""
    shipped = load_checkpoint(model_directory(DEFAULT_MODEL))
    decoder = replace(
        shipped.config.decoder, dialect="text", numeric_head="none", pointer=False, feed_numbers=False, camera=False
    )
    vocabulary = replace(shipped.config.vocabulary, object_limit=_RANDOM_OBJECTS)
    torch.manual_seed(0)
    model = Igllm(replace(shipped.config, name="random, text", vocabulary=vocabulary, decoder=decoder))
    model.tower.load_state_dict(shipped.tower.state_dict())
    model.requires_grad_(False)
    for spellings in text_dialect(model).another.spellings.values():
        # Of choices that are alike the first is taken, which is another object.
        model.language_model.lm_head.weight[[spelling[0] for spelling in spellings]] = 0.0
    return model.eval()


def text_dialect(model: Igllm) -> TextDialect:
    if not isinstance(model.dialect, TextDialect):
        raise SystemExit(f"{model.config.name} writes the dialect compact; benchmarks/decode.py measures that.")
    return model.dialect


class TextGenerating:
    """transformers' side: the same weights in a model of its own, laid out as it was loaded."""

    def __init__(self, model: Igllm) -> None:
        self.model, self.dialect = model, text_dialect(model)
        self.llama = LlamaForCausalLM(model.language_model.config).eval().requires_grad_(False)
        self.llama.load_state_dict(model.language_model.state_dict())

    @torch.inference_mode()
    def write(self, glimpse: Glimpse, exactly: int | None) -> list[int]:
        """The tokens after the question."""
        visual = self.model.before_program(self.model.visual_embeddings(glimpse))
        question = self.model.embed_tokens(torch.tensor([self.dialect.after_picture]))
        prompt = torch.cat([visual, question], dim=1)
        end = self.dialect.spelling.end
        output: Tensor = self.llama.generate(
            inputs_embeds=prompt,
            attention_mask=torch.ones(prompt.shape[:2], dtype=torch.int64),
            max_new_tokens=exactly or _MOST_NEW_TOKENS,
            min_new_tokens=exactly,
            do_sample=False,
            eos_token_id=end,
            pad_token_id=end,
        )
        return output[0].tolist()


def measure_pair(generating: TextGenerating, glimpse: Glimpse, ours_first: bool, is_trained: bool) -> Pair:
    writer = ProgramWriter(generating.model, glimpse)
    vocabulary, spelling = generating.model.config.vocabulary, generating.dialect.spelling
    # How long the text is, is known only once it is there.
    text = "".join(statement.text for statement in ProgramWriter(generating.model, glimpse).statements())
    exactly = None if is_trained else sum(len(spelling.spell("\n" + line)) for line in text.splitlines())

    def ours() -> str:
        return "".join(statement.text for statement in writer.statements())

    if ours_first:
        (text, our_seconds), (tokens, seconds) = timed(ours), timed(lambda: generating.write(glimpse, exactly))
    else:
        (tokens, seconds), (text, our_seconds) = timed(lambda: generating.write(glimpse, exactly)), timed(ours)
    body, fence, _ = spelling.read(tokens).partition("\n```")
    ours_parsed, generated = parse(text, vocabulary), parse(body.lstrip("\n") + "\n", vocabulary)
    is_valid = is_trained and bool(fence) and generated.error is None
    return Pair(
        objects=len(ours_parsed.scene.objects),
        our_seconds=our_seconds,
        seconds=seconds,
        second_pass_seconds=0.0,
        our_passes=writer.passes,
        passes=len(tokens),
        characters=len(text),
        is_valid=is_valid,
        is_identical=is_valid and generated.scene.objects == ours_parsed.scene.objects,
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="a checkpoint's folder; without it the decoder's weights are random")
    parser.add_argument("--images", type=Path, default=PICTURES)
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(1)
    is_trained = arguments.model is not None
    model = load_checkpoint(arguments.model) if is_trained else random_text_model()
    generating = TextGenerating(model)
    glimpses = glimpses_of(model, arguments.images, arguments.count)
    measure_pair(generating, glimpses[0], True, is_trained)  # joins weights and fills caches; not counted
    pairs = [
        measure_pair(generating, glimpse, index % 2 == 0, is_trained)
        for index, glimpse in zip(range(arguments.count), cycle(glimpses), strict=False)
    ]
    report = report_of(pairs) | {"model": model.config.name, "is_trained": is_trained}
    report["machine"] = {"processor": platform.processor() or platform.machine(), "torch": torch.__version__, "threads": 1}
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "decode_text.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (arguments.out / "decode_text.md").write_text(table(report), encoding="utf-8")
    print(table(report))


if __name__ == "__main__":
    main()
