"""Speed of `salus segment`: engines beside Keras on the published network, the shipped pipeline, cold start, a folder.

    python bench/segment_speed.py [--quick] [--network FILE] [--threads 2] [-o speed.md]

a) SA-U-Net (256 x 256, batch 1, equal random weights): the authors' graph by Keras, as published and in bfloat16;
   Salus's, which gives the same, by ONNX Runtime, OpenVINO and, where it is installed, PyTorch. Each waits in a process
   of its own and is asked in turn, several rounds. The peak of bfloat16 is that of a chain of large matrix products,
   measured in the same rounds.
b) the parts of one call of `Segmenter` on a phantom, warm.
c) `salus segment one.png` in a new process, and what its imports take.
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
FASTER = {"keras-float32": 6.0, "keras-bfloat16": 1.7}
"""How many times as fast as each OpenVINO in bfloat16 is wanted to be."""
ROOFLINE = 0.65
LIMIT = 1800
"""Seconds after which a process is taken to hang."""

LAUNCH = """
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
"""Starts a process from a small one: Linux counts the memory of who started it into its peak."""

STAND_IN = """
import sys
from pathlib import Path
from PIL import Image
from salus.segmentation.segmenter import Segmenter
given, out, network = Path(sys.argv[1]), Path(sys.argv[3]), sys.argv[5]
segmenter = Segmenter(network)
out.mkdir(exist_ok=True)
for path in sorted(given.iterdir()) if given.is_dir() else [given]:
    Image.fromarray(segmenter(path).mask).save(out / f"{path.stem}.png")
"""


def start(worker: str, asked: argparse.Namespace, folder: Path, *more: str) -> subprocess.Popen:
    """A process of the worker script."""
    options = [worker, f"--folder={folder}", f"--threads={asked.threads}", f"--steps={asked.steps}"]
    with (folder / f"{worker}.err").open("w") as errors:
        return subprocess.Popen(
            [sys.executable, str(WORKER), *options, *more],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )


def answer(worker: str, process: subprocess.Popen, folder: Path) -> dict:
    """Its next answer."""
    for line in process.stdout:
        if line.startswith("{"):
            return json.loads(line)
    raise SystemExit(f"{worker} failed:\n{(folder / f'{worker}.err').read_text()[-2000:]}")


def engines(asked: argparse.Namespace, folder: Path) -> tuple[list[str], list[list[str]]]:
    """Part a: lines and marks."""
    import numpy as np

    work_of = answer("prepare", start("prepare", asked, folder), folder)
    names = [n for n in NAMES if not n.startswith("torch") or importlib.util.find_spec("torch")]
    waiting = {name: start(name, asked, folder) for name in [*names, GEMM]}
    try:
        for name, process in waiting.items():
            answer(name, process, folder)
        times: dict[str, list[float]] = {name: [] for name in waiting}
        for _ in range(asked.rounds):
            for name, process in waiting.items():
                process.stdin.write("go\n")
                process.stdin.flush()
                times[name].append(statistics.median(answer(name, process, folder)["ms"]))
    finally:
        for process in waiting.values():
            process.kill()
            process.wait()
    output = {name: np.load(folder / f"{name}.npy", allow_pickle=False) for name in names}
    peak = work_of[GEMM] / min(times[GEMM]) * 1e3
    lines = engine_table(times, {n: float(np.abs(output[n] - output[names[0]]).max()) for n in names}, work_of, peak)
    moved = float(np.abs(output["openvino-bfloat16"] - output["openvino-float32"]).max())
    lines += ["", f"OpenVINO in bfloat16 moves a probability by {moved:.1e} at most against float32."]
    if "torch-float32" not in names:
        lines += ["PyTorch is not installed here, and so is not measured."]
    return lines, engine_marks({name: statistics.median(values) for name, values in times.items()}, work_of, peak)


