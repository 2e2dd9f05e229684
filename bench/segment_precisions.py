"""Compare `salus segment` in float32 and bfloat16: outlines, and processor time of the network and of the whole.

    python bench/segment_precisions.py IMAGES [IMAGES ...] [--network FILE] [--rounds 6] [-o FILE]

IMAGES are folders of images that the network was not trained on; no truth is needed. For each the Dice of outlines in
bfloat16 to those in float32, two empty outlines counting 1; and, with the mirrored image left out, to those with it.

Times are processor time of all threads, the shortest of several rounds in turn, so that others on the machine count
little; two images at a time, as `salus segment` has it on two cores. "Network" is the network on random images, its
mirrored image included; "folder" is `salus segment` on the first 40 images, files and tables included.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from measurement import print_report
from salus.engine.speed_test import measure_precisions
from salus.pipeline.jobs import plan_jobs
from salus.pipeline.run import run_jobs
from salus.processor import default_workers, processor_name
from salus.read.find import find_images
from salus.segmentation.network import predict
from salus.segmentation.segmenter import Segmenter

PRECISIONS = ("float32", "bfloat16")
IMAGES = 40
"""Images of a folder whose time is measured."""


def dice(a: np.ndarray, b: np.ndarray) -> float:
    """Return the Dice of two masks; 1 for two that are empty."""
    total = int(a.sum()) + int(b.sum())
    return 2 * int((a & b).sum()) / total if total else 1.0


def compare_outlines(files: Sequence[Path], reference: Segmenter, other: Segmenter) -> str:
    """Compare two segmenters' outlines of images; return the cells of a row."""
    scores, changes = [], 0
    for file in files:
        first, second = reference(file).mask, other(file).mask
        scores.append(dice(first, second))
        changes += first.any() != second.any()
    low, mean = np.quantile(scores, 0.01), np.mean(scores)
    below = sum(score < 0.99 for score in scores)
    return f"{len(files)} | {mean:.4f} | {low:.3f} | {min(scores):.3f} | {below} | {changes}"


def processor_ms(call: Callable[[], object], images: int) -> float:
    """Return the processor time of a call for each image, in ms."""
    start = time.process_time()
    call()
    return 1e3 * (time.process_time() - start) / images


def measure_times(files: Sequence[Path], segmenters: dict[str, Segmenter], rounds: int, out: Path) -> list[str]:
    """Measure the network alone and a folder, in each precision; return the rows of a table."""
    workers = default_workers()
    side = next(iter(segmenters.values())).settings.size
    image = np.random.default_rng(0).random((1, side, side, 1), np.float32)
    jobs = plan_jobs(list(files), out)

    def run_network(segmenter: Segmenter) -> None:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(lambda _: predict(segmenter.network, image, segmenter.tta), range(len(files))))

    def run_folder(segmenter: Segmenter) -> None:
        shutil.rmtree(out, ignore_errors=True)
        run_jobs(jobs, out, segmenter)

    times: dict[str, list[tuple[float, float]]] = {name: [] for name in segmenters}
    for _ in range(rounds + 1):
        for name, segmenter in segmenters.items():
            network = processor_ms(lambda s=segmenter: run_network(s), len(files))
            times[name].append((network, processor_ms(lambda s=segmenter: run_folder(s), len(files))))
    best = {name: tuple(map(min, zip(*rows[1:], strict=True))) for name, rows in times.items()}
    first = best[PRECISIONS[0]][0]
    return [
        f"| {name} | {network:.1f} | {first / network:.2f} | {folder:.1f} | {network / folder:.0%} |"
        for name, (network, folder) in best.items()
    ]


def main() -> None:
    """Read the command line, measure, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="+", type=Path, help="folders of images")
    parser.add_argument("--network", help="an .onnx file of salus train (default: the shipped one)")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--quick", action="store_true", help="few images; proves that it works")
    parser.add_argument("-o", "--output", type=Path, help="write the tables here, as Markdown")
    args = parser.parse_args()
    count, rounds = (3, 1) if args.quick else (None, args.rounds)
    segmenters = {name: Segmenter(args.network, precision=name, threads=1) for name in PRECISIONS}
    without_mirror = Segmenter(args.network, threads=1, tta=False)
    files = {folder: find_images(folder)[:count] for folder in args.images}
    lines = [
        f"{processor_name()}, {default_workers()} images at a time; network {segmenters['float32'].settings.name}.",
        "",
        "| images | compared with float32 | n | mean Dice | 1% below | least | below .99 | empty in one alone |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for folder, paths in files.items():
        for name, other in (("bfloat16", segmenters["bfloat16"]), ("float32 without the mirror", without_mirror)):
            name_of_folder = folder.parent.name if folder.name.lower() == "images" else folder.name
            lines.append(f"| {name_of_folder} | {name} | {compare_outlines(paths, segmenters['float32'], other)} |")
    streams = default_workers()
    timed = {name: Segmenter(args.network, precision=name, streams=streams) for name in PRECISIONS}
    lines += [
        "",
        "| | network, processor ms an image | times as fast | folder, processor ms an image | network's share |",
        "|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as out:
        lines += measure_times(next(iter(files.values()))[:IMAGES], timed, rounds, Path(out) / "out")
    block = measure_precisions(again=True)
    lines += ["", f"The block that Salus times by itself: bfloat16 {block.speed_up('bfloat16'):.2f} times as fast."]
    print_report("\n".join([*lines, ""]), args.output)


if __name__ == "__main__":
    main()
