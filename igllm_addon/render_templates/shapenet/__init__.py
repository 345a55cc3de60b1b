# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes standing on a white floor."""
