"""Measure what is slow in a step of `salus train` on a processor: its parts, and oneDNN's kernels.

    python bench/train_step.py [--size 192] [--batch 16] [--steps 5] [--threads 2]

The parts are given in processor time, which a busy machine changes little: making a batch (which a thread does beside
the steps), the forward pass, the losses and gradients with it, and the whole step with the optimiser. The kernels are
what oneDNN reports of its convolutions in further steps (ONEDNN_VERBOSE), in time on the clock; the rest of a step is
TensorFlow's own.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable

KERNELS = "--kernels"


def processor_ms(call: Callable[[], object], calls: int) -> float:
    """Return the median processor time of a call in ms, all threads together, after one call to warm up."""
    spent = []
    for _ in range(calls + 1):
        start = time.process_time()
        call()
        spent.append(1e3 * (time.process_time() - start))
    return statistics.median(spent[1:])


def prepare(args: argparse.Namespace):
    """Build and compile the network of `salus train`; return it and a function that makes the batch of a step."""
    from salus.lab.training.backend import set_up, use_backend

    use_backend("tensorflow")
    set_up(1, "float32", args.threads)
    from dataclasses import replace

    import numpy as np

    from salus.lab.networks.promptable_net import promptable_net
    from salus.lab.segmentation.recipe import SegmentationRecipe
    from salus.lab.segmentation.samples import sample_batch, to_inputs_and_targets
    from salus.lab.segmentation.train import compile_segmenter

    recipe = replace(SegmentationRecipe(), size=args.size, batch=args.batch)
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (40, args.size, args.size)).astype(np.uint8)
    masks = np.zeros(images.shape, bool)
    masks[:, args.size // 3 : args.size // 2, args.size // 3 : args.size // 2] = True
    lesion = masks.any(axis=(1, 2))
    model = promptable_net(recipe.size, None, recipe.dropout)
    compile_segmenter(model, recipe, recipe.steps)
    return model, lambda step: to_inputs_and_targets(sample_batch(images, masks, lesion, recipe, step))


def measure_parts(args: argparse.Namespace) -> dict[str, float]:
    """Measure the processor time of the parts of a step, in ms."""
    model, make_batch = prepare(args)
    import tensorflow as tf

    inputs, targets = make_batch(0)
    tensors = {name: tf.constant(values) for name, values in inputs.items()}

    @tf.function
    def forward():
        return model(tensors, training=True)

    @tf.function
    def gradients():
        with tf.GradientTape() as tape:
            outputs = model(tensors, training=True)
            loss = model.compute_loss(tensors, targets, outputs, None)
        return tape.gradient(loss, [variable.value for variable in model.trainable_variables])

    steps = iter(range(10**6))
    return {
        "making a batch": processor_ms(lambda: make_batch(next(steps)), args.steps),
        "forward": processor_ms(forward, args.steps),
        "forward, losses and gradients": processor_ms(gradients, args.steps),
        "whole step": processor_ms(lambda: model.train_on_batch(inputs, targets), args.steps),
    }


def sum_kernels(text: str, steps: int) -> list[tuple[str, float]]:
    """Sum up oneDNN's report: ms a step for each kind of kernel, the slowest first.

    Args:
        text: lines "onednn_verbose,...,exec,cpu,KIND,KERNEL,DIRECTION,...,PROBLEM,MS", among others.
        steps: number of steps that the lines are of.
    """
    spent: dict[str, float] = defaultdict(float)
    for line in text.splitlines():
        parts = line.split(",")
        if line.startswith("onednn_verbose") and "exec" in parts:
            kind, _, direction = parts[parts.index("exec") + 2 :][:3]
            depthwise = re.search(r"(^|_)g\d", parts[-2]) is not None
            name = {"undef": ""}.get(direction, direction.replace("_", " "))
            spent[f"{'depthwise ' * depthwise}{kind} {name}".strip()] += float(parts[-1]) / steps
    return sorted(spent.items(), key=lambda item: -item[1])


def run_kernels(args: argparse.Namespace) -> None:
    """Run steps that oneDNN reports, after one that builds the kernels; a line parts them."""
    model, make_batch = prepare(args)
    inputs, targets = make_batch(0)
    model.train_on_batch(inputs, targets)
    print("measured", flush=True)
    start = time.perf_counter()
    for _ in range(args.steps):
        model.train_on_batch(inputs, targets)
    print(f"clock {1e3 * (time.perf_counter() - start) / args.steps}", flush=True)


def main() -> None:
    """Read the command line, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("size", 192), ("batch", 16), ("steps", 5), ("threads", os.cpu_count() or 1)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument(KERNELS, action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.kernels:
        run_kernels(args)
        return
    print(f"batch {args.batch}, {args.size} x {args.size}, {args.threads} threads")
    print("\nprocessor time, ms a step")
    for name, ms in measure_parts(args).items():
        print(f"  {ms:8.1f}  {name}")
    done = subprocess.run(
        [sys.executable, *sys.argv, KERNELS],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "ONEDNN_VERBOSE": "1", "TF_CPP_MAX_VLOG_LEVEL": "0"},
    )
    text = done.stdout.partition("\nmeasured\n")[2]
    clock = next(float(line.split()[1]) for line in text.splitlines() if line.startswith("clock"))
    print("\noneDNN's kernels, ms a step on the clock")
    kernels = sum_kernels(text, args.steps)
    for name, ms in kernels:
        print(f"  {ms:8.1f}  {name}")
    print(f"  {sum(ms for _, ms in kernels):8.1f}  together, of {clock:.1f} ms a step")


if __name__ == "__main__":
    main()
