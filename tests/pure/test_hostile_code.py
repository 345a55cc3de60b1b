# SPDX-License-Identifier: GPL-3.0-or-later
"""Text that wants to run, to hang or to fill the memory ends in an error and nothing else."""

from __future__ import annotations

import ast
import os
import tracemalloc
from pathlib import Path

import pytest

from igllm_addon.core import graphics_code
from igllm_addon.core.graphics_code import parse
from igllm_addon.core.vocabulary import CLEVR

SPHERE_LINE = "add(color='red', size='small', material='rubber', shape='sphere', loc=(0.0, 1.0, 0.35))\n"
TEN_MILLION = 10_000_000
# Parsing keeps a copy of at most TEXT_LIMIT characters of four bytes, and at most object_limit objects.
MEMORY_BOUND_BYTES = 4_000_000

HOSTILE_TEXTS = {
    "import": "import os\nos.environ['IGLLM_HOSTILE'] = '1'",
    "dunder import": "__import__('os').environ.update(IGLLM_HOSTILE='1')",
    "call in an argument": "add(loc=(__import__('os').environ.update(IGLLM_HOSTILE='1'), 0, 0))",
    "call as a shape": "add(shape=__import__('os').environ.update(IGLLM_HOSTILE='1'))",
    "call of the result": SPHERE_LINE.rstrip() + ".__class__.__base__.__subclasses__()",
    "attribute": "add(loc=(a.b, 0, 0))",
    "lambda": "add(loc=(lambda: 1)())",
    "walrus": "add(loc=(x := 1, 2, 3))",
    "starred": "add(*[1, 2, 3])",
    "keyword dictionary": "add(**{'shape': 'cube'})",
    "f-string": "add(shape=f'{exec(1)}')",
    "exec": "exec('1')",
    "encoding line": "# -*- coding: utf-7 -*-\nadd(shape=+ACc-cube+ACc-)",
    "not a number": "add(loc=(nan, 0, 0))",
    "infinity": "add(loc=(-Infinity, 0, 0))",
    "overflow": "add(loc=(1e999, 0, 0))",
    "underflow": "add(loc=(1e-999, 0, 0))",
    "huge exponent": "add(loc=(1e" + "9" * 50 + ", 0, 0))",
    "power tower": "add(loc=(9**9**9**9, 0, 0))",
    "million digits": "add(loc=(" + "9" * 1_000_000 + ", 0, 0))",
    "million digits in bounds": "add(loc=(1." + "0" * 200_000 + "1, 0, 0))",
    "ten megabytes of digits": "add(loc=(" + "1" * TEN_MILLION,
    "ten megabytes of blanks": " " * TEN_MILLION,
    "ten megabytes of line ends": "\n" * TEN_MILLION,
    "ten megabytes of comments": "#\n" * (TEN_MILLION // 2),
    "ten megabytes of one comment": "#" * TEN_MILLION,
    "ten megabytes of one name": "a" * TEN_MILLION,
    "ten megabytes of one word": "add(shape='" + "a" * TEN_MILLION,
    "ten megabytes of quotes": "add(shape=" + "'" * TEN_MILLION,
    "ten megabytes of backslashes": "add(shape='" + "\\" * TEN_MILLION,
    "ten megabytes of fences": "```\n" * (TEN_MILLION // 4),
    "ten megabytes of back ticks": "`" * TEN_MILLION,
    "ten megabytes of signs": "add(loc=(" + "-" * TEN_MILLION,
    "ten megabytes of dots": "add(loc=(" + "." * TEN_MILLION,
    "ten megabytes of statements": SPHERE_LINE * (TEN_MILLION // len(SPHERE_LINE)),
    "ten megabytes beyond the basic plane": "\U0001f4a3" * TEN_MILLION,
    "ten megabytes in one statement": "add(" + "color='red', " * (TEN_MILLION // 13),
    "nested brackets": "add(loc=" + "(" * 100_000 + "1" + ")" * 100_000 + ")",
    "nested lists": "add(loc=" + "[" * 100_000,
    "mixed brackets": "add(loc=" + "([" * 50_000,
    "nested statements": "add(" * 100_000,
    "closing brackets": ")" * 100_000,
    "ten thousand objects": SPHERE_LINE * 10_000,
    "hundred thousand keywords": "add(" + ", ".join(f"k{index}=1" for index in range(100_000)) + ")",
    "null byte": "add(shape='cube\0')",
    "null bytes": "\0" * 100_000,
    "byte order mark": "\ufeff" + SPHERE_LINE,
    "arabic digits": "add(loc=(\u0661, 0, 0))",
    "full-width digits": "add(loc=(\uff11, 0, 0))",
    "digit after a digit": "add(loc=(1\u0661, 0, 0))",
    "minus sign": "add(loc=(\u22121, 0, 0))",
    "curly quotes": "add(shape=\u2018cube\u2019)",
    "full-width bracket": "add\uff08shape='cube'\uff09",
    "cyrillic letter": "\u0430dd(shape='cube')",
    "no-break space": "\u00a0add(shape='cube')",
    "line separator": SPHERE_LINE.rstrip() + "\u2028" + SPHERE_LINE,
    "right-to-left override": "add(\u202eshape='cube')",
    "lone surrogate": "\ud800",
    "lone surrogate in a word": "add(shape='\udfff')",
    "terminal escape": "\x1b[2J\x1b]0;owned\x07",
}


@pytest.mark.parametrize("text", HOSTILE_TEXTS.values(), ids=HOSTILE_TEXTS.keys())
def test_hostile_text_ends_in_a_short_error_within_bounded_memory(text: str) -> None:
    tracemalloc.start()

    result = parse(text, CLEVR)
    _, peak_bytes = tracemalloc.get_traced_memory()

    tracemalloc.stop()
    assert result.error is not None
    assert len(str(result.error)) < 1000
    assert result.error.found.isprintable()
    assert len(result.scene.objects) <= 256
    assert peak_bytes < MEMORY_BOUND_BYTES
    assert "IGLLM_HOSTILE" not in os.environ


def test_error_keeps_nothing_of_the_text_alive() -> None:
    result = parse("a" * TEN_MILLION, CLEVR)

    assert result.error is not None
    assert result.error.__traceback__ is None
    assert result.error.__context__ is None


def test_error_for_a_long_text_says_how_much_is_allowed() -> None:
    result = parse("#" * TEN_MILLION, CLEVR)

    assert (
        str(result.error) == "line 1, column 262145: expected a program of at most 262144 characters, found 10000000 characters"
    )


def test_statements_within_the_limit_of_a_long_text_stay() -> None:
    result = parse(SPHERE_LINE * 3 + "#" * TEN_MILLION, CLEVR)

    assert len(result.scene.objects) == 3
    assert result.error is not None
    assert result.error.line == 4


def test_program_of_exactly_the_allowed_length_is_whole() -> None:
    text = SPHERE_LINE + "#" * (262144 - len(SPHERE_LINE))

    result = parse(text, CLEVR)

    assert result.error is None


@pytest.mark.parametrize("module", ["graphics_code.py", "graphics_code_arguments.py", "graphics_code_tokens.py"])
def test_language_never_names_anything_that_executes(module: str) -> None:
    source = (Path(graphics_code.__file__).parent / module).read_text(encoding="utf-8")

    names = {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
    imports = {alias.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Import) for alias in node.names}

    assert not names & {"eval", "exec", "compile", "__import__", "literal_eval", "globals", "locals", "setattr"}
    assert imports <= {"re"}
