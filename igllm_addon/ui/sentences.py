# SPDX-License-Identifier: GPL-3.0-or-later
"""Sentences in a panel, whose labels Blender would cut off at the region's edge."""

from __future__ import annotations

import textwrap

import bpy

_PIXELS_PER_CHARACTER = 6.2  # of Blender's interface font at 72 dots per inch
_MARGIN_PX = 60
_LINES_LIMIT = 8


def draw_sentence(layout: bpy.types.UILayout, sentence: str, context: bpy.types.Context, icon: str = "NONE") -> None:
    """The sentence in as many lines as it takes, the icon in front of the first."""
    scale = context.preferences.system.ui_scale
    width = context.region.width / scale if context.region is not None else 300
    columns = max(16, int((width - _MARGIN_PX) / _PIXELS_PER_CHARACTER))
    column = layout.column(align=True)
    column.scale_y = 0.8
    for number, line in enumerate(textwrap.wrap(sentence, columns)[:_LINES_LIMIT]):
        column.label(text=line, icon=icon if number == 0 else "BLANK1" if icon != "NONE" else "NONE")
