# SPDX-License-Identifier: GPL-3.0-or-later
"""`igllm learn`: a folder of meshes becomes a model that knows them, within a budget of minutes."""
