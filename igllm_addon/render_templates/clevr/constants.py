# SPDX-License-Identifier: GPL-3.0-or-later
"""CLEVR's numbers, read from facebookresearch/clevr-dataset-gen (image_generation/data/properties.json,
render_images.py and base_scene.blend). Facts carry over; meshes, shaders and everything visible are made here. No bpy."""

from __future__ import annotations

import math

# sRGB bytes; the generator uses byte / 255 as a linear value, and so do we.
COLORS_RGB_BYTES = {
    "gray": (87, 87, 87),
    "red": (173, 35, 35),
    "blue": (42, 75, 215),
    "green": (29, 105, 20),
    "brown": (129, 74, 25),
    "purple": (129, 38, 192),
    "cyan": (41, 208, 208),
    "yellow": (255, 238, 51),
}
HALF_EXTENTS = {"large": 0.7, "small": 0.35}

OBJECT_COUNT_RANGE = (3, 10)  # inclusive
POSITION_LIMIT = 3.0
MARGIN_BETWEEN_OBJECTS = 0.25
MARGIN_ALONG_DIRECTIONS = 0.4
# Unit ground vectors of "right" and "front" as the unjittered camera sees them; left and behind are their negatives.
RIGHT_XY = (0.6563, 0.7545)
FRONT_XY = (0.7545, -0.6563)
MINIMUM_VISIBLE_PIXELS = 200  # on a picture 320 pixels wide
VISIBILITY_WIDTH_PX = 320
TRIES_PER_OBJECT = 50

CAMERA_LOCATION = (7.4811, -6.5076, 5.3437)
CAMERA_JITTER = 0.5
FOCAL_LENGTH_MM = 35.0
SENSOR_WIDTH_MM = 32.0

LIGHT_JITTER = 1.0
# name, location, power in watts, edge in metres, linear colour
AREA_LIGHTS = (
    ("Key", (6.447, -2.905, 4.258), 78.5, 0.5, (1.0, 0.932, 0.817)),
    ("Fill", (-4.671, -4.014, 3.011), 23.6, 0.5, (0.762, 0.818, 1.0)),
    ("Back", (-1.169, 2.646, 5.816), 39.3, 1.0, (1.0, 1.0, 1.0)),
)
SUN_STRENGTH = 0.45
SUN_ANGLE_RADIANS = 0.199
SUN_ROTATION_EULER_XYZ = (0.236, 0.417, 0.097)

CUBE_EDGE_RADIUS = 0.2  # of a cube of half extent 1
CYLINDER_RIM_RADIUS = 0.05  # of a cylinder of radius 1 and half height 1

SHAPE_KEY = "igllm_shape"  # custom property of a Blender mesh that names its shape

AZIMUTH_RADIANS = math.atan2(CAMERA_LOCATION[1], CAMERA_LOCATION[0])
