"""Scans as clinical files hold them, for tests."""

import numpy as np
from PIL import Image, ImageDraw
from tests.read.wrap import region
from tests.segmentation.test_segmenter import SIDE, image_of, write_network

from salus.cli import main

TOP, LEFT, SHAPE, SPACING = 20, 30, (100, 120), (0.2, 0.1)

# An L, neither alike mirrored, turned nor transposed, and a bar: dark in the region, which the network has the size of.
BOXES = ((8, 48, 8, 16), (40, 48, 8, 40), (8, 16, 48, 56))


def frame(shift=0, ground=200, dark=20):
    """A screen: text above, a dark L and a bar in the region, dark outside it too."""
    screen = Image.new("L", SHAPE[::-1], 0)
    ImageDraw.Draw(screen).text((2, 2), "DOE JANE", 255)
    boxes = [(top, bottom, left + shift, right + shift) for top, bottom, left, right in BOXES]
    values = np.array(screen)
    values[TOP : TOP + SIDE, LEFT : LEFT + SIDE] = image_of(*boxes, ground=ground, dark=dark)
    return values


REGIONS = [region(TOP, LEFT, SIDE, SIDE, SPACING), region(0, 0, 15, 120, kind=2)]


def outside(picture):
    """The brightest pixel of a picture outside the region."""
    values = np.array(picture.convert("L"))
    values[TOP - 8 : TOP + SIDE + 8, LEFT - 8 : LEFT + SIDE + 8] = 0  # JPEG's blocks reach beyond it
    return values.max()


def run(folder, out, *more):
    network = write_network(folder / "dark.onnx")
    return main(["segment", str(folder / "in"), "-o", str(folder / out), "--network", str(network), *more])
