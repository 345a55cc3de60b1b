# SPDX-License-Identifier: GPL-3.0-or-later
"""CLEVR's scenes: rubber and metal cubes, spheres and cylinders on a grey sweep."""