def engine_table(times: dict, difference: dict, work_of: dict, peak: float) -> list[str]:
    """Part a's table.

    Args:
        times: ms of each round by contestant, `GEMM` among them; the first is what ratios refer to.
        difference: largest difference of a probability to the first, by contestant.
        work_of: GFLOP of an image under "network".
        peak: GFLOP/s of the matrix products.
    """
    middle = {name: statistics.median(values) for name, values in times.items()}
    first = next(iter(difference))
    lines = [
        "| | ms an image | from – to | times as fast | GFLOP/s | share of the bfloat16 peak | largest difference |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, moved in difference.items():
        rate = work_of["network"] / middle[name] * 1e3
        lines.append(
            f"| {NAMES[name]} | {middle[name]:.1f} | {min(times[name]):.1f} – {max(times[name]):.1f} "
            f"| {middle[first] / middle[name]:.2f} | {rate:.0f} | {rate / peak:.0%} | {moved:.1e} |"
        )
    lines += ["", f"{work_of['network']:.1f} GFLOP an image; peak of bfloat16 matrix products {peak:.0f} GFLOP/s "]
    lines[-1] += f"(best of {len(times[GEMM])} rounds, {SIDE} x {SIDE}, OpenVINO)."
    return lines


def engine_marks(middle: dict[str, float], work_of: dict[str, float], peak: float) -> list[list[str]]:
    """Part a's marks, of OpenVINO in bfloat16; ms by contestant, otherwise as `engine_table`."""
    ours = middle["openvino-bfloat16"]
    rows = [
        mark(f"times as fast as {NAMES[name]}", middle[name] / ours, wanted, at_least=True)
        for name, wanted in FASTER.items()
    ]
    share = work_of["network"] / ours * 1e3 / peak
    return [*rows, mark("share of the bfloat16 peak", share, ROOFLINE, at_least=True)]


def measured(call: list[str], limit: float = LIMIT) -> tuple[float, float, float]:
    """Seconds, processor seconds and peak memory in MB of a process, which must succeed."""
    done = subprocess.run([sys.executable, "-c", LAUNCH, str(limit), *call], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    if found["code"]:
        raise SystemExit(f"{' '.join(call)} ended with {found['code']} after {found['s']:.0f} s: {found['errors']}")
    return found["s"], found["processor"], found["peak"]


def imports(text: str, top: int = 8) -> list[tuple[str, float]]:
    """What `python -X importtime` says: ms spent by each package itself, the slowest first.

    Args:
        text: its lines "import time: SELF | CUMULATIVE | MODULE", in µs, among others.
        top: how many.
    """
    spent: dict[str, float] = {}
    for line in text.splitlines():
        parts = line.removeprefix("import time:").split("|")
        if line.startswith("import time:") and parts[0].strip().isdigit():
            package = parts[2].strip().split(".")[0]
            spent[package] = spent.get(package, 0) + int(parts[0]) / 1e3
    return sorted(spent.items(), key=lambda one: -one[1])[:top]


def commands(asked: argparse.Namespace, folder: Path) -> tuple[list[str], list[list[str]]]:
    """Parts b, c and d: lines and marks."""
    from salus.data.phantom.make import write_phantoms

    there = subprocess.run([sys.executable, "-m", "salus", "segment", "--help"], capture_output=True, check=False)
    segment = ["-m", "salus", "segment"] if there.returncode == 0 else ["-c", STAND_IN]
    write_phantoms(folder / "made", asked.phantoms, 1)
    phantoms = sorted((folder / "made" / "images").iterdir())
    options = ["-o", str(folder / "out"), "--network", str(asked.network)]

    more = ["--network", str(asked.network), "--image", str(phantoms[0])]
    parts = answer("pipeline", start("pipeline", asked, folder, *more), folder)
    names = list(parts["float32"])
    lines = ["", f"| ms, warm | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    lines += [f"| {p} | {' | '.join(f'{v:.1f}' for v in found.values())} |" for p, found in parts.items()]

    cold = []
    for _ in range(asked.rounds):
        shutil.rmtree(folder / "out", ignore_errors=True)
        cold.append(measured([sys.executable, *segment, str(phantoms[0]), *options]))
    shutil.rmtree(folder / "out", ignore_errors=True)
    looked = subprocess.run(
        [sys.executable, "-X", "importtime", *segment, str(phantoms[0]), *options],
        capture_output=True,
        text=True,
        check=True,
        timeout=LIMIT,
    )
    seconds, processor, _ = (statistics.median(values) for values in zip(*cold, strict=True))
    told = ", ".join(f"{name} {ms:.0f}" for name, ms in imports(looked.stderr))
    lines += ["", f"Cold: {seconds:.2f} s, of which processor time {processor:.2f} s. Imports, ms: {told}."]

    runs = []
    for count in asked.counts:
        many = folder / f"many{count}"
        many.mkdir()
        for index in range(count):
            shutil.copy(phantoms[index % len(phantoms)], many / f"{index:05}.png")
        shutil.rmtree(folder / "out", ignore_errors=True)
        runs.append(measured([sys.executable, *segment, str(many), *options]))
    few, many = asked.counts
    rate, grown = many / runs[1][0], runs[1][2] - runs[0][2]
    lines += ["", f"Folder: {many} images in {runs[1][0]:.1f} s; peak memory {runs[0][2]:.0f} MB with {few} images, "]
    lines[-1] += f"{runs[1][2]:.0f} MB with {many}."
    if segment[0] == "-c":
        lines += ["", "salus segment is not there yet: a script that writes masks stood in for it."]
    return lines, [
        mark("one image, warm, ms", parts["float32"]["whole"], WARM_MS),
        mark("one image, cold, s", seconds, COLD_S),
        mark("images a second, folder", rate, RATE, at_least=True),
        mark("peak memory, MB", max(run[2] for run in runs), PEAK_MB),
        mark("memory that more images cost, MB", grown, GROWTH_MB),
    ]


def mark(name: str, value: float, limit: float, *, at_least: bool = False) -> list[str]:
    """A row of the marks: name, value, what was asked for, whether it is met."""
    met = value >= limit if at_least else value <= limit
    return [name, f"{value:.4g}", f"{'≥' if at_least else '≤'} {limit:g}", "met" if met else "MISSED"]


def main() -> None:
    """Measure and print."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--quick", action="store_true", help="a short run that proves that it works; its times mean little")
    p.add_argument("--network", help="an .onnx file of salus train (default: the shipped one)")
    p.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    p.add_argument("-o", "--output", type=Path, help="write the tables here, as Markdown")
    asked = p.parse_args()
    from salus.processor import processor_name
    from salus.weights import SHIPPED_NETWORK

    asked.network = asked.network or str(SHIPPED_NETWORK)
    asked.rounds, asked.steps, asked.phantoms, asked.counts = (
        (2, 2, 3, (4, 12)) if asked.quick else (5, 8, 40, (200, 1000))
    )
    with tempfile.TemporaryDirectory() as place:
        compared, first = engines(asked, Path(place))
        shipped, marks = commands(asked, Path(place))
    rows = [f"| {' | '.join(row)} |" for row in [*marks, *first]]
    head = f"{processor_name()}, {asked.threads} threads{', a quick run: times mean little' * asked.quick}."
    title = f"# Speed of salus segment\n\n    python bench/segment_speed.py --threads {asked.threads} -o FILE\n"
    marks_head = ["", "| mark | found | wanted | |", "|---|---|---|---|"]
    text = "\n".join([title, head, "", *compared, *shipped, *marks_head, *rows, ""])
    print(text)
    if asked.output:
        asked.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
