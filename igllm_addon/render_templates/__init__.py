# SPDX-License-Identifier: GPL-3.0-or-later
"""Scene domains: what a scene of each may hold, how it is sampled, and how Blender shows it."""
