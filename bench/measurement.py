"""Shared by the scripts of this folder: networks and inputs that are equal for all, timing, and output of tables."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from salus.segmentation.network import NetworkSettings

TIME_LIMIT = 1800
"""Seconds after which a process is ended."""

LAUNCHER = """
import json, resource, subprocess, sys, time
begin = time.perf_counter()
try:
    done = subprocess.run(sys.argv[2:], stdout=-3, stderr=-1, text=True, timeout=float(sys.argv[1]))
    code, errors = done.returncode, done.stderr[-500:]
except subprocess.TimeoutExpired:
    code, errors = "a kill", "it took too long"
spent, used = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
processor = used.ru_utime + used.ru_stime
print(json.dumps({"code": code, "errors": errors, "s": spent, "processor": processor, "peak": used.ru_maxrss / 1024}))
"""
"""A small process that starts the measured one: Linux counts the memory of the parent in the child's peak."""


def time_process(command: list[str], limit: float = TIME_LIMIT) -> tuple[float, float, float]:
    """Run a process, which must succeed: its seconds, its processor seconds, and its peak memory in MB."""
    launched = subprocess.run(
        [sys.executable, "-c", LAUNCHER, str(limit), *command], capture_output=True, text=True, check=True
    )
    result = json.loads(launched.stdout)
    if result["code"]:
        raise SystemExit(
            f"{' '.join(command)} ended with {result['code']} after {result['s']:.0f} s: {result['errors']}"
        )
    return result["s"], result["processor"], result["peak"]


def time_calls(call: Callable[[], object], calls: int) -> list[float]:
    """Time calls of a function one by one, in seconds."""
    seconds = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return seconds


def median_time(call: Callable[[], object], calls: int) -> float:
    """Return the median seconds of a call, after two calls to warm up."""
    return statistics.median(time_calls(call, calls + 2)[2:])


def print_report(text: str, output: Path | None) -> None:
    """Print a report, and write it to a file if one is given."""
    print(text)
    if output:
        output.write_text(text, encoding="utf-8")


def count_passes(settings: NetworkSettings) -> int:
    """Count the passes of the network for an image without a prompt: the image, its mirror image, the second look."""
    return 1 + settings.tta + (settings.tta and settings.refine)


def random_inputs(network: str, batch: int, size: int):
    """Make the same random inputs and masks for all methods: [image] or [image, saliency], and mask, (b, s, s, 1)."""
    import numpy as np

    rng = np.random.default_rng(0)
    image, saliency = rng.random((2, batch, size, size, 1), np.float32)
    mask = (image > 0.8).astype(np.float32)
    return ([image, saliency] if network == "sa-unet" else [image]), mask


def seeded_network(network: str, size: int):
    """Build a Salus network with seeded weights, which every method starts from."""
    import keras

    from salus.lab.networks.registry import build_network

    keras.utils.set_random_seed(0)
    return build_network(network, size)


def use_plain_keras() -> None:
    """Let Keras run on TensorFlow without the settings of `use_backend` (oneDNN), as the originals do."""
    os.environ["KERAS_BACKEND"] = "tensorflow"


def released_network(network: str, size: int):
    """Build the authors' graph with seeded weights."""
    from salus.lab.export.import_keras import to_released_graph

    return to_released_graph(seeded_network(network, size), network, size)
