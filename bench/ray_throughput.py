"""Measure the throughput of `salus segment --engine ray` and of the plain command, and estimate the cost of millions.

    python bench/ray_throughput.py [--images 600] [--shard-size 50] [--rounds 2] [--price 0.04] [-o scale.md]

Both run in new processes, in turn, on the same phantoms. The plain command writes a mask for each image and the tables
(--output png,csv,json). Ray's steady rate is computed from the times at which its shards appear: all but the first of
each core, divided by the time between those and the last.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from measurement import print_report, time_process

MILLION = 1_000_000
FLEET = 100
"""Number of cores for which a duration is printed."""


def steady_rate(times: list[float], size: int, cores: int) -> float:
    """Compute the images a second while all cores work, from the times at which shards appeared.

    Args:
        times: time of each shard in seconds, in any order.
        size: images in a shard.
        cores: number of shards made at the same time.
    """
    ordered = sorted(times)
    seconds = ordered[-1] - ordered[cores - 1]
    return size * (len(ordered) - cores) / seconds


def costs(rate: float, size: float, price: float, counts: tuple[int, ...]) -> list[str]:
    """Build the rows of the table of costs.

    Args:
        rate: images a second and core.
        size: bytes of results for an image.
        price: price of a core hour.
        counts: numbers of images.

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
    """Read the command line, measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=600)
    parser.add_argument("--shard-size", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--price", type=float, default=0.04, help="of a core hour (default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, help="write the tables here, as Markdown")
    args = parser.parse_args()
    from salus.data.phantom.make import write_phantoms
    from salus.processor import processor_name

    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_phantoms(folder / "made", 40, 1)
        phantoms = sorted((folder / "made" / "images").iterdir())
        (folder / "scans").mkdir()
        for index in range(args.images):
            shutil.copy(phantoms[index % len(phantoms)], folder / "scans" / f"{index:05}.png")
        command = [sys.executable, "-m", "salus", "segment", str(folder / "scans"), "-o"]
        plain, whole, steady = [], [], []
        for number in range(args.rounds):
            seconds, *_ = time_process([*command, str(folder / f"p{number}"), "--output", "png,csv,json"])
            plain.append(args.images / seconds)
            out = folder / f"r{number}"
            seconds, *_ = time_process([*command, str(out), "--engine", "ray", "--shard-size", str(args.shard_size)])
            whole.append(args.images / seconds)
            shards = list((out / "shards").iterdir())
            steady.append(steady_rate([path.stat().st_mtime for path in shards], args.shard_size, cores))
        size = sum(path.stat().st_size for path in shards) / args.images
    plain_rate, ray_rate, ray_steady = (statistics.median(rates) for rates in (plain, whole, steady))
    lines = [
        f"{processor_name()}, {cores} cores; {args.images} phantoms, {args.rounds} rounds, medians.",
        "",
        "| | images a second | times the plain command |",
        "|---|---|---|",
        f"| plain command, start and end included | {plain_rate:.1f} | 1.00 |",
        f"| Ray, start and end included | {ray_rate:.1f} | {ray_rate / plain_rate:.2f} |",
        f"| Ray, while it runs | {ray_steady:.1f} | {ray_steady / plain_rate:.2f} |",
        "",
        f"{ray_steady / cores:.2f} images a second and core; {size / 1e3:.1f} kB of results an image; "
        f"a core hour at {args.price}:",
        "",
        f"| images | core hours | on {FLEET} cores | cost | results |",
        "|---|---|---|---|---|",
        *costs(ray_steady / cores, size, args.price, (MILLION, 10 * MILLION, 100 * MILLION)),
        "",
    ]
    print_report("\n".join(lines), args.output)


if __name__ == "__main__":
    main()
