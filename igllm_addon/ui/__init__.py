# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist sees and touches. Modules that are loaded when the extension is enabled import bpy and the standard library
only; the rest of the package comes when it is needed."""
