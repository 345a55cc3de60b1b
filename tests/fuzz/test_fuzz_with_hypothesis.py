# SPDX-License-Identifier: GPL-3.0-or-later
"""The same mutations under hypothesis, which chooses them, inserts text of its own, and shrinks what breaks.

IGLLM_FUZZ_EXAMPLES=100000 python -m pytest tests/fuzz/test_fuzz_with_hypothesis.py is the long run.
"""

from __future__ import annotations

import os
import random

from fuzz_graphics_code import check, random_program
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_programs import VOCABULARIES

from igllm_addon.core.vocabulary import Vocabulary

EXAMPLES = int(os.environ.get("IGLLM_FUZZ_EXAMPLES", "300"))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(VOCABULARIES), st.integers(0, 2**64), st.text(max_size=12), st.integers(0, 2**16))
def test_no_mutated_program_breaks_the_parser(vocabulary: Vocabulary, seed: int, inserted: str, where: int) -> None:
    text = random_program(vocabulary, random.Random(seed))
    cut = where % (len(text) + 1)

    outcome, _ = check(text[:cut] + inserted + text[cut:], vocabulary)

    assert outcome
