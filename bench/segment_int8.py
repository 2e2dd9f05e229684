"""Quantise a network of `salus segment` to int8 by OpenVINO's NNCF, and compare it with float32 and bfloat16.

    python bench/segment_int8.py IMAGES [--network FILE] [--held-out FILE=DATA ...] [--cases 120] [--rounds 12]
                                 [--only NAME,NAME] [-o FILE]

IMAGES is a folder of images that no network here was trained on: every third is judged, the others calibrate. Each
--held-out names a network and a labelled data set that it was not trained on; it is quantised in the same way and its
outlines are compared with the truth. Needs NNCF: pip install -r bench/requirements-nncf.txt.

Calibration images go in with their mirror images, half without a prompt and half with the network's own answer as the
map, as `salus segment` runs it. Times are processor time on one thread, the shortest of several rounds in turn, so that
others on the machine count little: "one pass" is one image through the network, "as shipped" all passes of an image.
"""

from __future__ import annotations

import argparse
import logging
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from measurement import print_report
from salus.data.layouts import read_data_set
from salus.data.phantom.make import make_phantom
from salus.processor import processor_name
from salus.read.find import find_images
from salus.segmentation.network import predict
from salus.segmentation.segmenter import Segmenter

CALIBRATION = 32
"""Images that a network is calibrated on; each gives four inputs."""

ATTENTION, ENDS = r"attention", r"stem_|logit|saliency|whitened|mean_square|context|presence"
"""Parts of a network by the names of its layers, as regular expressions."""

HELD, NEAR = 0.998, 0.002
"""The mark: the least mean Dice to float32, or the largest loss of Dice to the truth."""


@dataclass(frozen=True)
class Variant:
    """A way to quantise.

    Attributes:
        name: for the table.
        images: calibrate on the images; else on phantoms.
        preset: of NNCF; "mixed" takes asymmetric ranges for activations that can be negative.
        spared: layers that stay in float32, a regular expression.
        weights_only: weights are stored as int8 and computed in float32.
        rest: precision of what is not quantised.
    """

    name: str
    images: bool = True
    preset: str = "mixed"
    spared: str = ""
    weights_only: bool = False
    rest: str = "float32"


VARIANTS = (
    Variant("int8, phantoms", images=False),
    Variant("int8", preset="performance"),
    Variant("int8, mixed"),
    Variant("int8, mixed, attention in float32", spared=ATTENTION),
    Variant("int8, mixed, first and last layers in float32", spared=ENDS),
    Variant("int8, mixed, attention, first and last layers in float32", spared=f"{ATTENTION}|{ENDS}"),
    Variant("int8, mixed, encoder alone", spared=rf"{ATTENTION}|{ENDS}|skip\d|deep\d|join\d|dec\d"),
    Variant("int8, mixed, the rest in bfloat16", spared=f"{ATTENTION}|{ENDS}", rest="bfloat16"),
    Variant("int8, weights alone", weights_only=True),
)


def calibration_inputs(segmenter: Segmenter, images: Sequence[Any]) -> list[dict[str, np.ndarray]]:
    """Make the inputs that a network is calibrated on: images and mirror images, each without and with a map."""
    inputs = []
    for image in images:
        for prepared in segmenter.prepare(image).inputs[:1]:
            batch = np.stack([prepared, prepared[:, ::-1]])
            zeros = np.zeros_like(batch)
            if not segmenter.takes_prompts:
                inputs.append({"image": batch})
                continue
            answer = segmenter.network.run({"image": batch, "prompt": zeros})["probability"]
            inputs += [{"image": batch, "prompt": zeros}, {"image": batch, "prompt": answer}]
    return inputs


def quantise(path: Path, variant: Variant, inputs: list[dict[str, np.ndarray]], out: Path) -> Path:
    """Quantise a network's file; return the new one."""
    import nncf
    import openvino

    nncf.set_log_level(logging.ERROR)
    model = openvino.Core().read_model(path)
    if variant.weights_only:
        model = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)
    else:
        model = nncf.quantize(
            model,
            nncf.Dataset(inputs),
            preset=nncf.QuantizationPreset(variant.preset),
            subset_size=len(inputs),
            ignored_scope=nncf.IgnoredScope(names=layers_named(model, variant.spared), validate=False),
        )
    openvino.save_model(model, out, compress_to_fp16=False)
    return out


