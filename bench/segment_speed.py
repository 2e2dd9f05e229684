"""Measure the speed of `salus segment`: engines against Keras, the parts of the pipeline, cold start, a folder.

    python bench/segment_speed.py [--quick] [--network FILE] [--threads 2] [-o speed.md]

a) One prediction of SA-U-Net (256 x 256, batch 1, the same random weights): the authors' graph in Keras, as published
   and in bfloat16; Salus's equal graph in ONNX Runtime, OpenVINO and, where it is installed, PyTorch. Each contestant
   waits in a process of its own; they run in turn, several rounds. The peak of bfloat16 is that of a chain of large
   matrix products, measured in the same rounds.
b) The parts of one call of `Segmenter` on a phantom, warm.
c) `salus segment one.png` in a new process, and the time of its imports.
d) `salus segment FOLDER`: images a second, peak memory, and whether memory grows with the number of images.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from measurement import TIME_LIMIT, count_passes, print_report, time_process
from segment_speed_worker import GEMM, SIDE

WORKER = Path(__file__).with_name("segment_speed_worker.py")
NAMES = {
    "keras-float32": "Keras predict, float32",
    "keras-batch-float32": "Keras predict_on_batch, float32",
    "keras-bfloat16": "Keras predict, mixed_bfloat16",
    "keras-batch-bfloat16": "Keras predict_on_batch, mixed_bfloat16",
    "torch-float32": "PyTorch, float32",
    "torch-bfloat16": "PyTorch, bfloat16 autocast",
    "onnxruntime-float32": "ONNX Runtime, float32",
    "openvino-float32": "OpenVINO, float32",
    "openvino-bfloat16": "OpenVINO, bfloat16",
}
WARM_MS, COLD_S, RATE, PEAK_MB, GROWTH_MB = 40, 1.5, 25, 700, 50
"""Targets of parts b to d."""
SPEED_UPS = {"keras-float32": 6.0, "keras-bfloat16": 1.7}
"""Targets of OpenVINO in bfloat16: how many times as fast as each contestant."""
PEAK_SHARE = 0.65
"""Target of OpenVINO in bfloat16: its share of the processor's peak."""


def start(worker: str, args: argparse.Namespace, folder: Path, *more: str) -> subprocess.Popen:
    """Start a process of the worker script."""
    options = [worker, f"--folder={folder}", f"--threads={args.threads}", f"--steps={args.steps}"]
    with (folder / f"{worker}.err").open("w") as errors:
        return subprocess.Popen(
            [sys.executable, str(WORKER), *options, *more],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )


def read_result(worker: str, process: subprocess.Popen, folder: Path) -> dict:
    """Read the next result of a worker process."""
    for line in process.stdout:
        if line.startswith("{"):
            return json.loads(line)
    raise SystemExit(f"{worker} failed:\n{(folder / f'{worker}.err').read_text()[-2000:]}")


def compare_engines(args: argparse.Namespace, folder: Path) -> tuple[list[str], list[list[str]]]:
    """Measure part a: its lines and its targets."""
    import numpy as np

    gflop = read_result("prepare", start("prepare", args, folder), folder)
    names = [n for n in NAMES if not n.startswith("torch") or importlib.util.find_spec("torch")]
    workers = {name: start(name, args, folder) for name in [*names, GEMM]}
    try:
        for name, process in workers.items():
            read_result(name, process, folder)
        times: dict[str, list[float]] = {name: [] for name in workers}
        for _ in range(args.rounds):
            for name, process in workers.items():
                process.stdin.write("go\n")
                process.stdin.flush()
                times[name].append(statistics.median(read_result(name, process, folder)["ms"]))
    finally:
        for process in workers.values():
            process.kill()
            process.wait()
    output = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in names}
    peak = gflop[GEMM] / min(times[GEMM]) * 1e3
    lines = engine_table(times, {n: float(np.abs(output[n] - output[names[0]]).max()) for n in names}, gflop, peak)
    change = float(np.abs(output["openvino-bfloat16"] - output["openvino-float32"]).max())
    lines += ["", f"OpenVINO in bfloat16 moves a probability by {change:.1e} at most against float32."]
    if "torch-float32" not in names:
        lines += ["PyTorch is not installed here, and so is not measured."]
    return lines, engine_targets({name: statistics.median(values) for name, values in times.items()}, gflop, peak)


