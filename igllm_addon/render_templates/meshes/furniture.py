# SPDX-License-Identifier: GPL-3.0-or-later
"""Chairs, tables and lamps of the shipped set. Lengths are roughly metres; every mesh is scaled afterwards. No bpy.

Tiles of a texture: 0 and 1 the main surfaces, 2 and 3 what stands out, 4 to 7 details.
"""

from __future__ import annotations

import math

import numpy as np

from .parts import Part, bent, box, mirrored, turned
from .shipped_model import Model
from .textures import Pattern, badge, band, checks, dots, plain, stripes, wood


def _legs(x: float, y: float, height: float, thickness: float, tile: int, splay: float = 0.0) -> list[Part]:
    """Four legs from the ground up to `height`; splay: degrees that they lean outward."""
    return [
        box((thickness, thickness, height), tile, 0.15 * thickness)
        .moved(z=-height / 2.0)
        .turned(x=splay * along, y=-splay * side)
        .moved(side * x, along * y, height)
        for side in (-1, 1)
        for along in (-1, 1)
    ]


def dining_chair() -> Model:
    """Four legs, a cushion, a back of slats."""
    parts = _legs(0.19, 0.18, 0.44, 0.045, 0)
    parts += [box((0.46, 0.44, 0.04), 0, 0.01).moved(z=0.45), box((0.42, 0.40, 0.05), 1, 0.02).moved(z=0.49)]
    parts += [box((0.045, 0.045, 0.5), 0, 0.008).turned(x=6).moved(x, -0.225, 0.70) for x in (-0.19, 0.19)]
    parts += [box((0.36, 0.03, 0.07), 2, 0.01).turned(x=6).moved(0.0, -0.205 - 0.1 * (z - 0.45), z) for z in (0.64, 0.77, 0.90)]
    patterns = [wood((150, 92, 48)), dots((200, 40, 44), (246, 220, 190), 5), wood((176, 112, 60)), plain((40, 30, 26))]
    return Model("chair", "dining", parts, patterns)


def armchair() -> Model:
    """Low, wide and padded."""
    parts = [box((0.80, 0.76, 0.24), 0, 0.05).moved(z=0.24), box((0.52, 0.58, 0.14), 1, 0.05).moved(0.0, 0.08, 0.42)]
    parts += [box((0.62, 0.20, 0.52), 0, 0.06).turned(x=10).moved(0.0, -0.30, 0.58)]
    parts += [box((0.46, 0.10, 0.34), 2, 0.04).turned(x=10).moved(0.0, -0.19, 0.63)]
    parts += mirrored([box((0.16, 0.74, 0.34), 0, 0.06).moved(0.36, 0.02, 0.42)])
    parts += [turned([(0.025, 0.0), (0.035, 0.12)], 3, 10).moved(x, y, 0.0) for x in (-0.33, 0.33) for y in (-0.3, 0.3)]
    patterns = [plain((32, 92, 110)), stripes((38, 110, 128), (220, 214, 196), 5), checks((232, 168, 56), (214, 140, 36), 3)]
    return Model("chair", "armchair", parts, [*patterns, wood((96, 58, 30))])


def office_chair() -> Model:
    """Five wheels, one column, a curved back."""
    parts = []
    for step in range(5):
        foot = box((0.30, 0.045, 0.035), 3, 0.01, top=0.9).moved(x=0.15).turned(y=6)
        wheel = turned([(0.03, -0.018), (0.03, 0.018)], 4, 12).turned(x=90).moved(0.29, 0.0, -0.055)
        parts += [part.turned(z=72.0 * step + 90.0).moved(z=0.085) for part in (foot, wheel)]
    parts += [turned([(0.032, 0.08), (0.032, 0.26), (0.02, 0.26), (0.02, 0.43)], 4, 14)]
    parts += [
        box((0.46, 0.46, 0.09), 0, 0.035).moved(z=0.47),
        bent([(0, -0.16, 0.42), (0, -0.29, 0.44), (0, -0.29, 0.66)], 0.022, 3),
    ]
    parts += [box((0.40, 0.07, 0.46), 1, 0.03, top=0.85).turned(x=7).moved(0.0, -0.255, 0.80)]
    for side in (-1, 1):
        parts += [bent([(side * 0.2, 0, 0.45), (side * 0.28, 0, 0.47), (side * 0.28, 0, 0.64)], 0.016, 3)]
        parts += [box((0.055, 0.26, 0.03), 2, 0.01).moved(side * 0.28, 0.02, 0.65)]
    patterns = [plain((46, 52, 66)), badge((66, 132, 204), (244, 244, 250), 0.5, 0.7, 0.17), plain((235, 120, 40))]
    return Model("chair", "office", parts, [*patterns, plain((84, 88, 96)), plain((28, 28, 32))])


