# SPDX-License-Identifier: GPL-3.0-or-later
"""The model's own process: picture in, graphics code out. Needs torch; nothing that runs inside Blender imports it."""
