# SPDX-License-Identifier: GPL-3.0-or-later
"""The pure layer: scenes, their text and their frames. Standard library and numpy only; no bpy, no torch, no file system."""
