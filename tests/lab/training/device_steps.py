"""A small segmentation training in a process of its own (test_devices.py); writes the weights.

usage: device_steps.py FOLDER [DEVICES]
"""

import sys
from dataclasses import replace
from pathlib import Path

from salus.lab.training.backend import use_backend

use_backend("jax")

import numpy as np  # noqa: E402  (the backend is chosen first)
from tests.lab.segmentation.small_training import SMALL, discs, tiny_net  # noqa: E402

import salus.lab.networks.segment_net  # noqa: E402
from salus.lab.segmentation.train import train_segmenter  # noqa: E402
from salus.lab.training.devices import use_devices  # noqa: E402

salus.lab.networks.segment_net.segment_net = tiny_net
folder = Path(sys.argv[1])
devices = use_devices(int(sys.argv[2]) if len(sys.argv) > 2 else None)
recipe = replace(SMALL, steps=3, batch=4, early_steps=2, early_size=32)
model = train_segmenter(*discs(9, free=2), recipe, folder / "run", print, devices=devices)
np.savez(folder / "weights.npz", *model.get_weights())
