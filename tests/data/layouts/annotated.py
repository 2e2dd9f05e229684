"""Pictures and outlines that the tests of annotation tools share."""

import numpy as np
from PIL import Image

SHAPE = (60, 80)


DISC = (np.hypot(*np.mgrid[-25:35, -30:50]) < 14) & (np.hypot(*np.mgrid[-25:35, -30:50]) > 4)  # with a hole


def picture(path, shape=SHAPE, kind=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)).save(path, kind)
    return path