def rocking_chair() -> Model:
    """Stands on two bows."""
    bow = [(0.27, 0.55 * math.sin(angle), 0.62 - 0.60 * math.cos(angle)) for angle in np.linspace(-0.95, 0.95, 11)]
    parts = mirrored([bent(bow, 0.022, 2)])
    parts += _legs(0.25, 0.20, 0.44, 0.04, 0)
    parts += [box((0.56, 0.5, 0.05), 1, 0.015).moved(z=0.45)]
    parts += [bent([(x, -0.22, 0.44), (x, -0.30, 0.78), (x, -0.38, 1.08)], 0.018, 0, 8) for x in np.linspace(-0.22, 0.22, 5)]
    parts += [box((0.56, 0.05, 0.10), 2, 0.02).turned(x=14).moved(0.0, -0.385, 1.08)]
    parts += mirrored(
        [box((0.06, 0.50, 0.03), 2, 0.01).moved(0.27, -0.04, 0.66), bent([(0.27, 0.18, 0.44), (0.27, 0.18, 0.66)], 0.016, 0, 8)]
    )
    return Model("chair", "rocker", parts, [wood((212, 172, 116)), wood((120, 150, 72)), wood((92, 116, 48))])


def bar_stool() -> Model:
    """Tall, with a ring for the feet and a low back."""
    parts = _legs(0.11, 0.11, 0.74, 0.035, 0, splay=7.0)
    ring = [(0.19 * math.cos(a), 0.19 * math.sin(a), 0.26) for a in np.linspace(0.0, 2.0 * math.pi, 17)]
    parts += [bent(ring, 0.012, 3, 8), turned([(0.0, 0.72), (0.19, 0.72), (0.20, 0.76), (0.18, 0.79), (0.0, 0.80)], 1, 20)]
    curve = [(0.2 * math.cos(a), 0.2 * math.sin(a), 0.97) for a in np.linspace(math.radians(205), math.radians(335), 9)]
    parts += [bent(curve, 0.035, 2, 8)]
    parts += [bent([(x, -0.11, 0.76), (x * 1.25, -0.175, 0.97)], 0.012, 3, 8) for x in (-0.09, 0.09)]
    return Model(
        "chair", "barstool", parts, [plain((44, 44, 50)), plain((190, 34, 60)), plain((226, 200, 60)), plain((190, 192, 198))]
    )


def square_table() -> Model:
    """The same from four sides."""
    parts = [*_legs(0.40, 0.40, 0.70, 0.07, 1), box((1.0, 1.0, 0.05), 0, 0.012, sides={"+z": 2}).moved(z=0.72)]
    parts += [box((0.80, 0.04, 0.09), 1).moved(0.0, 0.40, 0.66).turned(z=90.0 * side) for side in range(4)]
    return Model("table", "square", parts, [plain((58, 96, 156)), plain((232, 232, 226)), _framed((58, 96, 156), (238, 206, 90))])


def desk() -> Model:
    """A table with drawers on one side."""
    parts = [box((1.30, 0.62, 0.045), 0, 0.01).moved(z=0.72), box((0.04, 0.56, 0.70), 1).moved(-0.62, 0.0, 0.35)]
    parts += [box((0.42, 0.56, 0.70), 1, 0.008).moved(0.43, 0.0, 0.35), box((0.82, 0.03, 0.36), 1).moved(-0.20, -0.27, 0.52)]
    for z in (0.14, 0.36, 0.58):
        parts += [box((0.36, 0.03, 0.18), 2, 0.008).moved(0.43, 0.285, z), box((0.12, 0.03, 0.025), 3).moved(0.43, 0.31, z)]
    return Model(
        "table", "desk", parts, [wood((186, 132, 78)), plain((236, 234, 226)), plain((214, 84, 60)), plain((50, 50, 54))]
    )


