"""Time one image through Salus's network, through a U-Net with the same encoder, and through nnU-Net v2.

    python bench/segment_others.py [--threads 2] [--rounds 3] [--calls 20] [--contestants A,B] [-o FILE]

Two tables. The network alone, on one input of the shipped network's size: the shipped network, and the U-Net of
segmentation_models_pytorch with the encoder EfficientNet-Lite0, by four engines. A whole image, from grey values to a
mask: Salus with all its passes and with one, and nnU-Net v2's 2D prediction, whose network is the one that nnU-Net's
own planner chooses for images of that size; a second time for images of the shipped network's size. Weights of the
others are untrained: they do not change the time.

Each contestant runs in a process of its own, all in turn for some rounds. "Clock" is the median time of a call,
"processor" the shortest processor time of all threads, which others on the machine disturb less; both as medians of the
rounds, with their range. Needs pip install -r bench/requirements-others.txt.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from measurement import count_passes, print_report
from salus.data.phantom.make import make_phantom
from salus.processor import processor_cores, processor_name

ENCODER = "timm-tf_efficientnet_lite0"
"""The shipped network's encoder, as segmentation_models_pytorch names it."""

NETWORKS = {
    "salus-pass": "Salus, OpenVINO, float32",
    "salus-pass-bfloat16": "Salus, OpenVINO, bfloat16",
    "salus-pass-onnxruntime": "Salus, ONNX Runtime, float32",
    "unet-eager": "U-Net, PyTorch, float32",
    "unet-compiled": "U-Net, PyTorch compiled, float32",
    "unet-onnxruntime": "U-Net, ONNX Runtime, float32",
    "unet-openvino": "U-Net, OpenVINO, float32",
    "unet-openvino-bfloat16": "U-Net, OpenVINO, bfloat16",
}
WHOLE = {
    "salus": "Salus as shipped, float32",
    "salus-bfloat16": "Salus as shipped, bfloat16",
    "salus-one": "Salus, one pass, float32",
    "nnunet": "nnU-Net v2, 4 mirrorings",
    "nnunet-one": "nnU-Net v2, not mirrored",
    "nnunet-small": "nnU-Net v2, 4 mirrorings, image of the network's size",
    "nnunet-small-one": "nnU-Net v2, not mirrored, image of the network's size",
}
"""Contestants, with their names in the tables; the first of each table is what the others are compared with."""

SMALL = 192
"""Height and width of the shipped network's input."""

PLANNED = 24
"""Phantoms of the data set that nnU-Net plans for."""

Call = Callable[[], object]


def open_salus(name: str, threads: int) -> tuple[Call, float]:
    """Return a call of Salus, and the GFLOP of a pass."""
    from salus import Segmenter

    precision = "bfloat16" if name.endswith("bfloat16") else "float32"
    engine = "onnxruntime" if name.endswith("onnxruntime") else "openvino"
    one = name.startswith("salus-pass") or name == "salus-one"
    segmenter = Segmenter(threads=threads, precision=precision, engine=engine, tta=False if one else None)
    if name.startswith("salus-pass"):
        inputs = {port: random_image() for port in segmenter.network.inputs}
        return lambda: segmenter.network.run(inputs), count_gflop(segmenter.path)
    image = make_phantom(0).image
    return lambda: segmenter(image), count_gflop(segmenter.path) * (1 if one else count_passes(segmenter.settings))


def random_image() -> np.ndarray:
    """Make one input of the network: (1, s, s, 1) float32 in [0, 1]."""
    return np.random.default_rng(0).random((1, SMALL, SMALL, 1), np.float32)


