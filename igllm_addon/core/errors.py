# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything this package raises on purpose. A message says what was found, what was expected, and what to do next.

IgllmError
├── UsageError          a wrong command line, an unusable file or folder: exit status 2
├── SceneError          a value that no scene may hold
│   └── ParseError      graphics code that is not in the grammar, with line and column
├── RenderError         Blender could not build or render a scene
├── WeightsError        a checkpoint that is missing, damaged or of another architecture
└── RunnerError         the model runner could not be started, answered wrongly, or ended
    └── ProtocolError   a line that is no message of protocol.py
"""

from __future__ import annotations


class IgllmError(Exception):
    """Base of every error this package raises on purpose."""


class UsageError(IgllmError):
    """The user's input cannot be used; the command line ends with exit status 2 and this one sentence."""


class SceneError(IgllmError):
    """A value that no scene may hold, such as a location that is not finite."""


class ParseError(SceneError):
    """Graphics code that is not in the grammar.

    line and column count from 1 and name the first character that does not fit; `expected` is a noun phrase,
    `found` the offending text (shortened), both already part of the message.
    """

    def __init__(self, line: int, column: int, expected: str, found: str) -> None:
        self.line = line
        self.column = column
        self.expected = expected
        self.found = found
        super().__init__(f"line {line}, column {column}: expected {expected}, found {found}")


class RenderError(IgllmError):
    """Blender could not build or render a scene."""


class WeightsError(IgllmError):
    """A checkpoint is missing, damaged, or of another architecture than its config says."""


class RunnerError(IgllmError):
    """The model runner could not be started, answered with something that is no message, or ended early."""


class ProtocolError(RunnerError):
    """A line that is no message of the protocol.

    code is what docs/protocol.md answers to such a line; request_id names the request, or is None where the line did not tell.
    """

    def __init__(self, message: str, code: int, request_id: int | None = None) -> None:
        self.code = code
        self.request_id = request_id
        super().__init__(message)
