"""Run by test_crew.py in processes of their own: a small segmentation training, its weights written by who leads.

usage: process_group_steps.py FOLDER DEVICES HOSTS HOST   ("-" for what is not given)
"""

import sys
from dataclasses import replace
from pathlib import Path

from salus.lab.training.backend import use_backend

use_backend("jax")

import numpy as np  # noqa: E402  (the backend is chosen first)
from tests.lab.segmentation.test_run import SMALL, discs, tiny_net  # noqa: E402

import salus.lab.networks.segment_net  # noqa: E402
from salus.lab.segmentation.train import train_segmenter  # noqa: E402
from salus.lab.training.process_group import assembled  # noqa: E402

salus.lab.networks.segment_net.segment_net = tiny_net
folder = Path(sys.argv[1])
devices, hosts, host = (None if given == "-" else given for given in sys.argv[2:5])
recipe = replace(SMALL, steps=3, batch=4, early_steps=2, early_size=32)
with assembled(devices and int(devices), hosts, host and int(host), "again") as crew:
    model = train_segmenter(*discs(9, free=2), recipe, folder / "run", print, crew=crew)
    if crew.leads:
        np.savez(folder / "weights.npz", *model.get_weights())