def count_gflop(path: Path) -> float:
    """Count the GFLOP of the convolutions and matrix products of a network's file, for one image."""
    import openvino

    model = openvino.Core().read_model(path)
    model.reshape({port.any_name: [1, SMALL, SMALL, 1] for port in model.inputs})
    total = 0
    for operation in model.get_ordered_ops():
        if operation.get_type_name() in ("Convolution", "GroupConvolution", "MatMul"):
            weights, outputs = operation.input(1).get_shape(), operation.output(0).get_shape()
            channels = outputs[1]
            total += 2 * int(np.prod(outputs)) * int(np.prod(weights)) // channels
    return total / 1e9


def open_unet(name: str, threads: int) -> tuple[Call, float]:
    """Return a call of the U-Net of segmentation_models_pytorch, and its GFLOP."""
    import segmentation_models_pytorch as smp
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = smp.Unet(ENCODER, encoder_weights=None, in_channels=1, classes=1, activation="sigmoid").eval()
    image = torch.from_numpy(random_image()).permute(0, 3, 1, 2).contiguous()
    gflop = count_torch_gflop(model, image)
    if name in ("unet-eager", "unet-compiled"):
        run = torch.compile(model) if name == "unet-compiled" else model

        def call() -> object:
            with torch.inference_mode():
                return run(image)

        return call, gflop
    from salus.engine import open_network

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        path = Path(folder) / "unet.onnx"
        torch.onnx.export(model, (image,), path, input_names=["image"], output_names=["probability"], dynamo=True)
        network = open_network(
            path,
            "openvino" if "openvino" in name else "onnxruntime",
            threads=threads,
            precision="bfloat16" if name.endswith("bfloat16") else "float32",
        )
        values = {"image": image.numpy()}
        network.run(values)
    return lambda: network.run(values), gflop


def count_torch_gflop(model: Any, image: Any) -> float:
    """Count the GFLOP of a PyTorch network for one input."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(image)
    return counter.get_total_flops() / 1e9


def open_nnunet(name: str, threads: int) -> tuple[Call, float]:
    """Return a call of nnU-Net's prediction of one image, and the GFLOP of its passes."""
    size = (SMALL, SMALL) if "small" in name else None
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {f"nnUNet_{part}": f"{folder}/{part}" for part in ("raw", "preprocessed", "results")}
        plans, data = plan_nnunet(Path(folder), size)
    import torch
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
    from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
    from nnunetv2.utilities.plans_handling.plans_handler import PlansManager

    torch.set_num_threads(threads)
    manager = PlansManager(plans)
    flat = manager.get_configuration("2d")
    network = get_network_from_plans(
        flat.network_arch_class_name,
        flat.network_arch_init_kwargs,
        flat.network_arch_init_kwargs_req_import,
        1,
        2,
        allow_init=True,
        deep_supervision=False,
    ).eval()
    mirrored = not name.endswith("-one")
    predictor = nnUNetPredictor(
        use_mirroring=mirrored, perform_everything_on_device=False, device=torch.device("cpu"), allow_tqdm=False
    )
    predictor.manual_initialization(
        network, manager, flat, [network.state_dict()], data, "nnUNetTrainer", inference_allowed_mirroring_axes=(0, 1)
    )
    image = make_phantom(0, size=size).image[None, None].astype(np.float32)
    print(f"{name}: patch {flat.patch_size}, image {image.shape[2:]}", file=sys.stderr)
    gflop = count_torch_gflop(network, torch.zeros(1, 1, *flat.patch_size))
    return lambda: predictor.predict_single_npy_array(image, {"spacing": (999, 1, 1)}), gflop * (4 if mirrored else 1)


