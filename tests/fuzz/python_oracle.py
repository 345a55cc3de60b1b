# SPDX-License-Identifier: GPL-3.0-or-later
"""What Python's own grammar reads in a program of graphics code: an independent reading to compare with.

Every whole program that graphics_code.parse accepts and that is Python must mean the same to both. The other direction
does not hold: Python accepts far more.
"""

from __future__ import annotations

import ast
import re

from igllm_addon.core.scene import Camera, Scene, SceneObject
from igllm_addon.core.vocabulary import WORD_FIELDS, Vocabulary

_LEAD_IN = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*The scene can be produced with:")
_FENCE_LINE = re.compile(r"^[ \t]*```[^\n]*$", re.MULTILINE)


def scene_or_none(text: str, vocabulary: Vocabulary) -> Scene | None:
    """The scene that Python reads in a program, or None where the text is not Python (an indented statement, 007)."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    source = _FENCE_LINE.sub("", _LEAD_IN.sub("", lines, count=1))
    try:
        statements = ast.parse(source).body
    except (SyntaxError, ValueError):
        return None
    objects: list[SceneObject] = []
    camera = None
    for statement in statements:
        assert isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call), ast.dump(statement)
        call = statement.value
        assert isinstance(call.func, ast.Name) and not call.args, ast.dump(call)
        values = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
        assert len(values) == len(call.keywords), ast.dump(call)
        if call.func.id == "camera":
            assert camera is None
            camera = _camera(values)
        else:
            assert call.func.id == "add"
            objects.append(_object(values, vocabulary))
    return Scene(tuple(objects), camera)


def _object(values: dict[str, object], vocabulary: Vocabulary) -> SceneObject:
    words = {name: vocabulary.canonical_word_or_none(name, str(values.pop(name))) for name in WORD_FIELDS if name in values}
    location = rotation = None
    if vocabulary.location_length == 2:
        location = (*_floats(values.pop("x")), *_floats(values.pop("y")), 0.0)
    elif "loc" in values:
        location = _floats(values.pop("loc"))
    if "rotation" in values:
        rotation = _floats(values.pop("rotation"))
    assert not values, values
    return SceneObject(location=location, rotation=rotation, **words)  # type: ignore[arg-type]


def _camera(values: dict[str, object]) -> Camera:
    (lens,), (sensor,) = _floats(values.pop("lens", 35)), _floats(values.pop("sensor", 32))
    camera = Camera(_floats(values.pop("loc")), _floats(values.pop("rotation")), lens, sensor)  # type: ignore[arg-type]
    assert not values, values
    return camera


def _floats(value: object) -> tuple[float, ...]:
    return tuple(float(number) for number in value) if isinstance(value, tuple | list) else (float(value),)  # type: ignore[arg-type]
