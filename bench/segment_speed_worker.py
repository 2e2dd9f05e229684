"""A process of segment_speed.py: it runs one contestant or one job, and prints its results as lines of JSON."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from itertools import pairwise
from pathlib import Path

from measurement import random_inputs, released_network, seeded_network, time_calls, use_plain_keras

GEMM = "gemm"
"""The contestant that measures the peak of the processor: a chain of matrix products."""

SIZE, PRODUCTS, SIDE = 256, 4, 2048
PUBLISHED, PEAK = "published.onnx", "gemm.onnx"


def prepare(folder: Path, threads: int) -> dict:
    """Export the published network with seeded weights, and the matrix products; return their arithmetic in GFLOP."""
    from salus.lab.training.backend import set_up, use_backend

    use_backend("tensorflow")
    set_up(0, "float32", threads)
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    from salus.lab.networks.flops import flops
    from salus.lab.networks.store import Card, export_network

    model = seeded_network("sa-unet", SIZE)
    export_network(model, Card("sa-unet", SIZE, 0.5, True, "random"), folder / PUBLISHED)
    matrix = np.random.default_rng(0).standard_normal((SIDE, SIDE), np.float32) / np.float32(SIDE**0.5)
    nodes = [helper.make_node("MatMul", [f"x{i}", "w"], [f"x{i + 1}"]) for i in range(PRODUCTS)]
    ends = [helper.make_tensor_value_info(f"x{i}", 1, [SIDE, SIDE]) for i in (0, PRODUCTS)]
    graph = helper.make_graph(nodes, "gemm", ends[:1], ends[1:], [numpy_helper.from_array(matrix, "w")])
    gemm = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(gemm, folder / PEAK)
    return {"network": flops(model) / 1e9, GEMM: PRODUCTS * 2 * SIDE**3 / 1e9}


def make_call(name: str, folder: Path, threads: int):
    """Make the function that runs one contestant once and returns its output."""
    kind, precision = name.split("-")[0], name.split("-")[-1]
    inputs, _ = random_inputs("sa-unet", 1, SIZE)
    if kind == "keras":
        from salus.lab.training.backend import set_up

        use_plain_keras()
        set_up(0, "mixed_bfloat16" if precision == "bfloat16" else "float32", threads)
        model = released_network("sa-unet", SIZE)
        return (lambda: model.predict_on_batch(inputs)) if "batch" in name else lambda: model.predict(inputs, verbose=0)
    if kind == "torch":
        return make_torch_call(inputs, precision, threads)
    from salus.engine import open_network

    if kind == GEMM:
        import numpy as np

        network = open_network(folder / PEAK, "openvino", threads=threads, precision="bfloat16")
        values = {"x0": np.random.default_rng(1).standard_normal((SIDE, SIDE), np.float32)}
    else:
        network = open_network(folder / PUBLISHED, kind, threads=threads, precision=precision)
        values = dict(zip(network.inputs, inputs, strict=True))
    return lambda: next(iter(network.run(values).values()))


def make_torch_call(inputs, precision: str, threads: int):
    """Make the function that runs PyTorch with the weights of a Salus network."""
    from salus.lab.training.backend import use_backend

    use_backend("tensorflow")
    model = seeded_network("sa-unet", SIZE)
    import torch

    from torch_networks import open_torch_network, to_torch

    net = open_torch_network(model, threads)
    tensors = [to_torch(array) for array in inputs]

    def call():
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            return net(*tensors).float().permute(0, 2, 3, 1).numpy()

    return call


def pipeline(network: str, image: str, steps: int, threads: int) -> dict:
    """Measure the median ms of each part of a call of `Segmenter`, by precision; one pass is of the network alone."""
    from salus.read.inputs import as_scan
    from salus.segmentation.network import predict
    from salus.segmentation.segmenter import Segmenter

    medians = {}
    for precision in ("float32", "bfloat16"):
        segmenter = Segmenter(network, precision=precision, threads=threads)
        rows = []
        for _ in range(steps + 3):
            at = [time.perf_counter()]
            scan = as_scan(image)
            at.append(time.perf_counter())
            prepared = segmenter.prepare(scan)
            at.append(time.perf_counter())
            segmenter.segment_prepared(prepared)
            at.append(time.perf_counter())
            predict(segmenter.network, prepared.inputs[0][None], tta=False)
            spent = [1e3 * (b - a) for a, b in pairwise([*at, time.perf_counter()])]
            rows.append([*spent[:3], sum(spent[:3]), spent[3]])
        names = ("read file", "prepare", "infer and read outputs", "whole", "one pass of the network")
        parts = zip(names, zip(*rows[3:], strict=True), strict=True)
        medians[precision] = {part: statistics.median(values) for part, values in parts}
    return medians


def work(args: argparse.Namespace) -> None:
    """Do one job; or run a contestant whenever a line comes in."""
    if args.worker == "prepare":
        print(json.dumps(prepare(args.folder, args.threads)), flush=True)
    elif args.worker == "pipeline":
        print(json.dumps(pipeline(args.network, args.image, args.steps, args.threads)), flush=True)
    else:
        import numpy as np

        call = make_call(args.worker, args.folder, args.threads)
        for _ in range(2):
            output = call()
        np.save(args.folder / f"{args.worker}.npy", np.asarray(output, np.float32), allow_pickle=False)
        print("{}", flush=True)
        for _ in sys.stdin:
            print(json.dumps({"ms": [1e3 * s for s in time_calls(call, args.steps)]}), flush=True)


def main() -> None:
    """Read the command line and do the work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("worker", help="prepare, pipeline, or a contestant")
    parser.add_argument("--folder", type=Path, required=True, help="where prepared files lie")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True, help="calls each time")
    parser.add_argument("--network", help="of the pipeline")
    parser.add_argument("--image", help="of the pipeline")
    work(parser.parse_args())


if __name__ == "__main__":
    main()
