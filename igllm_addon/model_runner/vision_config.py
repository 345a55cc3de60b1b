# SPDX-License-Identifier: GPL-3.0-or-later
"""What vision towers are made of, as plain data. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.errors import WeightsError

MOST_LOOKS = 8  # of a pose tower at a place


@dataclass(frozen=True, slots=True)
class VisionConfig:
    """A convolutional tower. Pictures are resized to `input_width_px`; channels are those at stride 4, 8 and 16, blocks the
    residual blocks at stride 8 and 16. Peaks have `fine_channels` features of stride 4 and channels[1] of stride 8.
    second_look_px: side to which the surroundings of a peak are magnified for a closer look, a multiple of 16; 0: none.
    looks: how often a picture is looked at to describe what is there, 1, 2 or 4 times, each time lying otherwise on the grid.
    shape_look_px: side to which they are magnified for a look at shapes alone, a multiple of 16; 0: none."""

    input_width_px: int = 240
    channels: tuple[int, int, int] = (40, 80, 176)
    blocks: tuple[int, int] = (2, 2)
    fine_channels: int = 48
    second_look_px: int = 0
    looks: int = 1
    shape_look_px: int = 0

    def __post_init__(self) -> None:
        if self.looks not in (1, 2, 4):
            raise WeightsError(f"a config has {self.looks} looks; expected 1, 2 or 4")
        for name, side in (("second look", self.second_look_px), ("shape look", self.shape_look_px)):
            if side < 0 or side % 16:
                raise WeightsError(f"a config has the {name}'s side {side}; expected a multiple of 16, or 0 for none")

    @property
    def feature_width(self) -> int:
        """Numbers in the feature vector of a peak."""
        return self.fine_channels + self.channels[1]


@dataclass(frozen=True, slots=True)
class PoseConfig:
    """A tower for objects that turn in space under a fixed camera (pose_tower.py). Pictures are resized to `input_width_px`;
    channels are those at stride 4, 8 and 16, blocks the residual blocks at stride 8 and 16 of the network that finds centres.
    The surroundings of each are magnified to `crop_px` and read by a network with these channels at strides 4, 8 and 16 of the
    crop, which ends in `feature_width` numbers. looks: how often they are magnified, from the second time on about the place that
    the look before found. rolls: how many ways a look sees them, 1, 2 or 4, each a quarter or half turn of the picture away
    from the others; what it says is their mean. More than one wants a tower that learnt from rolled pictures."""

    input_width_px: int = 128
    channels: tuple[int, int, int] = (16, 32, 64)
    blocks: tuple[int, int] = (1, 1)
    fine_channels: int = 16
    crop_px: int = 64
    crop_channels: tuple[int, int, int] = (48, 96, 160)
    crop_blocks: tuple[int, int, int] = (1, 2, 1)
    feature_width: int = 192
    looks: int = 1
    rolls: int = 1
    kind: str = "pose"

    def __post_init__(self) -> None:
        if self.rolls not in (1, 2, 4):
            raise WeightsError(f"a config has {self.rolls} rolls; expected 1, 2 or 4")
        if not 1 <= self.looks <= MOST_LOOKS:
            raise WeightsError(f"a config has {self.looks} looks; expected 1 to {MOST_LOOKS}")
        if self.crop_px <= 0 or self.crop_px % 16:
            raise WeightsError(f"a config has the crop's side {self.crop_px}; expected a multiple of 16")


@dataclass(frozen=True, slots=True)
class PatchConfig:
    """A frozen tower of random filters (patch_tower.py): square patches of `patch_px` pixels of a picture resized to
    `input_width_px`, each as `feature_width` numbers, of which two are its place. gain: what a pixel of full colour that fits a
    filter adds to a feature before it saturates at 1. shuffled: whether patches come in a random order, always the same, so that
    a patch's rank in the sequence tells nothing of where it is."""

    input_width_px: int = 112
    patch_px: int = 14
    feature_width: int = 66
    gain: float = 0.05
    seed: int = 1
    shuffled: bool = False
    kind: str = "random_patches"


@dataclass(frozen=True, slots=True)
class OpenClipConfig:
    """A frozen tower of open_clip's; its patches are the visual tokens. The weights stay where they are, outside checkpoints.

    architecture: a name that open_clip knows, such as "ViT-L-14-336"; empty where `weights` is a folder whose
    open_clip_config.json says it. weights: that folder, or a file of weights. input_width_px: side of the square to which
    pictures are padded and resized. feature_width: numbers of a patch. hidden_layer: the layer whose output is taken, counted
    from the end: -2 leaves out the last. config_sha256: of open_clip_config.json where there is one.
    """

    architecture: str
    weights: str
    input_width_px: int
    feature_width: int
    hidden_layer: int = -2
    quick_gelu: bool = False
    config_sha256: str = ""
    kind: str = "open_clip"

    def __post_init__(self) -> None:
        if self.hidden_layer > -1:
            raise WeightsError(f"a config takes the hidden layer {self.hidden_layer} of a tower; count from the end, such as -2")


Vision = VisionConfig | PoseConfig | PatchConfig | OpenClipConfig


def vision_from_json(value: dict[str, Any]) -> Vision:
    """The tower's part of a config. TypeError where a key does not belong there."""
    kinds: dict[str, type[Vision]] = {"open_clip": OpenClipConfig, "pose": PoseConfig, "random_patches": PatchConfig}
    return kinds.get(value.get("kind", ""), VisionConfig)(**tuples(value))


def tuples(value: dict[str, Any]) -> dict[str, Any]:
    """JSON's lists as the tuples that configs hold."""
    return {key: tuple(entry) if isinstance(entry, list) else entry for key, entry in value.items()}
