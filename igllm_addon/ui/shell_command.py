# SPDX-License-Identifier: GPL-3.0-or-later
"""blender --command igllm generate …: data sets without a window."""

from __future__ import annotations

import sys

import bpy

_USAGE = """usage: blender --command igllm generate TEMPLATE --count N --seed S --out DIR [options]

  generate   a data set of pictures, labels and graphics code; generate --help explains the options
"""


def run(arguments: list[str]) -> int:
    """What Blender calls with the words after the command's name; the result is the exit status."""
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_USAGE)
        return 0 if arguments else 2
    if arguments[0] != "generate":
        print(f"igllm: there is no command {arguments[0]!r}; the one here is generate.", file=sys.stderr)
        return 2
    from ..render_templates.generate import main

    try:
        return main(arguments[1:])
    except SystemExit as end:  # after --help
        return int(end.code or 0)


_handles: list[object] = []


def attach() -> None:
    """Tell Blender about the command."""
    _handles.append(bpy.utils.register_cli_command("igllm", run))


def detach() -> None:
    """Take it back."""
    while _handles:
        bpy.utils.unregister_cli_command(_handles.pop())
