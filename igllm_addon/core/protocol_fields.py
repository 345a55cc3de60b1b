# SPDX-License-Identifier: GPL-3.0-or-later
"""How the values in a message's fields are written as JSON: chosen by the field's annotation. Standard library only."""

from __future__ import annotations

import base64
import dataclasses
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from .vocabulary import Vocabulary


def field_to_json(annotation: str, value: Any) -> Any:
    """A field's value as json.dumps takes it."""
    writer = _WRITERS.get(annotation)
    return value if writer is None else writer(value)


def field_from_json(annotation: str, value: Any) -> Any:
    """What field_to_json was given. A ValueError says what was expected, as a noun phrase; a SceneError says what is wrong
    in a vocabulary."""
    return _READERS[annotation](value)


def vocabulary_to_json(vocabulary: Vocabulary) -> dict[str, Any]:
    """The vocabulary's fields under their own names."""
    value = {item.name: getattr(vocabulary, item.name) for item in dataclasses.fields(vocabulary)}
    value["synonyms"] = {name: dict(pairs) for name, pairs in vocabulary.synonyms.items()}
    return {name: dict(found) if isinstance(found, Mapping) else found for name, found in value.items()}


def vocabulary_from_json(value: Any) -> Vocabulary:
    """The vocabulary that vocabulary_to_json wrote. Fields that Vocabulary has a default for may be missing."""
    found = _object(value)
    if not {"template", "words"} <= set(found):
        raise ValueError("an object with at least template and words")
    known = [item for item in dataclasses.fields(Vocabulary) if item.name in found]
    return Vocabulary(**{item.name: _READERS[str(item.type)](found[item.name]) for item in known})


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("a whole number")
    return value


def _number(value: Any) -> float:
    try:
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    except OverflowError:  # a whole number beyond every float
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("a finite number")
    return number


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("a text")
    return value


def _tuple_of(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def read_tuple(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValueError("a list")
        return tuple(read(item) for item in value)

    return read_tuple


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("an object")
    return value


def _mapping_of(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: MappingProxyType({name: read(item) for name, item in _object(value).items()})


def _or_none(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else read(value)


def _bytes(value: Any) -> bytes:
    try:
        return base64.b64decode(_text(value), validate=True)
    except ValueError:  # also what is not ASCII
        raise ValueError("bytes in base64") from None


def _generator(value: Any) -> tuple[float, float, float, int]:
    """A symmetry's axis and order; see symmetries.py."""
    if not isinstance(value, list) or len(value) != 4:
        raise ValueError("an axis of three numbers and an order")
    x, y, z = (_number(item) for item in value[:3])
    return x, y, z, _whole(value[3])


# The annotations of the messages in protocol.py and of Vocabulary's fields; a test sees to it that none is missing.
_READERS: Mapping[str, Callable[[Any], Any]] = {
    "int": _whole,
    "str": _text,
    "float": _number,
    "float | None": _or_none(_number),
    "tuple[float, ...]": _tuple_of(_number),
    "tuple[str, ...]": _tuple_of(_text),
    "tuple[str, ...] | None": _or_none(_tuple_of(_text)),
    "Mapping[str, float]": _mapping_of(_number),
    "Mapping[str, int]": _mapping_of(_whole),
    "Mapping[str, tuple[str, ...]]": _mapping_of(_tuple_of(_text)),
    "Mapping[str, tuple[Generator, ...]]": _mapping_of(_tuple_of(_generator)),
    "Mapping[str, Mapping[str, str]]": _mapping_of(_mapping_of(_text)),
    "bytes": _bytes,
    "Vocabulary": vocabulary_from_json,
}
_WRITERS: Mapping[str, Callable[[Any], Any]] = {
    "tuple[float, ...]": list,
    "Mapping[str, float]": dict,
    "bytes": lambda value: base64.b64encode(value).decode("ascii"),
    "Vocabulary": vocabulary_to_json,
}
