"""A small training on a backend in a process of its own (test_torch.py), from given weights; writes the weights.

usage: torch_steps.py FOLDER BACKEND   (FOLDER/first.npz is written when absent, read when there)
"""

import sys
from dataclasses import replace
from pathlib import Path

from salus.lab.training.backend import use_backend

use_backend(sys.argv[2])

import numpy as np  # noqa: E402  (the backend is chosen first)
from tests.lab.segmentation.small_training import SMALL, discs, tiny_net  # noqa: E402

from salus.lab.networks import segment_net  # noqa: E402
from salus.lab.segmentation import loader  # noqa: E402
from salus.lab.segmentation.train import train_segmenter  # noqa: E402
from salus.lab.training import loop  # noqa: E402

folder, backend = Path(sys.argv[1]), sys.argv[2]
first, sample_batch = folder / "first.npz", loader.sample_batch


def start(*arguments):
    model = tiny_net(*arguments)
    if first.exists():
        with np.load(first, allow_pickle=False) as kept:
            model.set_weights([kept[name] for name in kept.files])
    else:
        np.savez(first, *model.get_weights())
    return model


def train(name, **changes):
    return train_segmenter(*discs(12, free=2), replace(SMALL, **changes), folder / f"{backend}-{name}", print)


def die_at_step_3(*arguments):
    if arguments[-1] == 3:
        raise KeyboardInterrupt
    return sample_batch(*arguments)


segment_net.segment_net, loop.STATE_INTERVAL = start, 2
np.savez(folder / f"{backend}.npz", *train("same", dropout=0.0, steps=6, learning_rate=1e-2).get_weights())
np.savez(folder / f"{backend}-whole.npz", *train("whole").get_weights())
loader.sample_batch = die_at_step_3
try:
    train("resumed")
except KeyboardInterrupt:
    loader.sample_batch = sample_batch
np.savez(folder / f"{backend}-resumed.npz", *train("resumed").get_weights())
