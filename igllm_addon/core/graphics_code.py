# SPDX-License-Identifier: GPL-3.0-or-later
"""Graphics code: a scene as text. It is parsed to a Scene and never executed or evaluated. No bpy, no torch.

    program    ::= [ lead-in ] ( fence language newline statements fence | statements )
    lead-in    ::= "The scene can be produced with:"
    fence      ::= "```"
    language   ::= at most 16 of the characters A-Z a-z 0-9 _ + -
    statements ::= { statement newline }                   the last newline may be missing
    newline    ::= LF | CR LF | CR
    statement  ::= add | camera                            at most one camera
    add        ::= "add" "(" arguments ")"
    camera     ::= "camera" "(" arguments ")"
    arguments  ::= argument { "," argument } [ "," ]       in any order, no keyword twice
    argument   ::= keyword "=" ( word | numbers )
    word       ::= "'" characters "'" | '"' characters '"' at most 64 printable characters, no quote, no backslash
    numbers    ::= number                                  only where one number is wanted
                 | "(" list ")" | "[" list "]"
    list       ::= number { "," number } [ "," ]
    number     ::= [ sign ] ( digits [ "." [ digits ] ] | "." digits ) [ ( "e" | "E" ) [ sign ] digits ]
    sign       ::= "+" | "-"
    digits     ::= one or more of 0-9; a whole number has at most 64 characters

Spaces, tabs, newlines and comments (# to the next newline) may stand between any two of these, but a statement starts
on a line of its own. Keywords of `add`, as far as the vocabulary has them:

    color, size, material, shape   a word of the vocabulary or a synonym
    loc                            three numbers x, y, z            (location_length 3)
    x, y                           one number each, both required   (location_length 2: a place in the picture, stored as
                                                                    SceneObject.location (x, y, 0.0))
    rotation                       as many numbers as rotation_length says, only for shapes that carry a rotation

An `add` needs the vocabulary's required_fields, and at least one argument. Keywords of `camera`: loc (x, y, z) and rotation
(w, x, y, z) are required, lens and sensor in millimetres are 35 and 32 where they are missing. Lights have no graphics code.

Canonical text, which `serialize` writes, has neither lead-in nor fence nor comments; the camera comes first, then the
objects in order, one statement a line. Every line ends with a newline, so that programs can be joined and streamed
line by line, and the empty scene is the empty text. Arguments stand in the order color, size, material, shape, loc, rotation
and loc, rotation, lens, sensor; words are canonical and in single quotes; numbers are the shortest text that reads back as
the same double, and zero has no sign.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .errors import ParseError, SceneError
from .graphics_code_arguments import Arguments, NumberRule, Rules, WordRule, read_arguments
from .graphics_code_tokens import LINE_BREAK, Token, TokenReader
from .rotations import matrix_from_quaternion_wxyz, matrix_from_rotation_6d
from .scene import Camera, Scene, SceneObject, Vector3
from .vocabulary import WORD_FIELDS, Vocabulary

__all__ = ["ParseResult", "camera_statement", "number_text", "object_arguments", "parse", "serialize"]

# No scene needs more: a yaw or an Euler angle is at most a few turns, a row of a matrix has components of at most 1.
_ROTATION_LIMIT = 1000.0
# The camera is not bound by the template's location_limit, because it stands outside of the space that objects fill.
_CAMERA_LOCATION_LIMIT = 1.0e6
_CAMERA_MM_RANGE = (1.0e-3, 1.0e6)
_STATEMENT_SHOWN = 160  # characters of a statement in an error's message


@dataclass(frozen=True, slots=True)
class ParseResult:
    """The longest valid prefix of a program as a scene, and what is wrong after it, or None where all of it is valid."""

    scene: Scene
    error: ParseError | None


_CAMERA_RULES: Rules = {
    "loc": NumberRule(3, -_CAMERA_LOCATION_LIMIT, _CAMERA_LOCATION_LIMIT),
    "rotation": NumberRule(4, -_ROTATION_LIMIT, _ROTATION_LIMIT),
    "lens": NumberRule(1, *_CAMERA_MM_RANGE),
    "sensor": NumberRule(1, *_CAMERA_MM_RANGE),
}


def parse(text: str, vocabulary: Vocabulary) -> ParseResult:
    """The scene that a program describes. Whatever the text, this raises nothing and executes nothing."""
    reader = TokenReader(text)
    objects: list[SceneObject] = []
    cameras: list[Camera] = []
    error = None
    try:
        _read_program(reader, vocabulary, objects, cameras)
    except ParseError as caught:
        # A kept traceback would keep the text and everything else that the frames hold.
        error = caught.with_traceback(None)
    return ParseResult(Scene(tuple(objects), cameras[0] if cameras else None), error)


def serialize(scene: Scene, vocabulary: Vocabulary) -> str:
    """The canonical program of a scene, without its lights. A scene that the vocabulary cannot say raises SceneError.

    The one authority on what graphics code can say is the parser: the text is read back, and what does not return
    as it went in is refused.
    """
    lines = [] if scene.camera is None else [camera_statement(scene.camera)]
    lines += [f"add({', '.join(object_arguments(item, vocabulary))})" for item in scene.objects]
    text = "".join(line + "\n" for line in lines)
    result = parse(text, vocabulary)
    if (error := result.error) is not None:
        statement = LINE_BREAK.split(text)[error.line - 1][:_STATEMENT_SHOWN]
        raise SceneError(
            f"the scene has no graphics code in the template {vocabulary.template!r}:"
            f" expected {error.expected}, found {error.found} in {statement!r}"
        )
    # A word that writes more statements than its own is itself the first difference, so the shorter length suffices.
    written, returned = (scene.camera, *scene.objects), (result.scene.camera, *result.scene.objects)
    for item, read in zip(written, returned, strict=False):
        if item != read:
            raise SceneError(f"graphics code of the template {vocabulary.template!r} cannot hold {item}; it would become {read}")
    return text


def number_text(value: float) -> str:
    """The shortest text that reads back as the same double."""
    # float() first, because the text of a numpy number names its type; 0.0 added to a negative zero makes it positive.
    return repr(float(value) + 0.0)


def object_arguments(item: SceneObject, vocabulary: Vocabulary, number: Callable[[float], str] = number_text) -> list[str]:
    """The arguments keyword=value of an object's statement, in canonical order; `number` writes one number."""
    arguments = [f"{name}='{word}'" for name in WORD_FIELDS if (word := getattr(item, name)) is not None]
    if item.location is not None:
        if vocabulary.location_length == 2:
            arguments += [f"{name}={number(value)}" for name, value in zip("xy", item.location, strict=False)]
        else:
            arguments.append(f"loc={_numbers_text(item.location, number)}")
    if item.rotation is not None:
        arguments.append(f"rotation={_numbers_text(item.rotation, number)}")
    return arguments


