# SPDX-License-Identifier: GPL-3.0-or-later
"""Random scenes, the many ways to write one, and mutations that break what was written. All from a random.Random."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Callable

from igllm_addon.core.scene import Camera, Scene, SceneObject
from igllm_addon.core.vocabulary import CLEVR, WORD_FIELDS, Vocabulary

LOOSE = Vocabulary(
    template="loose",
    words={"color": ("red", "dark # red"), "shape": ("chair_1a2b-3c", "(table)")},
    synonyms={"shape": {"seat": "chair_1a2b-3c"}},
    location_limit=2.5,
    rotation_length=3,
    object_limit=4,
)
SIX = Vocabulary(template="six", words={"shape": ("airplane",)}, rotation_length=6, required_fields=("rotation",))
PLANE = Vocabulary(template="plane", words={}, location_length=2, location_limit=1.0, rotation_length=0)
VOCABULARIES = (CLEVR, LOOSE, SIX, PLANE)

# fmt: off
STRANGE_NUMBERS = (
    "nan", "inf", "-inf", "1e999", "-1e999", "1e-999", "0x1f", "1_000", "1.2.3", "--1", "+-1", "1e", ".", "-", "1j", "007",
    "-0", "0e9", "(1)", "1.", ".5", "1e5", "1000.0000000000001", "\u0661\u0662", "\uff11", "\u22121", "1\u0661",
    "9" * 63, "9" * 64, "9" * 65, "0." + "0" * 70, "1e" + "9" * 30,
)
FRAGMENTS = (
    "add", "camera", "loc", "rotation", "lens", "sensor", "x", "y", "shape", "color", "size", "material", "'cube'", "'red'",
    '"metal"', "'large'", "(", ")", "[", "]", ",", "=", "'", '"', "\\", "#", ";", ":", "*", "**", "%", "@", "None", "True", "```",
    "\n", "\r\n", "\r", "\t", " ", "\0", "\x0c", "\x1b[2J", "\ufeff", "\u00a0", "\u2028", "\u200b", "\ud800", "\udfff",
    "\U0001f4a3", "\u2018", "\u2019", "\u201c", "\uff08", "\uff1d", "\u0430", "```python\n", "\n```\n", "import os\n",
    "__import__('os')", ".__class__", "lambda: 0", "The scene can be produced with:", "add()", "add(x=0, y=0)",
    "add(color='red')\n",
    "camera(loc=(0, 0, 1), rotation=(1, 0, 0, 0))", "add(shape='airplane', rotation=(1, 0, 0, 0, 1, 0))",
)
# fmt: on
TOKEN = re.compile(r"[A-Za-z_]+|[0-9.+-]+(?:e[+-]?[0-9]+)?|'[^']*'|\s+|.", re.DOTALL)
NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]*)?(?:e[+-]?[0-9]+)?")


def random_scene(vocabulary: Vocabulary, rng: random.Random) -> Scene:
    """A scene that the vocabulary can say."""
    count = rng.choice((0, 1, 1, 2, 3, 4, min(10, vocabulary.object_limit)))
    camera = None
    if rng.random() < 0.3:
        quaternion = (rng.gauss(0, 1), rng.gauss(0, 1), rng.gauss(0, 1), rng.gauss(0, 1))
        camera = Camera((_number(9.0, rng), _number(9.0, rng), _number(9.0, rng)), quaternion, rng.choice((35.0, 50.5)), 32.0)
    return Scene(tuple(_random_object(vocabulary, rng) for _ in range(count)), camera)


def _random_object(vocabulary: Vocabulary, rng: random.Random) -> SceneObject:
    complete = vocabulary is CLEVR or vocabulary is SIX
    words = {name: rng.choice(words) for name, words in vocabulary.words.items() if complete or rng.random() < 0.8}
    limit = vocabulary.location_limit
    location = (_number(limit, rng), _number(limit, rng), 0.0 if vocabulary.location_length == 2 else _number(limit, rng))
    rotation = None
    if vocabulary.carries_rotation(words.get("shape")) and (vocabulary is SIX or rng.random() < 0.9):
        rotation = tuple(_number(math.pi, rng) for _ in range(vocabulary.rotation_length))
        rotation = (0.6, 0.8, 0.0, *rotation[3:5], 1.5) if vocabulary.rotation_length == 6 else rotation
    return SceneObject(location=location, rotation=rotation, **words)


def _number(limit: float, rng: random.Random) -> float:
    number = rng.choice(
        (0.0, rng.uniform(-limit, limit), round(rng.uniform(-limit, limit), 3), rng.gauss(0.0, 1e-9), 5e-324, limit)
    )
    return max(-limit, min(limit, number))


def write_freely(scene: Scene, vocabulary: Vocabulary, rng: random.Random) -> str:
    """One of the many programs in the grammar that mean this scene; vocabulary is the one that the scene is in."""
    statements = [_statement("add", _object_arguments(item, vocabulary, rng), rng) for item in scene.objects]
    if (camera := scene.camera) is not None:
        arguments = [f"loc={_vector(camera.location, rng)}", f"rotation={_vector(camera.quaternion_wxyz, rng)}"]
        if camera.focal_length_mm != 35.0 or rng.random() < 0.5:
            arguments.append(f"lens={_scalar(camera.focal_length_mm, rng)}")
        statements.insert(rng.randint(0, len(statements)), _statement("camera", arguments, rng))
    # A statement's indentation is a blank as any other.
    between = ("\n", "\n", "\n\n", "  # comment with 'quotes' and add(\n", "\r\n", "\n\t \n  ")
    body = "".join(statement + rng.choice(between) for statement in statements)
    if rng.random() < 0.3:
        body = rng.choice(("```python\n", "```\n", "``` \n\n")) + body + "```" + rng.choice(("", "\n", " \n\n"))
    if rng.random() < 0.2:
        body = "The scene can be produced with:\n" + body
    return rng.choice(("", "", "\n", "# head\n", "  ")) + body


def _object_arguments(item: SceneObject, vocabulary: Vocabulary, rng: random.Random) -> list[str]:
    arguments = []
    for name in WORD_FIELDS:
        if (word := getattr(item, name)) is not None:
            synonyms = [other for other, meant in vocabulary.synonyms.get(name, {}).items() if meant == word]
            quote = rng.choice("'\"")
            arguments.append(f"{name}={quote}{rng.choice([word, *synonyms])}{quote}")
    if item.location is not None and vocabulary.location_length == 2:
        arguments += [f"x={_scalar(item.location[0], rng)}", f"y={_scalar(item.location[1], rng)}"]
    elif item.location is not None:
        arguments.append(f"loc={_vector(item.location, rng)}")
    if item.rotation is not None:
        write = _scalar if len(item.rotation) == 1 else _vector
        arguments.append(f"rotation={write(item.rotation[0] if len(item.rotation) == 1 else item.rotation, rng)}")  # type: ignore[arg-type]
    rng.shuffle(arguments)
    return arguments


def _statement(name: str, arguments: list[str], rng: random.Random) -> str:
    comma = rng.choice((", ", ", ", ",", " , ", ",\n    ", ",  # comment, with (brackets\n"))
    return f"{name}{rng.choice(('', '', ' '))}({comma.join(arguments)}{rng.choice(('', '', ',', chr(10)))})"


def _scalar(value: float, rng: random.Random) -> str:
    text = rng.choice((repr(value), f"{value:+.17e}", f"{value:.20g}".rstrip() if abs(value) < 1e15 else repr(value)))
    return rng.choice((text, text, f"({text})", f"[{text},]")) if rng.random() < 0.2 else text


def _vector(values: tuple[float, ...], rng: random.Random) -> str:
    opening, closing = rng.choice(("()", "[]"))
    numbers = [rng.choice((repr(value), f"{value:+.17e}")) for value in values]
    return opening + rng.choice((", ", ",", " ,\n")).join(numbers) + rng.choice(("", "", ",")) + closing


def mutate(text: str, rng: random.Random) -> str:
    """The text after one random change."""
    return rng.choice(_MUTATIONS)(text, rng)


def _span(text: str, rng: random.Random, longest: int = 40) -> tuple[int, int]:
    start = rng.randint(0, len(text))
    return start, min(len(text), start + rng.randint(0, longest))


def _delete(text: str, rng: random.Random) -> str:
    start, end = _span(text, rng)
    return text[:start] + text[end:]


def _copy(text: str, rng: random.Random) -> str:
    start, end = _span(text, rng, 200)
    place = rng.randint(0, len(text))
    return text[:place] + text[start:end] + text[place:]


def _insert(text: str, rng: random.Random) -> str:
    place = rng.randint(0, len(text))
    return text[:place] + rng.choice(FRAGMENTS) + text[place:]


def _repeat(text: str, rng: random.Random) -> str:
    place, times = rng.randint(0, len(text)), int(10 ** rng.uniform(0.0, 4.0))
    return text[:place] + rng.choice(FRAGMENTS) * times + text[place:]


def _change_character(text: str, rng: random.Random) -> str:
    place = rng.randint(0, len(text))
    code = rng.choice((rng.randint(0, 0x7F), rng.randint(0, 0x7F), rng.randint(0, 0x3000), rng.randint(0, 0x10FFFF)))
    return text[:place] + chr(code) + text[place + 1 :]


def _flip_bits(text: str, rng: random.Random) -> str:
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(rng.randint(1, 8) if data else 0):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return data.decode("utf-8", "surrogateescape")


def _swap_tokens(text: str, rng: random.Random) -> str:
    tokens = TOKEN.findall(text)
    if len(tokens) > 1:
        a, b = rng.randrange(len(tokens)), rng.randrange(len(tokens))
        tokens[a], tokens[b] = tokens[b], tokens[a]
    return "".join(tokens)


def _drop_token(text: str, rng: random.Random) -> str:
    tokens = TOKEN.findall(text)
    if tokens:
        tokens[rng.randrange(len(tokens))] = rng.choice(("", rng.choice(FRAGMENTS)))
    return "".join(tokens)


def _change_number(text: str, rng: random.Random) -> str:
    numbers = list(NUMBER.finditer(text))
    if not numbers:
        return text
    chosen = rng.choice(numbers)
    strange = rng.choice((*STRANGE_NUMBERS, repr(rng.uniform(-2000.0, 2000.0)), json.dumps(rng.randint(-3, 3))))
    return text[: chosen.start()] + strange + text[chosen.end() :]


def _truncate(text: str, rng: random.Random) -> str:
    return text[: rng.randint(0, len(text))]


def _shuffle_lines(text: str, rng: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    rng.shuffle(lines)
    return "".join(lines)


def _flip_case(text: str, rng: random.Random) -> str:
    start, end = _span(text, rng)
    return text[:start] + text[start:end].swapcase() + text[end:]


def _exchange_everywhere(text: str, rng: random.Random) -> str:
    old, new = rng.choice(
        (("\n", " "), ("\n", "\r"), ("'", '"'), ("(", "["), (",", ""), (" ", "\n"), ("=", ":"), ("'", "\u2019"), ("0", "\u0660"))
    )
    return text.replace(old, new)


_MUTATIONS: tuple[Callable[[str, random.Random], str], ...] = (
    _delete,
    _copy,
    _insert,
    _repeat,
    _change_character,
    _flip_bits,
    _swap_tokens,
    _drop_token,
    _change_number,
    _truncate,
    _shuffle_lines,
    _flip_case,
    _exchange_everywhere,
)
