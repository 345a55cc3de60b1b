# SPDX-License-Identifier: GPL-3.0-or-later
"""What may come next: every way through a trie or through digits ends at something that can be said, and nothing else does."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from igllm_addon.core.errors import WeightsError
from igllm_addon.model_runner.token_choices import DIGIT_CHARACTERS, Node, NumberNode, token_trie

_DIGITS = {character: index + 40 for index, character in enumerate(DIGIT_CHARACTERS)}


def _end_of(node: Node, data: st.DataObject) -> tuple[Node, list[int]]:
    """A walk to an end along choices that hypothesis makes."""
    way: list[int] = []
    while node.choices:
        way.append(data.draw(st.sampled_from(node.choices)))
        node = node.after(way[-1])
    return node, way


_SPELLINGS = st.lists(st.lists(st.integers(0, 4), min_size=1, max_size=4).map(tuple), min_size=1, max_size=6, unique=True)


def _is_free(spellings: list[tuple[int, ...]]) -> bool:
    return not any(a != b and b[: len(a)] == a for a in spellings for b in spellings)


@given(_SPELLINGS.filter(_is_free), st.data())
def test_every_way_through_a_trie_spells_one_of_the_alternatives(spellings: list[tuple[int, ...]], data: st.DataObject) -> None:
    end, way = _end_of(token_trie((index, spelling) for index, spelling in enumerate(spellings)), data)

    assert spellings[end.value] == tuple(way)


@given(_SPELLINGS.filter(lambda spellings: not _is_free(spellings)))
def test_a_spelling_that_begins_another_is_refused(spellings: list[tuple[int, ...]]) -> None:
    with pytest.raises(WeightsError, match="like the beginning"):
        token_trie((index, spelling) for index, spelling in enumerate(spellings))


def test_two_alternatives_with_one_spelling_are_refused() -> None:
    with pytest.raises(WeightsError, match="'b'"):
        token_trie([("a", (1, 2)), ("b", (1, 2))])


@given(st.integers(1, 4), st.booleans(), st.data())
def test_every_way_through_the_digits_is_a_number_of_three_decimals(whole: int, signed: bool, data: st.DataObject) -> None:
    end, way = _end_of(NumberNode(_DIGITS, signed, whole), data)

    text = "".join(DIGIT_CHARACTERS[token - 40] for token in way)
    sign = "[+-]" if signed else ""
    assert re.fullmatch(rf"{sign}(0|[1-9]\d{{0,{whole - 1}}})\.\d{{3}}", text)
    assert end.value == float(text)


@given(st.floats(-2000.0, 2000.0), st.integers(1, 4))
def test_a_number_is_spelled_along_the_choices_and_comes_back(number: float, whole: int) -> None:
    node: Node = NumberNode(_DIGITS, True, whole)

    for token in NumberNode(_DIGITS, True, whole).spelling(number):
        assert token in node.choices
        node = node.after(token)

    limit = 10.0**whole - 0.001
    assert node.value == pytest.approx(min(max(number, -limit), limit), abs=0.00051)
