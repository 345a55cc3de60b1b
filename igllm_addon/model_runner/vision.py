# SPDX-License-Identifier: GPL-3.0-or-later
"""The vision tower: a picture to a map of object centres, and what stands at each of them.

Letters: B pictures, H height and W width in pixels, h = H/4 and w = W/4 cells, N described places, C features of a place.
A picture is float in [0, 1], RGB, (B, 3, H, W). Its centre is the camera's principal point.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..core.vocabulary import WORD_FIELDS, Vocabulary
from .config import GeometryConfig
from .convolutions import ConvNorm, ResidualBlock
from .geometry import camera_distance, focal_length_px, ground_xy, usual_depth
from .second_look import SecondLook
from .shape_look import ShapeLook
from .vision_config import VisionConfig

STRIDE = 4  # pixels of a cell of the centre map
_PADDED_TO = 16  # the coarsest stride: heights and widths are padded to whole multiples
CAMERA_SPREADS = (0.3, 0.03)  # metres of distance and radians of elevation that one unit of the camera head stands for
_CERTAINTY_LIMIT = 5.0  # of the logarithm of a vote's weight
_DEPTH_SPREAD = 0.03  # of the logarithm of a depth, which one unit of the votes stands for
_COARSE_START = -4.0  # logit of an empty centre map: about one cell in fifty
_UNHEARD = 0.25  # share of places where a second look in training has to do without the first's features, and without its words:
_WORDS_UNHEARD = {"color": 0.5, "material": 0.5, "shape": 0.5, "size": 0.0}  # a window shows no size
LEAST_TRUST = 4e-4  # a place where so surely nothing is gets no second look


@dataclass(frozen=True, slots=True)
class TowerMaps:
    """heat (B, h, w): logits of an object's centre. fine (B, C4, h, w) and coarse (B, C8, h/2, w/2): features.
    deep (B, C16, h/4, w/4): features; context (B, C16): their mean. camera (B, 2): distance in metres and elevation in radians as
    the whole picture, without its objects, tells them. pictures (B, 3, H, W): what was looked at. shift_px: how far right and
    down the pictures lay on the grid of cells."""

    heat: Tensor
    fine: Tensor
    coarse: Tensor
    deep: Tensor
    context: Tensor
    camera: Tensor
    pictures: Tensor
    shift_px: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Description:
    """What the tower sees at N places. features (N, C); words: field -> logits (N, words); yaw (N, 2): sine and cosine
    of the yaw times the symmetry order; place (N, 2): the object's centre in units of the focal length; xy (N, 2): its
    position on the ground, canonical frame; height (N,): expected z. camera (B, 2): distance in metres and elevation in
    radians, agreed upon by the picture and its places; votes (N, 2): what each place alone takes the camera for; depth (N,): how
    far in front of the camera the object's apparent size says that it is, in metres; doubt (N,): what the second look adds to the
    logit that an object is there."""

    features: Tensor
    words: dict[str, Tensor]
    yaw: Tensor
    place: Tensor
    xy: Tensor
    height: Tensor
    camera: Tensor
    votes: Tensor
    depth: Tensor
    doubt: Tensor


class VisionTower(nn.Module):
    """Fully convolutional: any width near the one it was trained at, any height."""

    half_extents: Tensor

    def __init__(self, vision: VisionConfig, geometry: GeometryConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        self.config, self.geometry, self.vocabulary = vision, geometry, vocabulary
        c4, c8, c16 = vision.channels
        self.stem = ConvNorm(3 * STRIDE**2 + 2, c4)
        self.stage8 = nn.Sequential(ConvNorm(c4, c8, 2), *(ResidualBlock(c8) for _ in range(vision.blocks[0])))
        self.stage16 = nn.Sequential(ConvNorm(c8, c16, 2), *(ResidualBlock(c16) for _ in range(vision.blocks[1])))
        self.from16, self.merge8 = nn.Conv2d(c16, c8, 1), ConvNorm(c8, c8)
        self.from8, self.from4 = nn.Conv2d(c8, vision.fine_channels, 1), nn.Conv2d(c4, vision.fine_channels, 1)
        self.merge4 = ConvNorm(vision.fine_channels, vision.fine_channels)
        self.heat = nn.Conv2d(vision.fine_channels, 1, 1)
        nn.init.constant_(self.heat.bias, _COARSE_START)  # type: ignore[arg-type]
        self.camera = _camera_head(c16)
        self.fields = tuple(name for name in WORD_FIELDS if name in vocabulary.words)
        local = vision.feature_width + 2
        self.words = nn.ModuleDict({name: _head(local, len(vocabulary.words[name])) for name in self.fields})
        self.offset, self.votes = _head(local, 2), _head(local + c16 + 1, 4)
        self.camera_certainty = nn.Parameter(torch.zeros(2))
        self.yaw, self.residual = _head(local + 2, 2), _head(local + 2 + c16, 2)
        if vision.second_look_px:
            self.second_look = SecondLook(vision.second_look_px, local, self._corrections())
        if vision.shape_look_px:
            self.shape_look = ShapeLook(vision.shape_look_px, len(vocabulary.words["shape"]))
        extents = [geometry.half_extents_m[word] for word in vocabulary.words["size"]]
        self.register_buffer("half_extents", torch.tensor(extents), persistent=False)

    def forward(self, images: Tensor, shift_px: tuple[int, int] = (0, 0)) -> TowerMaps:
        """images (B, 3, H, W) in [0, 1]. shift_px: how far right and down the picture lies on the grid of cells, below the
        stride; whatever is told of places stays in the picture's own pixels."""
        stem = self.stem(self._cells(images, shift_px))
        at8 = self.stage8(stem)
        at16 = self.stage16(at8)
        coarse = self.merge8(at8 + F.interpolate(self.from16(at16), size=at8.shape[2:], mode="nearest"))
        fine = F.relu(self.from4(stem) + F.interpolate(self.from8(coarse), size=stem.shape[2:], mode="nearest"))
        fine = self.merge4(fine)
        context = at16.mean(dim=(2, 3))
        middle, spread = self._camera_scale(context)
        camera = middle + spread * self.camera(at16)
        return TowerMaps(self.heat(fine)[:, 0], fine, coarse, at16, context, camera, images, shift_px)

    def describe(self, maps: TowerMaps, picture: Tensor, row: Tensor, column: Tensor, trust: Tensor) -> Description:
        """What stands about the cells (row, column) of the pictures `picture`, all (N,) integers. trust (N,) in [0, 1]: how
        surely an object is there, and so how much the place has to say about the camera."""
        features = torch.cat([maps.fine[picture, :, row, column], maps.coarse[picture, :, row // 2, column // 2]], dim=1)
        focal = focal_length_px(self.geometry, self.config.input_width_px)
        middle_u, middle_v = maps.pictures.shape[3] / 2, maps.pictures.shape[2] / 2
        cell_u, cell_v = (column + 0.5) * STRIDE - maps.shift_px[0], (row + 0.5) * STRIDE - maps.shift_px[1]
        cell = torch.stack([cell_u - middle_u, middle_v - cell_v], dim=1) / focal  # (N, 2)
        local = torch.cat([features, cell], dim=1)
        words = {name: self.words[name](local) for name in self.fields}
        offset, deep = self.offset(local), maps.deep[picture, :, row // 4, column // 4]
        height = torch.softmax(words["size"], dim=1) @ self.half_extents
        told, depth = self._told(local, deep, cell + offset * (STRIDE / focal), height)
        added = self._second_look(maps, picture, trust, cell + offset * (STRIDE / focal), height / depth, local)
        words = {name: self._heard(words[name], _WORDS_UNHEARD[name]) + added[name] for name in self.fields}
        height = torch.softmax(words["size"], dim=1) @ self.half_extents
        place = cell + (offset + added["offset"]) * (STRIDE / focal)
        told, depth = self._told(local, deep, place, height, added["votes"])
        camera, votes = self._agreed_camera(maps.camera, told, picture, trust, place, height, depth)
        inputs = torch.cat([local, self._camera_units(camera)[picture]], dim=1)
        xy = ground_xy(self.geometry, place, height, camera[picture, 0], camera[picture, 1])
        xy = xy + 0.1 * (self.residual(torch.cat([inputs, maps.context[picture]], dim=1)) + added["residual"])
        yaw = self.yaw(inputs) + added["yaw"]
        return Description(features, words, yaw, place, xy, height, camera, votes, depth, added["doubt"][:, 0])

    def _told(
        self, local: Tensor, deep: Tensor, place: Tensor, height: Tensor, added: Tensor | float = 0.0
    ) -> tuple[Tensor, Tensor]:
        """What places tell of the camera (N, 4) and how deep (N,) their objects' apparent sizes put them."""
        usual = usual_depth(self.geometry, place, height)
        told = self.votes(torch.cat([local, deep, torch.log(usual)[:, None]], dim=1)) + added
        return told, usual * torch.exp((_DEPTH_SPREAD * told[:, 0]).clamp(-1.0, 1.0))

    def _second_look(
        self, maps: TowerMaps, picture: Tensor, trust: Tensor, place: Tensor, extent: Tensor, local: Tensor
    ) -> dict[str, Tensor]:
        """What a closer look adds; zeros without one, and where nothing is. place (N, 2) and extent (N,), half of an object's
        side, in units of the focal length."""
        added = {name: local.new_zeros(len(local), count) for name, count in self._corrections().items()}
        if not self.config.second_look_px:
            return added
        rows = torch.nonzero(trust >= LEAST_TRUST)[:, 0]
        if not len(rows):
            return added
        focal = focal_length_px(self.geometry, self.config.input_width_px)
        middle = place.new_tensor((maps.pictures.shape[3] / 2, maps.pictures.shape[2] / 2))
        centre_px = middle + place[rows] * place.new_tensor((focal, -focal))
        known = self._heard(local[rows], _UNHEARD)
        found = self.second_look(maps.pictures, picture[rows], centre_px, extent[rows] * focal, known)
        return {name: value.index_add(0, rows, found[name].to(value.dtype)) for name, value in added.items()}

    def _heard(self, first: Tensor, unheard: float) -> Tensor:
        """What the first look says (N, L); where a second look is in training, not at all at some share of the places: who may
        always lean on words that are right in nearly every picture learnt from has no reason to look for itself."""
        if not (self.config.second_look_px and self.second_look.training):
            return first
        return first * (torch.rand(len(first), 1, device=first.device) >= unheard)

    def _corrections(self) -> dict[str, int]:
        """What a second look corrects, and how many numbers that is."""
        words = {name: len(self.vocabulary.words[name]) for name in self.fields}
        return {**words, "offset": 2, "votes": 4, "yaw": 2, "residual": 2, "doubt": 1}

    def _agreed_camera(
        self, alone: Tensor, told: Tensor, picture: Tensor, trust: Tensor, place: Tensor, height: Tensor, depth: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The camera of each picture (B, 2) and each place's vote (N, 2).

        An object of known size looks larger from a nearer camera: with its place in the picture and its height over the ground,
        its depth says how far the camera stands from the origin. One object tells it a little, all together tell it well. Each
        vote comes with a weight of its own, and the whole picture (`alone`) has one vote, too.
        """
        middle, spread = self._camera_scale(told)
        weight = trust[:, None] * torch.exp(told[:, 2:].clamp(-_CERTAINTY_LIMIT, _CERTAINTY_LIMIT))  # (N, 2)
        own = torch.exp(self.camera_certainty).expand_as(alone)
        total = own.index_add(0, picture, weight)

        def agreed(which: int, votes: Tensor) -> Tensor:
            sums = (own * alone)[:, which].index_add(0, picture, weight[:, which] * votes)
            return sums / total[:, which]

        leans = middle[1] + spread[1] * told[:, 1]
        elevation = agreed(1, leans)
        distances = camera_distance(place, height, depth, elevation[picture])
        return torch.stack([agreed(0, distances), elevation], dim=1), torch.stack([distances, leans], dim=1)

    def _camera_scale(self, like: Tensor) -> tuple[Tensor, Tensor]:
        return like.new_tensor((self.geometry.distance_m, self.geometry.elevation_radians)), like.new_tensor(CAMERA_SPREADS)

    def _camera_units(self, camera: Tensor) -> Tensor:
        """Distance and elevation (..., 2), less their middle, in units of about their spread."""
        middle, spread = self._camera_scale(camera)
        return (camera - middle) / spread

    def _cells(self, images: Tensor, shift_px: tuple[int, int]) -> Tensor:
        """Pictures with their coordinates as two more channels, padded, in cells of the stride: (B, 3·16 + 2, h, w)."""
        b, _, height, width = images.shape
        focal = focal_length_px(self.geometry, self.config.input_width_px)
        right, down = shift_px
        padded = F.pad(images - 0.5, (right, -(width + right) % _PADDED_TO, down, -(height + down) % _PADDED_TO))
        rows, columns = padded.shape[2] // STRIDE, padded.shape[3] // STRIDE
        v = (height / 2 + down - (torch.arange(rows, device=images.device) + 0.5) * STRIDE) / focal
        u = ((torch.arange(columns, device=images.device) + 0.5) * STRIDE - right - width / 2) / focal
        coordinates = torch.stack([u.expand(rows, columns), v[:, None].expand(rows, columns)])
        cells = torch.cat([F.pixel_unshuffle(padded, STRIDE), coordinates.expand(b, -1, -1, -1)], dim=1)
        return cells.contiguous(memory_format=torch.channels_last)


def _camera_head(channels: int) -> nn.Sequential:
    """The camera shows in where things are (the backdrop's rise, say), so the map is kept, coarsely."""
    rows, columns, kept = 6, 8, 16
    return nn.Sequential(
        nn.Conv2d(channels, kept, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d((rows, columns)),
        nn.Flatten(),
        nn.Linear(kept * rows * columns, 64),
        nn.ReLU(),
        nn.Linear(64, 2),
    )


def _head(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, 96), nn.ReLU(), nn.Linear(96, outputs))


def strongest_peaks(heat: Tensor, count: int) -> tuple[Tensor, Tensor, Tensor]:
    """The `count` strongest local maxima of each picture's centre map (B, h, w), left to right.

    Returns score in [0, 1], row and column, each (B, count); where a map has fewer maxima the score is 0.
    """
    score = torch.sigmoid(heat)
    is_peak = F.max_pool2d(score[:, None], 3, 1, 1)[:, 0] == score
    width = heat.shape[2]
    top = torch.topk((score * is_peak).flatten(1), count, dim=1)
    order = torch.argsort(top.indices % width, dim=1, stable=True)
    values, indices = torch.gather(top.values, 1, order), torch.gather(top.indices, 1, order)
    return values, indices // width, indices % width
