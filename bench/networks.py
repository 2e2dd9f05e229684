"""Training step and prediction of both networks: Salus beside the originals and beside PyTorch.

    python bench/networks.py [--rounds 3] [--steps 6] [--batch 4] [--size 256] [--threads 2] [--contestants A,B]

Contestants, each in a process of its own, in turn, same initial weights, same batch:
    salus            as `salus benchmark` trains: mixed_bfloat16 where the processor has it
    salus-float32    the same in float32
    keras-float32    the originals as published, Keras on TensorFlow  (a)
    keras-bfloat16   the same with mixed_bfloat16                     (b)
    torch-bfloat16   PyTorch, bfloat16 autocast, channels last        (c), where PyTorch is installed
Prints the median of each, the ratios to salus, and the largest difference of the probabilities to the last one's.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
CONTESTANTS = ("salus", "salus-float32", "torch-bfloat16", "keras-bfloat16", "keras-float32")


def inputs(network, batch, size):
    """The same random images, maps and truth for everyone."""
    import numpy as np

    rng = np.random.default_rng(0)
    image, saliency = rng.random((2, batch, size, size, 1), np.float32)
    truth = (image > 0.8).astype(np.float32)
    return ([image, saliency] if network == "sa-unet" else [image]), truth


def measure(step, predict, steps):
    """Median seconds of a training step and a prediction after two of each to warm up; predictions come first."""

    def median(call):
        call(), call()
        times = []
        for _ in range(steps):
            begin = time.perf_counter()
            call()
            times.append(time.perf_counter() - begin)
        return statistics.median(times)

    return {"predict": median(predict), "train": median(step)}


def initial_weights(network, size):
    """A Salus network with seeded weights, by layer: what every contestant starts from."""
    import keras

    from salus.lab.networks.registry import build_network

    keras.utils.set_random_seed(0)
    model = build_network(network, size)
    return model, {layer.name: layer.get_weights() for layer in model.layers if layer.weights}


def keras_as_it_comes():
    """Say that Keras runs on TensorFlow, without what `use_backend` turns on (oneDNN), as the originals have it."""
    os.environ["KERAS_BACKEND"] = "tensorflow"


def run_keras(contestant, asked):
    """One of the Keras contestants."""
    from salus.lab.training.backend import set_up, use_backend

    if contestant.startswith("keras"):
        keras_as_it_comes()
    else:
        use_backend("tensorflow")
    import numpy as np

    precision = {"salus": "auto", "keras-bfloat16": "mixed_bfloat16"}.get(contestant, "float32")
    precision = set_up(0, precision, asked.threads)
    import keras

    from salus.lab.training.losses import dice_loss

    model, _ = initial_weights(asked.network, asked.size)
    if contestant.startswith("keras"):
        from salus.lab.export.import_keras import as_released

        model = as_released(model, asked.network, asked.size)
    given, truth = inputs(asked.network, asked.batch, asked.size)
    given = given if len(given) > 1 else given[0]
    model.compile(keras.optimizers.Adam(1e-4), loss=dice_loss, jit_compile=False)
    probability = np.asarray(model.predict_on_batch(given), np.float32)[..., 0]
    times = measure(lambda: model.train_on_batch(given, truth), lambda: model.predict_on_batch(given), asked.steps)
    return times, probability, precision


def run_torch(asked):
    """The PyTorch contestant; its weights come through a Salus network."""
    from salus.lab.training.backend import use_backend

    use_backend("tensorflow")
    _, weights = initial_weights(asked.network, asked.size)
    import numpy as np
    import torch

    from torch_networks import Net

    torch.set_num_threads(asked.threads)
    net = Net({n: (w[0], w[1]) for n, w in weights.items()}, asked.network == "sa-unet")
    net = net.to(memory_format=torch.channels_last)
    given, truth = inputs(asked.network, asked.batch, asked.size)
    given = [torch.tensor(x).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last) for x in given]
    y = torch.tensor(truth).permute(0, 3, 1, 2)
    optimizer = torch.optim.Adam(net.parameters(), 1e-4, eps=1e-7)

    def predict():
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            return net(*given)

    def step():
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            p = net(*given)
        loss = 1 - (2 * (y * p).sum() + 1) / (y.sum() + p.sum() + 1)
        loss.backward()
        optimizer.step()

    probability = np.asarray(predict())[:, 0]
    return measure(step, predict, asked.steps), probability, "bfloat16 autocast"


def one(asked):
    """Measure one contestant and print it as JSON; probabilities go to a file."""
    import numpy as np

    sys.path.insert(0, str(HERE))
    measured = run_torch(asked) if asked.one.startswith("torch") else run_keras(asked.one, asked)
    times, probability, precision = measured
    np.save(asked.probability, probability, allow_pickle=False)
    print(json.dumps({**times, "precision": precision}))


def main() -> None:
    """Run everyone in turn and print the table."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("rounds", 3), ("steps", 6), ("batch", 4), ("size", 256), ("threads", os.cpu_count() or 1)):
        p.add_argument(f"--{name}", type=int, default=value)
    p.add_argument("--networks", default="unet,sa-unet")
    p.add_argument("--contestants", default=",".join(CONTESTANTS), help="salus is the one that ratios refer to")
    p.add_argument("--one", help=argparse.SUPPRESS)
    p.add_argument("--network", help=argparse.SUPPRESS)
    p.add_argument("--probability", help=argparse.SUPPRESS)
    asked = p.parse_args()
    if asked.one:
        one(asked)
        return
    import tempfile

    import numpy as np

    asked_for = asked.contestants.split(",")
    contestants = [c for c in asked_for if not c.startswith("torch") or importlib.util.find_spec("torch")]
    for network in asked.networks.split(","):
        found = {c: {"train": [], "predict": []} for c in contestants}
        probability, precision = {}, {}
        for _ in range(asked.rounds):
            for contestant in contestants:
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder) / "p.npy"
                    options = [f"--{n}={getattr(asked, n)}" for n in ("steps", "batch", "size", "threads")]
                    call = [sys.executable, __file__, "--one", contestant, "--network", network, *options]
                    done = subprocess.run(
                        [*call, "--probability", str(path)], capture_output=True, text=True, check=False
                    )
                    if done.returncode:
                        sys.exit(f"{contestant} failed:\n{done.stderr[-2000:]}")
                    result = json.loads(done.stdout.strip().splitlines()[-1])
                    probability[contestant] = np.load(path, allow_pickle=False)
                precision[contestant] = result["precision"]
                for kind in ("train", "predict"):
                    found[contestant][kind].append(result[kind] / asked.batch * 1e3)
        print(f"\n{network}, batch {asked.batch}, {asked.size} x {asked.size}, {asked.threads} threads, ms an image")
        print(f"{'':<16}{'precision':<18}{'train':>8}{'x salus':>9}{'predict':>9}{'x salus':>9}{'difference':>12}")
        middle = {c: {k: statistics.median(v) for k, v in kinds.items()} for c, kinds in found.items()}
        for c in contestants:
            difference = float(np.abs(probability[c] - probability[contestants[-1]]).max())
            ratios = {k: middle[c][k] / middle["salus"][k] for k in ("train", "predict")}
            print(
                f"{c:<16}{precision[c]:<18}{middle[c]['train']:>8.1f}{ratios['train']:>8.2f}x"
                f"{middle[c]['predict']:>9.1f}{ratios['predict']:>8.2f}x{difference:>12.1e}"
            )


if __name__ == "__main__":
    main()
