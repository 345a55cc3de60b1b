# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests that import transformers before anything of ours need torchvision's operators declared first."""

from igllm_addon.model_runner import torchvision_operators as torchvision_operators
