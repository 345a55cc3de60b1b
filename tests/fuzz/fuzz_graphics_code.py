# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzz the parser of graphics code with mutated programs: python tests/fuzz/fuzz_graphics_code.py --count 100000 --seed 1

Every program is checked for what must hold of any text (see `check`). What breaks it is written into --corpus, a folder whose
files test_fuzz_graphics_code.py replays, and ends the run with status 1. The report says how many programs of which kind there
were and how long one took.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import resource
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import python_oracle
from random_programs import VOCABULARIES, mutate, random_scene, write_freely

from igllm_addon.core.graphics_code import ParseResult, parse, serialize
from igllm_addon.core.graphics_code_tokens import LINE_BREAK
from igllm_addon.core.vocabulary import Vocabulary

CORPUS = Path(__file__).parent / "corpus"


@dataclass(frozen=True)
class Report:
    """Outcomes of a run; processor seconds are of `parse` alone, failures name the file in the corpus."""

    outcomes: Counter[str]
    seconds: list[float]
    longest_text: int
    failures: list[str]


def check(text: str, vocabulary: Vocabulary) -> tuple[str, float]:
    """Outcome and processor seconds of one program; an AssertionError, or whatever `parse` raises, is a bug."""
    started = time.process_time()
    result = parse(text, vocabulary)
    seconds = time.process_time() - started
    scene, error = result.scene, result.error
    assert parse(serialize(scene, vocabulary), vocabulary) == ParseResult(scene, None), "the prefix does not come back"
    if error is None:
        read_by_python = python_oracle.scene_or_none(text, vocabulary)
        assert read_by_python in (None, scene), f"Python reads {read_by_python}"
        return ("whole" if read_by_python is not None else "whole, but not Python"), seconds
    assert str(error).isprintable() and len(str(error)) < 1000, "the message is not one short line"
    lines = LINE_BREAK.split(text)
    assert 1 <= error.line <= len(lines) and 1 <= error.column <= len(lines[error.line - 1]) + 1, "the error is not in the text"
    before = "\n".join([*lines[: error.line - 1], lines[error.line - 1][: error.column - 1]])
    assert parse(before, vocabulary).scene == scene, "the text before the error gives another scene"
    return ("error after a prefix" if scene.objects or scene.camera else "error at once"), seconds


def random_program(vocabulary: Vocabulary, rng: random.Random) -> str:
    """A valid program and then one to six mutations."""
    scene = random_scene(vocabulary, rng)
    text = serialize(scene, vocabulary) if rng.random() < 0.3 else write_freely(scene, vocabulary, rng)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 6))):
        text = mutate(text, rng)
    return text


def run(count: int, seed: int, corpus: Path) -> Report:
    """Fuzz `count` programs; program i depends on the seed and i only."""
    outcomes: Counter[str] = Counter()
    report = Report(outcomes, [], 0, [])
    longest = 0
    for index in range(count):
        rng = random.Random(f"{seed}/{index}")
        vocabulary = rng.choice(VOCABULARIES)
        text = random_program(vocabulary, rng)
        longest = max(longest, len(text))
        try:
            outcome, seconds = check(text, vocabulary)
        except (ArithmeticError, AssertionError, LookupError, RecursionError, TypeError, ValueError) as error:
            data = text.encode("utf-8", "surrogatepass")
            path = corpus / f"{hashlib.sha256(data).hexdigest()[:16]}.txt"
            path.write_bytes(data)
            report.failures.append(f"program {index}, template {vocabulary.template}: {error!r:.300} (kept as {path.name})")
            continue
        outcomes[outcome] += 1
        report.seconds.append(seconds)
    return Report(outcomes, report.seconds, longest, report.failures)


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz the parser of graphics code with mutated programs.")
    parser.add_argument("--count", type=int, default=100_000, help="programs (default: 100000)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other programs (default: 0)")
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="where to keep programs that break something")
    options = parser.parse_args()

    report = run(options.count, options.seed, options.corpus)

    for outcome, number in report.outcomes.most_common():
        print(f"{number:8d}  {outcome}")
    milliseconds = sorted(1000.0 * seconds for seconds in report.seconds)
    if milliseconds:
        median, late, worst = (
            milliseconds[len(milliseconds) // 2],
            milliseconds[len(milliseconds) * 999 // 1000],
            milliseconds[-1],
        )
        print(
            f"parse: median {median:.2f} ms, 99.9 % below {late:.2f} ms, worst {worst:.2f} ms; longest text {report.longest_text}"
        )
    print(f"peak memory of the process: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")
    for failure in report.failures:
        print(f"FAILED {failure}", file=sys.stderr)
    print(f"{len(report.failures)} of {options.count} programs broke something")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
