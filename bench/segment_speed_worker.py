"""The processes of segment_speed.py: one is a contestant, or does one job, and answers in lines of JSON."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from itertools import pairwise
from pathlib import Path

GEMM = "gemm"
"""The contestant that shows the processor's peak."""

SIZE, PRODUCTS, SIDE = 256, 4, 2048
PUBLISHED, PEAK = "published.onnx", "gemm.onnx"


def prepare(folder: Path, threads: int) -> dict:
    """Export the published network with seeded weights, and the matrix products; their arithmetic in GFLOP."""
    from networks import initial_weights
    from salus.lab.training.backend import set_up, use_backend

    use_backend("tensorflow")
    set_up(0, "float32", threads)
    import numpy as np
    import onnx
    from onnx import helper, numpy_helper

    from salus.lab.networks.flops import flops
    from salus.lab.networks.store import Card, export_onnx

    model, _ = initial_weights("sa-unet", SIZE)
    export_onnx(model, Card("sa-unet", SIZE, 0.5, True, "random"), folder / PUBLISHED)
    matrix = np.random.default_rng(0).standard_normal((SIDE, SIDE), np.float32) / np.float32(SIDE**0.5)
    nodes = [helper.make_node("MatMul", [f"x{i}", "w"], [f"x{i + 1}"]) for i in range(PRODUCTS)]
    ends = [helper.make_tensor_value_info(f"x{i}", 1, [SIDE, SIDE]) for i in (0, PRODUCTS)]
    graph = helper.make_graph(nodes, "gemm", ends[:1], ends[1:], [numpy_helper.from_array(matrix, "w")])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(made, folder / PEAK)
    return {"network": flops(model) / 1e9, GEMM: PRODUCTS * 2 * SIDE**3 / 1e9}


def caller(name: str, folder: Path, threads: int):
    """A function that runs one contestant once and returns its output."""
    from networks import inputs

    kind, precision = name.split("-")[0], name.split("-")[-1]
    given, _ = inputs("sa-unet", 1, SIZE)
    if kind == "keras":
        from networks import initial_weights, keras_as_it_comes
        from salus.lab.training.backend import set_up

        keras_as_it_comes()
        set_up(0, "mixed_bfloat16" if precision == "bfloat16" else "float32", threads)
        from salus.lab.export.import_keras import as_released

        model = as_released(initial_weights("sa-unet", SIZE)[0], "sa-unet", SIZE)
        return (lambda: model.predict_on_batch(given)) if "batch" in name else lambda: model.predict(given, verbose=0)
    if kind == "torch":
        return torch_caller(given, precision, threads)
    from salus.engine import open_network

    if kind == GEMM:
        import numpy as np

        network = open_network(folder / PEAK, "openvino", threads=threads, precision="bfloat16")
        values = {"x0": np.random.default_rng(1).standard_normal((SIDE, SIDE), np.float32)}
    else:
        network = open_network(folder / PUBLISHED, kind, threads=threads, precision=precision)
        values = dict(zip(network.inputs, given, strict=True))
    return lambda: next(iter(network.run(values).values()))


def torch_caller(given, precision: str, threads: int):
    """PyTorch with the weights of a Salus network."""
    from networks import initial_weights
    from salus.lab.training.backend import use_backend

    use_backend("tensorflow")
    _, weights = initial_weights("sa-unet", SIZE)
    import torch

    from torch_networks import Net

    torch.set_num_threads(threads)
    net = Net({n: (w[0], w[1]) for n, w in weights.items()}, True).to(memory_format=torch.channels_last)
    tensors = [torch.tensor(x).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last) for x in given]

    def call():
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            return net(*tensors).float().permute(0, 2, 3, 1).numpy()

    return call


def pipeline(network: str, image: str, steps: int, threads: int) -> dict:
    """Median ms of each part of a call of `Segmenter`, by precision."""
    from salus.read.inputs import as_scan
    from salus.segmentation.network import ask
    from salus.segmentation.segmenter import Segmenter

    found = {}
    for precision in ("float32", "bfloat16"):
        segmenter = Segmenter(network, precision=precision, threads=threads)
        rows = []
        for _ in range(steps + 3):
            at = [time.perf_counter()]
            scan = as_scan(image)
            at.append(time.perf_counter())
            prepared = segmenter._prepare(scan.pixels)[None]
            at.append(time.perf_counter())
            raw = ask(segmenter.network, prepared, segmenter.tta)
            at.append(time.perf_counter())
            segmenter._conclude(scan, [segmenter._read(scan.parts[0], scan.pixels, raw)])
            at.append(time.perf_counter())
            rows.append([1e3 * (b - a) for a, b in pairwise(at)] + [1e3 * (at[-1] - at[0])])
        parts = zip(
            ("read file", "prepare", "infer", "read outputs", "whole"), zip(*rows[3:], strict=True), strict=True
        )
        found[precision] = {part: statistics.median(values) for part, values in parts}
    return found


def work(asked: argparse.Namespace) -> None:
    """One job; or a contestant, run whenever a line comes in."""
    if asked.worker == "prepare":
        print(json.dumps(prepare(asked.folder, asked.threads)), flush=True)
    elif asked.worker == "pipeline":
        print(json.dumps(pipeline(asked.network, asked.image, asked.steps, asked.threads)), flush=True)
    else:
        import numpy as np

        call = caller(asked.worker, asked.folder, asked.threads)
        for _ in range(2):
            output = call()
        np.save(asked.folder / f"{asked.worker}.npy", np.asarray(output, np.float32), allow_pickle=False)
        print("{}", flush=True)
        for _ in sys.stdin:
            times = []
            for _ in range(asked.steps):
                begin = time.perf_counter()
                call()
                times.append(1e3 * (time.perf_counter() - begin))
            print(json.dumps({"ms": times}), flush=True)


def main() -> None:
    """Read what to do and do it."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("worker", help="prepare, pipeline, or a contestant")
    p.add_argument("--folder", type=Path, required=True, help="where prepared files lie")
    p.add_argument("--threads", type=int, required=True)
    p.add_argument("--steps", type=int, required=True, help="calls each time")
    p.add_argument("--network", help="of the pipeline")
    p.add_argument("--image", help="of the pipeline")
    work(p.parse_args())


if __name__ == "__main__":
    main()