def plan_nnunet(folder: Path, size: tuple[int, int] | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """Let nnU-Net plan for a data set of phantoms; return its plans and the data set's description."""
    from PIL import Image

    data = {
        "channel_names": {"0": "ultrasound"},
        "labels": {"background": 0, "tumour": 1},
        "numTraining": PLANNED,
        "file_ending": ".png",
    }
    raw = folder / "raw" / "Dataset001_Phantoms"
    for part in ("imagesTr", "labelsTr"):
        (raw / part).mkdir(parents=True)
    for i in range(PLANNED):
        phantom = make_phantom(i, size=size)
        Image.fromarray(phantom.image).save(raw / "imagesTr" / f"p{i:03}_0000.png")
        Image.fromarray(phantom.mask.astype(np.uint8)).save(raw / "labelsTr" / f"p{i:03}.png")
    (raw / "dataset.json").write_text(json.dumps(data))
    from nnunetv2.experiment_planning.plan_and_preprocess_api import extract_fingerprints, plan_experiments

    extract_fingerprints([1], num_processes=1, verbose=False)
    plan_experiments([1])
    plans = folder / "preprocessed" / "Dataset001_Phantoms" / "nnUNetPlans.json"
    return json.loads(plans.read_text()), data


def measure_one(name: str, threads: int, calls: int) -> None:
    """Measure one contestant in this process, and print its times in ms as JSON."""
    with contextlib.redirect_stdout(sys.stderr):
        opener = open_salus if name.startswith("salus") else open_unet if name.startswith("unet") else open_nnunet
        call, gflop = opener(name, threads)
        for _ in range(1 if name.startswith("nnunet") else 3):
            call()
        clock, processor = [], []
        for _ in range(calls if not name.startswith("nnunet") else max(2, calls // 5)):
            start, used = time.perf_counter(), time.process_time()
            call()
            processor.append(1e3 * (time.process_time() - used))
            clock.append(1e3 * (time.perf_counter() - start))
    print(json.dumps({"clock": statistics.median(clock), "processor": min(processor), "gflop": gflop}))


def start_one(name: str, args: argparse.Namespace) -> dict[str, float]:
    """Measure one contestant in a new process."""
    command = [sys.executable, __file__, "--one", name, f"--threads={args.threads}", f"--calls={args.calls}"]
    environment = os.environ | {"OMP_NUM_THREADS": str(args.threads)}
    process = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if process.returncode:
        raise SystemExit(f"{name} failed:\n{process.stderr[-3000:]}")
    result: dict[str, float] = json.loads(process.stdout.strip().splitlines()[-1])
    return result


def table(names: dict[str, str], results: dict[str, list[dict[str, float]]]) -> list[str]:
    """Make the table of some contestants: medians over the rounds, ranges, and ratios to the first."""
    lines = [
        "| | clock, ms | from – to | as long as Salus | processor, ms | from – to | as long as Salus | GFLOP |",
        "|---|---|---|---|---|---|---|---|",
    ]
    first: dict[str, float] = {}
    for name, title in names.items():
        if name not in results:
            continue
        cells = [title]
        for kind in ("clock", "processor"):
            values = [result[kind] for result in results[name]]
            middle = statistics.median(values)
            first.setdefault(kind, middle)
            cells += [f"{middle:.1f}", f"{min(values):.1f} – {max(values):.1f}", f"{middle / first[kind]:.2f}"]
        lines.append("| " + " | ".join([*cells, f"{results[name][0]['gflop']:.2f}"]) + " |")
    return lines


def main() -> None:
    """Read the command line, measure all contestants in turn, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=processor_cores())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=20, help="of a contestant in a round; a fifth of them of nnU-Net")
    parser.add_argument("--contestants", default=",".join([*NETWORKS, *WHOLE]))
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", type=Path, help="write the tables here, as Markdown")
    args = parser.parse_args()
    if args.one:
        measure_one(args.one, args.threads, args.calls)
        return
    results: dict[str, list[dict[str, float]]] = {name: [] for name in args.contestants.split(",")}
    for _ in range(args.rounds):
        for name in results:
            results[name].append(start_one(name, args))
            print(name, results[name][-1], file=sys.stderr, flush=True)
    lines = [f"{processor_name()}, {args.threads} threads, {args.rounds} rounds in turn.", ""]
    lines += [*table(NETWORKS, results), "", *table(WHOLE, results), ""]
    print_report("\n".join(lines), args.output)


if __name__ == "__main__":
    main()