def round_table() -> Model:
    """One foot, one round top: it looks the same whichever way it is turned."""
    foot = [(0.30, 0.0), (0.31, 0.03), (0.09, 0.07), (0.05, 0.14), (0.045, 0.62), (0.10, 0.70)]
    parts = [turned(foot, 1, 24), turned([(0.52, 0.70), (0.54, 0.715), (0.54, 0.735), (0.52, 0.75)], 0, 32)]
    return Model("table", "round", parts, [plain((196, 120, 70)), plain((52, 46, 44))])


def coffee_table() -> Model:
    """A long low table of glass over a shelf; it looks the same from two sides."""
    parts = [box((1.10, 0.56, 0.04), 0, 0.012).moved(z=0.40), box((0.98, 0.46, 0.03), 1, 0.008).moved(z=0.14)]
    parts += _legs(0.50, 0.23, 0.39, 0.05, 2)
    return Model(
        "table",
        "coffee",
        parts,
        [band((118, 190, 200), (232, 246, 246), 0.36, 0.64, True), plain((90, 62, 46)), plain((30, 32, 36))],
    )


def picnic_table() -> Model:
    """Planks, crossed legs and one bench."""
    parts = [box((1.40, 0.12, 0.035), 0 if step % 2 else 1, 0.008).moved(0.0, 0.135 * (step - 2), 0.72) for step in range(5)]
    parts += [box((1.40, 0.24, 0.035), 1, 0.008).moved(0.0, 0.58, 0.42)]
    for x in (-0.52, 0.52):
        parts += [box((0.05, 0.09, 0.86), 2).turned(x=32.0 * way).moved(x, 0.0, 0.36) for way in (-1, 1)]
        parts += [box((0.05, 0.66, 0.07), 2).moved(x, 0.30, 0.38), box((0.05, 0.06, 0.38), 2).moved(x, 0.62, 0.20)]
    return Model("table", "picnic", parts, [wood((222, 190, 128)), wood((86, 140, 84)), wood((110, 78, 50))])


def desk_lamp() -> Model:
    """A jointed arm over a heavy foot."""
    parts = [turned([(0.13, 0.0), (0.13, 0.02), (0.10, 0.035), (0.0, 0.04)], 0, 24)]
    parts += [bent([(0, -0.04, 0.03), (0, -0.16, 0.34)], 0.012, 3, 8), bent([(0, -0.16, 0.34), (0, 0.14, 0.54)], 0.012, 3, 8)]
    parts += [turned([(0.026, -0.022), (0.026, 0.022)], 2, 12).turned(y=90).moved(0, -0.16, 0.34)]
    shade = turned([(0.10, 0.0), (0.075, 0.07), (0.035, 0.12), (0.02, 0.16), (0.0, 0.165)], tiles=(1, 1, 1, 2), around=24)
    parts += [
        shade.turned(x=35).moved(0.0, 0.18, 0.43),
        turned([(0.0, -0.035), (0.035, 0.0), (0.0, 0.035)], 4, 12).turned(x=35).moved(0, 0.18, 0.43),
    ]
    return Model(
        "lamp",
        "desk",
        parts,
        [plain((36, 40, 48)), plain((232, 70, 44)), plain((246, 210, 70)), plain((176, 180, 188)), plain((255, 250, 214))],
    )