def layers_named(model: Any, pattern: str) -> list[str]:
    """List the operations of a network whose name, or whose weights' name, has a part."""
    if not pattern:
        return []
    names = []
    for operation in model.get_ordered_ops():
        own = [operation.get_friendly_name()]
        if operation.get_type_name() not in ("Constant", "Parameter", "Result"):
            weights = [port.get_source_output().get_node() for port in operation.inputs()]
            own += [node.get_friendly_name() for node in weights if node.get_type_name() in ("Convert", "Constant")]
            own += [name for output in operation.outputs() for name in output.names]
            if any(re.search(pattern, name) for name in own):
                names.append(operation.get_friendly_name())
    return names


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Dice of two masks; 1 for two that are empty."""
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else 1.0


def outline_all(segmenter: Segmenter, images: Sequence[Any]) -> list[np.ndarray]:
    """Outline images; return their masks."""
    return [segmenter(image).mask for image in images]


def shortest_in_turn(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the shortest processor time of each call in ms; the calls take turns."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds + 1):
        for name, call in calls.items():
            start = time.process_time()
            call()
            times[name].append(1e3 * (time.process_time() - start))
    return {name: min(values[1:]) for name, values in times.items()}


def measure_times(segmenters: dict[str, Segmenter], rounds: int) -> dict[str, tuple[float, float]]:
    """Measure one pass and all passes of an image, in ms of processor time."""
    side = next(iter(segmenters.values())).settings.size
    image = np.random.default_rng(0).random((1, side, side, 1), np.float32)
    alone = {n: Segmenter(s.path, threads=1, precision=s.precision, tta=False) for n, s in segmenters.items()}
    one = {n: lambda s=s: predict(s.network, image, False) for n, s in alone.items()}
    all_ = {n: lambda s=s: predict(s.network, image, s.tta, refine=s.settings.refine) for n, s in segmenters.items()}
    ones, wholes = shortest_in_turn(one, rounds), shortest_in_turn(all_, rounds)
    return {name: (ones[name], wholes[name]) for name in segmenters}


def open_variants(
    path: Path | None, variants: Sequence[Variant], images: Sequence[Any], folder: Path
) -> dict[str, Segmenter]:
    """Open a network in float32 and bfloat16 and quantised in each way."""
    reference = Segmenter(path, threads=1)
    phantoms = [make_phantom(1000 + i).image for i in range(CALIBRATION)] if any(not v.images for v in variants) else []
    inputs = {True: calibration_inputs(reference, images), False: calibration_inputs(reference, phantoms)}
    segmenters = {"float32": reference, "bfloat16": Segmenter(path, threads=1, precision="bfloat16")}
    for i, variant in enumerate(variants):
        file = quantise(reference.path, variant, inputs[variant.images], folder / f"{i}.xml")
        segmenters[variant.name] = Segmenter(file, threads=1, precision=variant.rest)
        print(f"{variant.name}: {file.with_suffix('.bin').stat().st_size:,} bytes", flush=True)
    return segmenters


def table(
    times: dict[str, tuple[float, float]], near: dict[str, float], held: dict[str, dict[str, float]]
) -> list[str]:
    """Make the table: times, Dice to float32, and Dice to the truth of each data set left out."""
    first = times["float32"]
    lines = [
        "| | one pass, ms | times as fast | as shipped, ms | times as fast | Dice to float32 |"
        + "".join(f" {name}: Dice |" for name in held)
        + " mark |",
        "|---|---|---|---|---|---|" + "---|" * (len(held) + 1),
    ]
    for name, (one, whole) in times.items():
        losses = [scores["float32"] - scores[name] for scores in held.values()]
        met = near[name] >= HELD or (bool(losses) and max(losses) <= NEAR)
        lines.append(
            f"| {name} | {one:.1f} | {first[0] / one:.2f} | {whole:.1f} | {first[1] / whole:.2f} | {near[name]:.4f} |"
            + "".join(f" {scores[name]:.4f} |" for scores in held.values())
            + (" |" if name == "float32" else " met |" if met else " missed |")
        )
    return lines


def main() -> None:
    """Read the command line, quantise, measure, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", type=Path, help="folder of images that no network was trained on")
    parser.add_argument("--network", type=Path, help="an .onnx file of salus train (default: the shipped one)")
    parser.add_argument("--held-out", action="append", default=[], metavar="FILE=DATA")
    parser.add_argument("--cases", type=int, default=120, help="images with a tumour of each data set")
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--only", help="names of variants, with ; between them")
    parser.add_argument("-o", "--output", type=Path, help="write the table here, as Markdown")
    args = parser.parse_args()
    variants = [v for v in VARIANTS if not args.only or v.name in args.only.split(";")]
    files = find_images(args.images)
    judged = files[::3]
    calibrating = sorted(set(files) - set(judged))
    calibrating = calibrating[:: max(1, len(calibrating) // CALIBRATION)][:CALIBRATION]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        segmenters = open_variants(args.network, variants, calibrating, folder)
        times = measure_times(segmenters, args.rounds)
        masks = {name: outline_all(segmenter, judged) for name, segmenter in segmenters.items()}
        near = {
            name: float(np.mean([dice(a, b) for a, b in zip(found, masks["float32"], strict=True)]))
            for name, found in masks.items()
        }
        held = {}
        for pair in args.held_out:
            network, _, data = pair.partition("=")
            cases = [case for case in read_data_set(data).labelled if case.label != "normal"]
            cases = cases[:: max(1, len(cases) // args.cases)][: args.cases]
            held[Path(data).name] = judge(open_variants(Path(network), variants, calibrating, folder), cases)
    lines = [
        f"{processor_name()}, one thread; network {segmenters['float32'].settings.name}; {len(judged)} images judged, "
        f"{len(calibrating)} calibrated on; {args.cases} cases of each data set left out.",
        "",
        *table(times, near, held),
        "",
    ]
    print_report("\n".join(lines), args.output)


def judge(segmenters: dict[str, Segmenter], cases: Sequence[Any]) -> dict[str, float]:
    """Return each segmenter's mean Dice to the truth; every case has a tumour."""
    scores: dict[str, list[float]] = {name: [] for name in segmenters}
    for case in cases:
        scan = case.read_image()
        truth = case.read_mask(scan.pixels.shape)
        for name, segmenter in segmenters.items():
            scores[name].append(dice(segmenter(scan).mask, truth))
    return {name: float(np.mean(values)) for name, values in scores.items()}


if __name__ == "__main__":
    main()