def engine_table(times: dict, difference: dict, gflop: dict, peak: float) -> list[str]:
    """Build the table of part a.

    Args:
        times: ms of each round by contestant, `GEMM` among them; ratios refer to the first.
        difference: largest difference of a probability to the first contestant's, by contestant.
        gflop: GFLOP of an image under "network".
        peak: GFLOP/s of the matrix products.
    """
    median = {name: statistics.median(values) for name, values in times.items()}
    first = next(iter(difference))
    lines = [
        "| | ms an image | from – to | times as fast | GFLOP/s | share of the bfloat16 peak | largest difference |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, change in difference.items():
        rate = gflop["network"] / median[name] * 1e3
        lines.append(
            f"| {NAMES[name]} | {median[name]:.1f} | {min(times[name]):.1f} – {max(times[name]):.1f} "
            f"| {median[first] / median[name]:.2f} | {rate:.0f} | {rate / peak:.0%} | {change:.1e} |"
        )
    lines += ["", f"{gflop['network']:.1f} GFLOP an image; peak of bfloat16 matrix products {peak:.0f} GFLOP/s "]
    lines[-1] += f"(best of {len(times[GEMM])} rounds, {SIDE} x {SIDE}, OpenVINO)."
    return lines


def engine_targets(median: dict[str, float], gflop: dict[str, float], peak: float) -> list[list[str]]:
    """Compare OpenVINO in bfloat16 with its targets; `median` is ms by contestant, the rest as in `engine_table`."""
    ours = median["openvino-bfloat16"]
    rows = [
        target_row(f"times as fast as {NAMES[name]}", median[name] / ours, speed_up, at_least=True)
        for name, speed_up in SPEED_UPS.items()
    ]
    share = gflop["network"] / ours * 1e3 / peak
    return [*rows, target_row("share of the bfloat16 peak", share, PEAK_SHARE, at_least=True)]


def slowest_imports(text: str, top: int = 8) -> list[tuple[str, float]]:
    """Sum up the output of `python -X importtime`: ms spent by each package itself, the slowest first.

    Args:
        text: lines "import time: SELF | CUMULATIVE | MODULE", in µs, among others.
        top: number of packages.
    """
    spent: dict[str, float] = {}
    for line in text.splitlines():
        parts = line.removeprefix("import time:").split("|")
        if line.startswith("import time:") and parts[0].strip().isdigit():
            package = parts[2].strip().split(".")[0]
            spent[package] = spent.get(package, 0) + int(parts[0]) / 1e3
    return sorted(spent.items(), key=lambda item: -item[1])[:top]


def measure_commands(args: argparse.Namespace, folder: Path) -> tuple[list[str], list[list[str]]]:
    """Measure parts b, c and d: their lines and their targets."""
    from salus.data.phantom.make import write_phantoms

    segment = ["-m", "salus", "segment"]
    write_phantoms(folder / "made", args.phantoms, 1)
    phantoms = sorted((folder / "made" / "images").iterdir())
    options = ["-o", str(folder / "out"), "--network", str(args.network)]

    more = ["--network", str(args.network), "--image", str(phantoms[0])]
    parts = read_result("pipeline", start("pipeline", args, folder, *more), folder)
    names = list(parts["float32"])
    lines = ["", f"| ms, warm | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    lines += [f"| {precision} | {' | '.join(f'{v:.1f}' for v in ms.values())} |" for precision, ms in parts.items()]

    cold = []
    for _ in range(args.rounds):
        shutil.rmtree(folder / "out", ignore_errors=True)
        cold.append(time_process([sys.executable, *segment, str(phantoms[0]), *options]))
    shutil.rmtree(folder / "out", ignore_errors=True)
    process = subprocess.run(
        [sys.executable, "-X", "importtime", *segment, str(phantoms[0]), *options],
        capture_output=True,
        text=True,
        check=True,
        timeout=TIME_LIMIT,
    )
    seconds, processor, _ = (statistics.median(values) for values in zip(*cold, strict=True))
    imports = ", ".join(f"{name} {ms:.0f}" for name, ms in slowest_imports(process.stderr))
    lines += ["", f"Cold: {seconds:.2f} s, of which processor time {processor:.2f} s. Imports, ms: {imports}."]

    runs = []
    for count in args.counts:
        scans = folder / f"scans-{count}"
        scans.mkdir()
        for index in range(count):
            shutil.copy(phantoms[index % len(phantoms)], scans / f"{index:05}.png")
        shutil.rmtree(folder / "out", ignore_errors=True)
        runs.append(time_process([sys.executable, *segment, str(scans), *options]))
    few, many = args.counts
    rate, growth = many / runs[1][0], runs[1][2] - runs[0][2]
    lines += ["", f"Folder: {many} images in {runs[1][0]:.1f} s; peak memory {runs[0][2]:.0f} MB with {few} images, "]
    lines[-1] += f"{runs[1][2]:.0f} MB with {many}."
    return lines, [
        target_row("one image, warm, ms", parts["float32"]["whole"], WARM_MS),
        target_row("one image, cold, s", seconds, COLD_S),
        target_row("images a second, folder", rate, RATE, at_least=True),
        target_row("peak memory, MB", max(run[2] for run in runs), PEAK_MB),
        target_row("memory that more images cost, MB", growth, GROWTH_MB),
    ]


def target_row(name: str, value: float, limit: float, *, at_least: bool = False) -> list[str]:
    """Build a row of the targets: name, value, target, and whether it is met."""
    met = value >= limit if at_least else value <= limit
    return [name, f"{value:.4g}", f"{'≥' if at_least else '≤'} {limit:g}", "met" if met else "MISSED"]


def describe_network(path: str) -> str:
    """Name a network, and the passes in which it is run by default."""
    from salus.segmentation.segmenter import Segmenter

    settings = Segmenter(path).settings
    passes = count_passes(settings)
    return f"{settings.name}, {settings.size} x {settings.size}, {passes} pass{'es' * (passes > 1)} an image"


def main() -> None:
    """Read the command line, measure, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="a short run that proves that it works; its times mean little"
    )
    parser.add_argument("--network", help="an .onnx file of salus train (default: the shipped one)")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("-o", "--output", type=Path, help="write the tables here, as Markdown")
    args = parser.parse_args()
    from salus.processor import processor_name
    from salus.weights import SHIPPED_NETWORK

    args.network = args.network or str(SHIPPED_NETWORK)
    args.rounds, args.steps, args.phantoms, args.counts = (2, 2, 3, (4, 12)) if args.quick else (5, 8, 40, (200, 1000))
    with tempfile.TemporaryDirectory() as folder:
        engine_lines, engine_rows = compare_engines(args, Path(folder))
        command_lines, command_rows = measure_commands(args, Path(folder))
    rows = [f"| {' | '.join(row)} |" for row in [*command_rows, *engine_rows]]
    quick = ", a quick run: times mean little" * args.quick
    head = f"{processor_name()}, {args.threads} threads; network {describe_network(args.network)}{quick}."
    title = f"# Speed of salus segment\n\n    python bench/segment_speed.py --threads {args.threads} -o FILE\n"
    target_head = ["", "| mark | found | wanted | |", "|---|---|---|---|"]
    text = "\n".join([title, head, "", *engine_lines, *command_lines, *target_head, *rows, ""])
    print_report(text, args.output)


if __name__ == "__main__":
    main()
