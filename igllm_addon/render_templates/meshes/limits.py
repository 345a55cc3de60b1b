# SPDX-License-Identifier: GPL-3.0-or-later
"""What a mesh may be like before it is skipped or simplified. No bpy."""

MOST_FACES = 1_000_000  # above: skipped, with its reason in the report
DECIMATED_FACES = 100_000  # above: reduced to about so many, which no picture of a few hundred pixels shows
LEAST_EXTENT, MOST_EXTENT = 1e-6, 1e6  # of a bounding box's diagonal in the file's own units
TRACED_TRIANGLES = 3_000  # of the geometry that visibility and metrics use
SURFACE_POINTS = 1_024  # on a mesh, for Chamfer distance and ADD-S