def camera_statement(camera: Camera, number: Callable[[float], str] = number_text) -> str:
    """The camera's statement, without its newline; `number` writes one number."""
    return (
        f"camera(loc={_numbers_text(camera.location, number)}, rotation={_numbers_text(camera.quaternion_wxyz, number)},"
        f" lens={number(camera.focal_length_mm)}, sensor={number(camera.sensor_width_mm)})"
    )


def _numbers_text(values: tuple[float, ...], number: Callable[[float], str]) -> str:
    return number(values[0]) if len(values) == 1 else f"({', '.join(map(number, values))})"


def _read_program(reader: TokenReader, vocabulary: Vocabulary, objects: list[SceneObject], cameras: list[Camera]) -> None:
    """Fill the two lists statement by statement, so that they hold the valid prefix when this raises."""
    reader.skip_lead_in()
    fenced = reader.peek().kind == "fence"
    if fenced:
        reader.take()
    rules = _object_rules(vocabulary)
    while reader.peek().kind not in ("end", "fence"):
        token = reader.take()
        if token.kind != "name" or token.text not in ("add", "camera"):
            raise reader.error(token, "a statement add(...) or camera(...)")
        if not token.first_on_line:
            raise reader.error(token, "a statement on a line of its own")
        if token.text == "camera":
            if cameras:
                raise reader.error(token, "at most one camera(...)", "a second one")
            cameras.append(_read_camera(reader))
        else:
            if len(objects) == vocabulary.object_limit:
                raise reader.error(token, f"at most {vocabulary.object_limit} objects", "one more")
            objects.append(_read_object(reader, rules, vocabulary))
    if fenced:
        closing = reader.take()
        if closing.kind != "fence" or closing.text or not closing.first_on_line:
            raise reader.error(closing, "a closing ``` on a line of its own")
    if (token := reader.take()).kind != "end":
        raise reader.error(token, "the end of the program")


