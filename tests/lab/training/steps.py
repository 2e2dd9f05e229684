"""A few training steps on one backend in a process of its own (test_backend.py); prints the losses as JSON.

usage: steps.py BACKEND NETWORK WEIGHTS   (WEIGHTS.npz is written when absent, read when there)
"""

import json
import sys
from pathlib import Path

from salus.lab.training.backend import set_up, use_backend

use_backend(sys.argv[1])
set_up(0, "float32", 2)

import keras  # noqa: E402  (the backend is chosen first)
import numpy as np  # noqa: E402

from salus.lab.benchmark.batches import Batches  # noqa: E402
from salus.lab.networks.registry import build_network  # noqa: E402
from salus.lab.training.backend import use_jit  # noqa: E402
from salus.lab.training.losses import dice_loss  # noqa: E402

model, path = build_network(sys.argv[2], 32), Path(sys.argv[3])
if path.exists():
    kept = np.load(path, allow_pickle=False)
    model.set_weights([kept[f"w{i}"] for i in range(len(kept.files))])
else:
    np.savez(path, **{f"w{i}": w for i, w in enumerate(model.get_weights())})
rng = np.random.default_rng(1)
images = rng.integers(0, 255, (12, 32, 32), np.uint8)
batches = Batches(images, images > 180, images if len(model.inputs) == 2 else None, 4, seed=2)
model.compile(keras.optimizers.Adam(1e-3), loss=dice_loss, jit_compile=use_jit())
print(json.dumps([float(model.train_on_batch(*batches[i])) for i in (0, 1, 2, 0, 1, 2)]))
