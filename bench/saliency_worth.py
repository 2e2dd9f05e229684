"""What saliency is worth: each network's DSC with each map, and its paired difference to a map that says nothing.

    salus benchmark DATA --networks unet,sa-unet@constant,sa-unet@prior,...,sa-unet@truth ... -o RUN
    python bench/saliency_worth.py RUN [RUN of another seed ...] -o FOLDER

An image's score is its mean over the runs given. Differences are paired by image: for every SAMENETWORK@MAP to
SAMENETWORK@constant, and for networks without maps to `unet`. Intervals: 95% bootstrap of the mean over patients; p:
sign-flip permutation of patients' mean differences, Holm-adjusted over the table.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from salus.lab.benchmark.config import split_method_name
from salus.lab.report.run_data import method_title
from salus.metrics.statistics import bootstrap_interval, holm, paired_difference
from salus.spreadsheet import read_rows

Scores = dict[str, dict[str, float]]

HEADING = "# What a map is worth to each network: the table\n\n"


def read(runs: list[Path], resolution: str) -> tuple[Scores, dict[str, str]]:
    """Read the DSC by method and image, the mean over runs, on images with a tumour; and each image's patient."""
    scores: dict[str, dict[str, list[float]]] = {}
    patients = {}
    for run in runs:
        for row in read_rows(run / "scores.csv"):
            if row["resolution"] == resolution and float(row["area_true"]) > 0:
                scores.setdefault(row["network"], {}).setdefault(row["case"], []).append(float(row["dice"]))
                patients[row["case"]] = row["patient"] or row["case"]
    means = {name: {case: float(np.mean(v)) for case, v in by_case.items()} for name, by_case in scores.items()}
    return means, patients


def compare(scores: Scores, patients: dict[str, str]) -> list[dict[str, float | str]]:
    """Compare each method: a row with its DSC and interval, and its difference to the method it is compared with."""
    rows: list[dict[str, float | str]] = []
    for name, by_case in scores.items():
        cases = sorted(by_case)
        network, source = split_method_name(name)
        against = f"{network}@constant" if source else "unet"
        groups = [patients[c] for c in cases]
        own = bootstrap_interval([by_case[c] for c in cases], groups)
        row: dict[str, float | str] = {"name": name, "against": against, "n": len(cases)}
        row |= {"dsc": own.mean, "dsc_low": own.low, "dsc_high": own.high}
        if against != name and set(scores.get(against, {})) == set(cases):
            d = paired_difference([by_case[c] for c in cases], [scores[against][c] for c in cases], groups)
            row |= {"gain": d.mean, "low": d.low, "high": d.high, "p": d.p_permutation}
        rows.append(row)
    adjusted = holm([float(r.get("p", np.nan)) for r in rows])
    for row, p in zip(rows, adjusted, strict=True):
        row["p_holm"] = float(p)
    return rows


def table(rows: list[dict[str, float | str]]) -> str:
    """Format the rows as Markdown; differences in DSC points (hundredths)."""
    lines = [
        "| network and map | DSC [95%] | against | difference, points [95%] | p | p (Holm) |",
        "|---|---|---|---|---|---|",
    ]
    for r in rows:
        own = f"{r['dsc']:.3f} [{r['dsc_low']:.3f}, {r['dsc_high']:.3f}]"
        gain = ["–"] * 4
        if "gain" in r:
            points = [100 * float(r[k]) for k in ("gain", "low", "high")]
            gain = [method_title(str(r["against"])), f"{points[0]:+.1f} [{points[1]:+.1f}, {points[2]:+.1f}]"]
            gain += [f"{r['p']:.4f}", f"{r['p_holm']:.4f}"]
        lines.append(f"| {method_title(str(r['name']))} | {own} | {' | '.join(gain)} |")
    return "\n".join(lines) + "\n"


def draw_figure(rows: list[dict[str, float | str]], path: Path) -> None:
    """Draw a forest plot of the differences."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    compared = [r for r in rows if "gain" in r][::-1]
    figure, axes = plt.subplots(figsize=(7, 0.32 * len(compared) + 1), layout="constrained")
    for y, r in enumerate(compared):
        gain, low, high = (100 * float(r[k]) for k in ("gain", "low", "high"))
        clear = float(r["p_holm"]) < 0.05
        axes.plot([low, high], [y, y], color="#1f6f8b" if clear else "#8a8f98", linewidth=2)
        axes.plot(gain, y, "o", color="#1f6f8b" if clear else "#8a8f98")
    axes.axvline(0, color="#444", linewidth=0.8)
    axes.set_yticks(range(len(compared)), [method_title(str(r["name"])) for r in compared])
    axes.set_xlabel("difference in DSC points to the same network with a constant map (U-Nets: to U-Net), 95%")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    figure.savefig(path)


def main() -> None:
    """Read runs, write worth.md, worth.csv and worth.svg."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("runs", nargs="+", type=Path)
    p.add_argument("-o", "--output", type=Path, required=True)
    p.add_argument("--resolution", default="native", choices=("network", "native"))
    args = p.parse_args()
    rows = compare(*read(args.runs, args.resolution))
    args.output.mkdir(parents=True, exist_ok=True)
    (args.output / "worth.md").write_text(HEADING + table(rows), encoding="utf-8")
    columns = sorted({key for row in rows for key in row}, key=["name", "against", "n"].__contains__, reverse=True)
    with (args.output / "worth.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    draw_figure(rows, args.output / "worth.svg")
    print(table(rows))


if __name__ == "__main__":
    main()
