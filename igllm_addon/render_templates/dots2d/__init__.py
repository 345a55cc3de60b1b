# SPDX-License-Identifier: GPL-3.0-or-later
"""IG-LLM's 2D experiment: one red dot on white, to see whether numbers are interpolated. Needs no Blender."""
