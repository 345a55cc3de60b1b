# SPDX-License-Identifier: GPL-3.0-or-later
"""A short fuzz run, and every program that ever broke something once more."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from fuzz_graphics_code import CORPUS, check, run
from random_programs import VOCABULARIES, random_scene, write_freely

from igllm_addon.core.graphics_code import ParseResult, parse
from igllm_addon.core.vocabulary import Vocabulary


def test_three_thousand_mutated_programs(tmp_path: Path) -> None:
    report = run(3000, seed=20240415, corpus=tmp_path)

    assert report.failures == []
    assert sum(report.outcomes.values()) == 3000
    # The mutations must neither break everything nor nothing, or the run shows little.
    assert report.outcomes["whole"] > 300
    assert report.outcomes["error after a prefix"] > 300
    assert report.outcomes["error at once"] > 300


@pytest.mark.parametrize("vocabulary", VOCABULARIES, ids=lambda vocabulary: vocabulary.template)
@pytest.mark.parametrize("seed", range(50))
def test_programs_written_freely_mean_their_scene(vocabulary: Vocabulary, seed: int) -> None:
    rng = random.Random(seed)
    scene = random_scene(vocabulary, rng)

    result = parse(write_freely(scene, vocabulary, rng), vocabulary)

    assert result == ParseResult(scene, None)


@pytest.mark.parametrize("vocabulary", VOCABULARIES, ids=lambda vocabulary: vocabulary.template)
@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.txt")), ids=lambda path: path.stem)
def test_programs_that_once_broke_something(path: Path, vocabulary: Vocabulary) -> None:
    text = path.read_bytes().decode("utf-8", "surrogatepass")

    outcome, _ = check(text, vocabulary)

    assert outcome
