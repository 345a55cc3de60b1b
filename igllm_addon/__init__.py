# SPDX-License-Identifier: GPL-3.0-or-later
"""igllm_addon: turns a picture back into a Blender scene. Nothing is imported here, so that every host can import the package."""
