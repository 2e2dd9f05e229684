"""Throughput of `salus segment --engine ray` beside the plain command, and what millions of images would cost.

    python bench/ray_throughput.py [--images 600] [--shard-size 50] [--rounds 2] [--price 0.04] [-o scale.md]

Both are processes of their own, in turn, on the same phantoms. The plain command writes a mask file an image and the
tables (--output png,csv,json). Ray's rate while it runs is taken from the times at which its shards appear: all but the
first of each core, divided by the time between those and the last.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MILLION = 1_000_000
FLEET = 100
"""Cores for which a duration is told."""


def seconds(command: list[str]) -> float:
    """Wall time of a salus command, which must succeed."""
    at = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "salus", *command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-800:]}")
    return time.perf_counter() - at


def steady_rate(times: list[float], size: int, cores: int) -> float:
    """Images a second while all cores work, from the times at which shards appeared.

    Args:
        times: of each shard, in seconds, in any order.
        size: images of a shard.
        cores: shards that were made at a time.
    """
    ordered = sorted(times)
    spent = ordered[-1] - ordered[cores - 1]
    return size * (len(ordered) - cores) / spent


def costs(rate: float, size: float, price: float, counts: tuple[int, ...]) -> list[str]:
    """Rows of the table of costs.

    Args:
        rate: images a second and core.
        size: bytes of results an image.
        price: of a core hour.
        counts: images.

    Example:
        >>> costs(10, 2000, 0.05, (36_000_000,))
        ['| 36 million | 1,000 | 10 h | 50 | 72 GB |']
    """
    return [
        f"| {count // MILLION} million | {count / rate / 3600:,.0f} | {count / rate / 3600 / FLEET:.3g} h "
        f"| {count / rate / 3600 * price:,.3g} | {count * size / 1e9:.3g} GB |"
        for count in counts
    ]


def main() -> None:
    """Measure and print."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--images", type=int, default=600)
    p.add_argument("--shard-size", type=int, default=50)
    p.add_argument("--rounds", type=int, default=2)
    p.add_argument("--price", type=float, default=0.04, help="of a core hour (default: %(default)s)")
    p.add_argument("-o", "--output", type=Path, help="write the tables here, as Markdown")
    asked = p.parse_args()
    from salus.data.phantom.make import write_phantoms
    from salus.processor import processor_name

    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_phantoms(folder / "made", 40, 1)
        phantoms = sorted((folder / "made" / "images").iterdir())
        (folder / "scans").mkdir()
        for index in range(asked.images):
            shutil.copy(phantoms[index % len(phantoms)], folder / "scans" / f"{index:05}.png")
        given = ["segment", str(folder / "scans"), "-o"]
        plain, whole, steady = [], [], []
        for number in range(asked.rounds):
            plain.append(asked.images / seconds([*given, str(folder / f"p{number}"), "--output", "png,csv,json"]))
            out = folder / f"r{number}"
            spent = seconds([*given, str(out), "--engine", "ray", "--shard-size", str(asked.shard_size)])
            whole.append(asked.images / spent)
            shards = list((out / "shards").iterdir())
            steady.append(steady_rate([path.stat().st_mtime for path in shards], asked.shard_size, cores))
        size = sum(path.stat().st_size for path in shards) / asked.images
    one, two, three = (statistics.median(rates) for rates in (plain, whole, steady))
    lines = [
        f"{processor_name()}, {cores} cores; {asked.images} phantoms, {asked.rounds} rounds, medians.",
        "",
        "| | images a second | times the plain command |",
        "|---|---|---|",
        f"| plain command, start and end included | {one:.1f} | 1.00 |",
        f"| Ray, start and end included | {two:.1f} | {two / one:.2f} |",
        f"| Ray, while it runs | {three:.1f} | {three / one:.2f} |",
        "",
        f"{three / cores:.2f} images a second and core; {size / 1e3:.1f} kB of results an image; "
        f"a core hour at {asked.price}:",
        "",
        f"| images | core hours | on {FLEET} cores | cost | results |",
        "|---|---|---|---|---|",
        *costs(three / cores, size, asked.price, (MILLION, 10 * MILLION, 100 * MILLION)),
        "",
    ]
    text = "\n".join(lines)
    print(text)
    if asked.output:
        asked.output.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
