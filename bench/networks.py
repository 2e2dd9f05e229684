"""Time a training step and a prediction of U-Net and SA-U-Net in Salus, in the originals and in PyTorch.

    python bench/networks.py [--rounds 3] [--steps 6] [--batch 4] [--size 256] [--threads 2] [--contestants A,B]

Contestants, each in a process of its own, in turn, from the same initial weights, on the same batch:
    salus            as `salus benchmark` trains: mixed_bfloat16 where the processor has it
    salus-float32    the same in float32
    keras-float32    the originals as published, Keras on TensorFlow  (a)
    keras-bfloat16   the same with mixed_bfloat16                     (b)
    torch-bfloat16   PyTorch, bfloat16 autocast, channels last        (c), where PyTorch is installed
Prints median times, their ratios to salus, and the largest difference of the probabilities to the last contestant's.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from measurement import median_time, random_inputs, released_network, seeded_network, use_plain_keras

CONTESTANTS = ("salus", "salus-float32", "torch-bfloat16", "keras-bfloat16", "keras-float32")
KINDS = ("train", "predict")


def measure_keras(contestant, args):
    """Measure one of the Keras contestants: its median times, its probabilities, and its precision."""
    from salus.lab.training.backend import set_up, use_backend

    is_original = contestant.startswith("keras")
    if is_original:
        use_plain_keras()
    else:
        use_backend("tensorflow")
    import numpy as np

    precision = {"salus": "auto", "keras-bfloat16": "mixed_bfloat16"}.get(contestant, "float32")
    precision = set_up(0, precision, args.threads)
    import keras

    from salus.lab.training.losses import dice_loss

    model = (released_network if is_original else seeded_network)(args.network, args.size)
    inputs, mask = random_inputs(args.network, args.batch, args.size)
    inputs = inputs if len(inputs) > 1 else inputs[0]
    model.compile(keras.optimizers.Adam(1e-4), loss=dice_loss, jit_compile=False)
    probability = np.asarray(model.predict_on_batch(inputs), np.float32)[..., 0]
    predict = median_time(lambda: model.predict_on_batch(inputs), args.steps)
    train = median_time(lambda: model.train_on_batch(inputs, mask), args.steps)
    return {"predict": predict, "train": train}, probability, precision


def measure_torch(args):
    """Measure the PyTorch contestant, with the weights of a Salus network."""
    from salus.lab.training.backend import use_backend

    use_backend("tensorflow")
    model = seeded_network(args.network, args.size)
    import numpy as np
    import torch

    from torch_networks import open_torch_network, to_torch

    net = open_torch_network(model, args.threads)
    inputs, mask = random_inputs(args.network, args.batch, args.size)
    inputs = [to_torch(array) for array in inputs]
    mask = torch.tensor(mask).permute(0, 3, 1, 2)
    optimizer = torch.optim.Adam(net.parameters(), 1e-4, eps=1e-7)

    def predict():
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            return net(*inputs)

    def train():
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            p = net(*inputs)
        loss = 1 - (2 * (mask * p).sum() + 1) / (mask.sum() + p.sum() + 1)
        loss.backward()
        optimizer.step()

    probability = np.asarray(predict())[:, 0]
    times = {"predict": median_time(predict, args.steps), "train": median_time(train, args.steps)}
    return times, probability, "bfloat16 autocast"


def measure_one(args):
    """Measure one contestant in this process and print it as JSON; its probabilities go to a file."""
    import numpy as np

    measured = measure_torch(args) if args.one.startswith("torch") else measure_keras(args.one, args)
    times, probability, precision = measured
    np.save(args.probability, probability, allow_pickle=False)
    print(json.dumps({**times, "precision": precision}))


def start_one(contestant, network, args):
    """Measure one contestant in a new process: its times and precision, and its probabilities."""
    import numpy as np

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p.npy"
        options = [f"--{name}={getattr(args, name)}" for name in ("steps", "batch", "size", "threads")]
        command = [sys.executable, __file__, "--one", contestant, "--network", network, *options]
        process = subprocess.run([*command, "--probability", str(path)], capture_output=True, text=True, check=False)
        if process.returncode:
            sys.exit(f"{contestant} failed:\n{process.stderr[-2000:]}")
        return json.loads(process.stdout.strip().splitlines()[-1]), np.load(path, allow_pickle=False)


def compare(network, contestants, args):
    """Measure all contestants on one network in turn, and print the table."""
    import numpy as np

    times = {contestant: {kind: [] for kind in KINDS} for contestant in contestants}
    probability, precision = {}, {}
    for _ in range(args.rounds):
        for contestant in contestants:
            result, probability[contestant] = start_one(contestant, network, args)
            precision[contestant] = result["precision"]
            for kind in KINDS:
                times[contestant][kind].append(result[kind] / args.batch * 1e3)
    print(f"\n{network}, batch {args.batch}, {args.size} x {args.size}, {args.threads} threads, ms an image")
    print(f"{'':<16}{'precision':<18}{'train':>8}{'x salus':>9}{'predict':>9}{'x salus':>9}{'difference':>12}")
    median = {c: {kind: statistics.median(values) for kind, values in kinds.items()} for c, kinds in times.items()}
    for c in contestants:
        difference = float(np.abs(probability[c] - probability[contestants[-1]]).max())
        ratios = {kind: median[c][kind] / median["salus"][kind] for kind in KINDS}
        print(
            f"{c:<16}{precision[c]:<18}{median[c]['train']:>8.1f}{ratios['train']:>8.2f}x"
            f"{median[c]['predict']:>9.1f}{ratios['predict']:>8.2f}x{difference:>12.1e}"
        )


def main() -> None:
    """Read the command line and compare the contestants."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("rounds", 3), ("steps", 6), ("batch", 4), ("size", 256), ("threads", os.cpu_count() or 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--networks", default="unet,sa-unet")
    parser.add_argument("--contestants", default=",".join(CONTESTANTS), help="salus is the one that ratios refer to")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--network", help=argparse.SUPPRESS)
    parser.add_argument("--probability", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        measure_one(args)
        return
    contestants = args.contestants.split(",")
    if not importlib.util.find_spec("torch"):
        contestants = [contestant for contestant in contestants if not contestant.startswith("torch")]
    for network in args.networks.split(","):
        compare(network, contestants, args)


if __name__ == "__main__":
    main()