def floor_lamp() -> Model:
    """A long bow with a shade at its end."""
    bow = [
        (0.0, -0.42 + 0.72 * t, 1.62 * math.sin(0.5 * math.pi * min(1.0, 1.25 * t)) - 0.45 * max(0.0, t - 0.75) ** 1.2)
        for t in np.linspace(0, 1, 14)
    ]
    parts = [turned([(0.20, 0.0), (0.20, 0.04), (0.17, 0.055), (0.0, 0.06)], 1, 24).moved(y=-0.42), bent(bow, 0.018, 2, 8)]
    parts += [turned([(0.24, 0.0), (0.20, 0.16), (0.08, 0.25), (0.0, 0.27)], 0, 24).moved(bow[-1][0], bow[-1][1], 1.28)]
    parts += [turned([(0.0, 0.0), (0.07, 0.05), (0.0, 0.12)], 3, 14).moved(bow[-1][0], bow[-1][1], 1.24)]
    return Model(
        "lamp", "bow", parts, [plain((214, 160, 52)), plain((222, 222, 218)), plain((168, 172, 180)), plain((255, 248, 220))]
    )


def table_lamp() -> Model:
    """A turned foot and a pleated shade: nothing tells its front."""
    foot = [(0.12, 0.0), (0.12, 0.02), (0.05, 0.04), (0.10, 0.14), (0.11, 0.20), (0.07, 0.28), (0.025, 0.34), (0.025, 0.40)]
    parts = [turned(foot, 0, 24), turned([(0.20, 0.36), (0.12, 0.62), (0.115, 0.62), (0.0, 0.62)], 1, 32)]
    return Model("lamp", "table", parts, [plain((46, 120, 116)), band((240, 226, 196), (206, 86, 64), 0.06, 0.16)])


def lantern() -> Model:
    """A square lantern with a ring to carry it and a door on one side."""
    parts = [box((0.30, 0.30, 0.04), 0, 0.01).moved(z=0.02), box((0.24, 0.24, 0.32), 1, sides={"+y": 2}).moved(z=0.20)]
    parts += [box((0.03, 0.03, 0.34), 0).moved(x, y, 0.20) for x in (-0.12, 0.12) for y in (-0.12, 0.12)]
    parts += [box((0.34, 0.34, 0.14), 3, top=0.28).moved(z=0.43), box((0.08, 0.08, 0.05), 0).moved(z=0.52)]
    ring = [(0.07 * math.cos(a), 0.0, 0.60 + 0.07 * math.sin(a)) for a in np.linspace(0.0, 2.0 * math.pi, 15)]
    parts += [bent(ring, 0.01, 0, 8), box((0.03, 0.03, 0.06), 4).moved(0.07, 0.13, 0.20)]
    patterns = [plain((40, 48, 44)), band((250, 226, 140), (236, 166, 60), 0.0, 0.35), _framed((40, 48, 44), (255, 240, 180))]
    return Model("lamp", "lantern", parts, [*patterns, plain((170, 50, 44)), plain((230, 210, 120))])


def tripod_lamp() -> Model:
    """A searchlight on three legs that looks forward."""
    parts = []
    for step in range(3):
        foot = (0.32 * math.cos(2.1 * step + 0.5), 0.32 * math.sin(2.1 * step + 0.5), 0.0)
        parts += [bent([foot, (0.0, 0.0, 0.72)], (0.018, 0.026), 1, 8)]
    drum = [(0.0, -0.16), (0.10, -0.15), (0.16, -0.06), (0.17, 0.12), (0.185, 0.12), (0.185, 0.15), (0.15, 0.15), (0.0, 0.13)]
    parts += [turned(drum, tiles=(0, 0, 0, 2, 2, 2, 3), around=24).turned(x=-78).moved(0.0, 0.03, 0.86)]
    parts += [box((0.42, 0.03, 0.03), 2).moved(z=0.74), *mirrored([box((0.02, 0.04, 0.18), 2).moved(0.20, 0.0, 0.81)])]
    return Model(
        "lamp", "tripod", parts, [plain((60, 76, 60)), wood((170, 116, 66)), plain((196, 198, 202)), plain((255, 246, 190))]
    )


def _framed(frame: tuple[int, int, int], inside: tuple[int, int, int]) -> Pattern:
    return badge(frame, inside, 0.5, 0.5, 0.33)


FURNITURE = (
    dining_chair,
    armchair,
    office_chair,
    rocking_chair,
    bar_stool,
    square_table,
    desk,
    round_table,
    coffee_table,
    picnic_table,
    desk_lamp,
    floor_lamp,
    table_lamp,
    lantern,
    tripod_lamp,
)
