# SPDX-License-Identifier: GPL-3.0-or-later
"""Meshes that templates show: libraries on disk, what is known about them, and a set of our own making."""
