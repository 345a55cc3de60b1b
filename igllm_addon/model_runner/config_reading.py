# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON data as a frozen dataclass, with a sentence that names the key and what was expected where they do not fit. No torch."""

from __future__ import annotations

import dataclasses
import difflib
import types
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from ..core.errors import UsageError

_Record = TypeVar("_Record")
_NAMES = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
_SHOWN = 60  # characters of a value in a message


def record_from_json(kind: type[_Record], value: object, path: str) -> _Record:
    """The dataclass `kind` from an object of JSON; `path` is where it stands, such as "training.tower"."""
    given = keys_of(value, path)
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    check_keys(given, fields, path)
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in given:
            raise UsageError(f"{path} has no {name!r}; expected {_expected(get_type_hints(kind)[name])}.")
    hints = get_type_hints(kind)
    return kind(**{name: _checked(hints[name], entry, f"{path}.{name}") for name, entry in given.items()})


def keys_of(value: object, path: str) -> Mapping[str, Any]:
    """The value, if it is an object with keys."""
    if not isinstance(value, dict):
        raise UsageError(f"{path} is {_shown(value)}; expected an object with keys.")
    return value


def check_keys(given: Mapping[str, Any], known: Mapping[str, Any], path: str) -> None:
    """Complain about the first key that is not known."""
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"the keys are {', '.join(known)}."
            raise UsageError(f"{path} has the unknown key {key!r}; {hint}")


def check_range(value: float, path: str, lowest: float, below: float | None = None) -> None:
    """Complain about a number under `lowest`, or not under `below`."""
    if value < lowest or (below is not None and value >= below):
        more = f" and less than {below:g}" if below is not None else ""
        raise UsageError(f"{path} is {value!r}; expected a number of at least {lowest:g}{more}.")


def _checked(hint: Any, value: Any, path: str) -> Any:
    """The value as the type wants it. A type that JSON has no words for is left to the dataclass."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is tuple:
        return _checked_tuple(hint, arguments, value, path)
    if origin in (types.UnionType, Mapping) or (hint not in _NAMES):
        return value
    fitting = isinstance(value, hint) or (hint is float and isinstance(value, int))
    if not fitting or (isinstance(value, bool) and hint is not bool):
        raise UsageError(f"{path} is {_shown(value)}; expected {_expected(hint)}.")
    return float(value) if hint is float else value


def _checked_tuple(hint: Any, arguments: tuple[Any, ...], value: Any, path: str) -> tuple[Any, ...]:
    endless = arguments[-1:] == (Ellipsis,)
    if not isinstance(value, list) or not (endless or len(value) == len(arguments)):
        raise UsageError(f"{path} is {_shown(value)}; expected {_expected(hint)}.")
    kinds = [arguments[0]] * len(value) if endless else list(arguments)
    return tuple(_checked(kind, entry, f"{path}[{index}]") for index, (kind, entry) in enumerate(zip(kinds, value, strict=True)))


def _expected(hint: Any) -> str:
    arguments = get_args(hint)
    if get_origin(hint) is tuple:
        count = "" if arguments[-1:] == (Ellipsis,) else f"{len(arguments)} "
        plural = _expected(arguments[0]).removeprefix("a ").replace("number", "numbers").replace("text", "texts")
        return f"a list of {count}{plural}"
    return _NAMES.get(hint, "an object with keys")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