def _object_rules(vocabulary: Vocabulary) -> Rules:
    rules: dict[str, WordRule | NumberRule] = {
        name: WordRule(name, vocabulary) for name in WORD_FIELDS if name in vocabulary.words
    }
    limit = vocabulary.location_limit
    if vocabulary.location_length == 2:
        rules |= {"x": NumberRule(1, -limit, limit), "y": NumberRule(1, -limit, limit)}
    else:
        rules["loc"] = NumberRule(3, -limit, limit)
    if vocabulary.rotation_length:
        rules["rotation"] = NumberRule(vocabulary.rotation_length, -_ROTATION_LIMIT, _ROTATION_LIMIT)
    return rules


def _read_object(reader: TokenReader, rules: Rules, vocabulary: Vocabulary) -> SceneObject:
    arguments = read_arguments(reader, rules)
    _require(reader, arguments, vocabulary.required_fields)
    words, numbers = arguments.words, arguments.numbers
    location = None
    if vocabulary.location_length == 2:
        _require(reader, arguments, ("x", "y"))
        location = _vector3((*numbers["x"], *numbers["y"], 0.0))
    elif "loc" in numbers:
        location = _vector3(numbers["loc"])
    rotation = numbers.get("rotation")
    if rotation is not None:
        token, shape = arguments.tokens["rotation"], words.get("shape")
        if not vocabulary.carries_rotation(shape):
            raise reader.error(token, f"no rotation, because the shape {shape!r} carries none")
        if len(rotation) == 6:
            _require_rotation(reader, token, rotation)
    return SceneObject(location=location, rotation=rotation, **{name: words.get(name) for name in WORD_FIELDS})


def _read_camera(reader: TokenReader) -> Camera:
    arguments = read_arguments(reader, _CAMERA_RULES)
    _require(reader, arguments, ("loc", "rotation"))
    numbers = arguments.numbers
    _require_rotation(reader, arguments.tokens["rotation"], numbers["rotation"])
    w, x, y, z = numbers["rotation"]
    lens, sensor = numbers.get("lens", (35.0,)), numbers.get("sensor", (32.0,))
    return Camera(_vector3(numbers["loc"]), (w, x, y, z), focal_length_mm=lens[0], sensor_width_mm=sensor[0])


def _vector3(values: tuple[float, ...]) -> Vector3:
    x, y, z = values
    return (x, y, z)


def _require(reader: TokenReader, arguments: Arguments, keywords: tuple[str, ...]) -> None:
    missing = [keyword for keyword in keywords if keyword not in arguments.tokens]
    if missing and arguments.closing is not None:
        raise reader.error(arguments.closing, f"{', '.join(keyword + '=' for keyword in missing)} before the statement ends")


def _require_rotation(reader: TokenReader, token: Token, values: tuple[float, ...]) -> None:
    """Six numbers must be two rows of a matrix and four a quaternion, as far as they stand for a rotation at all."""
    why_not = None
    try:
        matrix_from_quaternion_wxyz(values) if len(values) == 4 else matrix_from_rotation_6d(values)
    except SceneError as error:
        why_not = str(error)
    if why_not is not None:
        raise reader.error(token, "numbers that stand for a rotation", f"{values} ({why_not})")
