"""A small segmentation training in a process of its own (test_process_group.py); the main process writes the weights.

usage: process_group_steps.py FOLDER DEVICES HOSTS HOST   ("-" for what is not given)
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
from salus.lab.training.process_group import open_process_group  # noqa: E402

salus.lab.networks.segment_net.segment_net = tiny_net
folder = Path(sys.argv[1])
devices, hosts, host = (None if given == "-" else given for given in sys.argv[2:5])
recipe = replace(SMALL, steps=3, batch=4, early_steps=2, early_size=32)
with open_process_group(devices and int(devices), hosts, host and int(host), "again") as group:
    model = train_segmenter(*discs(9, free=2), recipe, folder / "run", print, group=group)
    if group.is_main:
        np.savez(folder / "weights.npz", *model.get_weights())
