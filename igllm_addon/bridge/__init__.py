# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's side of the model runner: starts it, sends requests, receives messages. Standard library and core only."""
