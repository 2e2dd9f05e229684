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

from salus.lab.benchmark.config import parted
from salus.lab.report.material import title_of
from salus.metrics.statistics import bootstrap_interval, holm, paired_difference

Scores = dict[str, dict[str, float]]


def read(runs: list[Path], resolution: str) -> tuple[Scores, dict[str, str]]:
    """DSC by entrant and image, the mean over runs, on images with a tumour; and each image's patient."""
    found: dict[str, dict[str, list[float]]] = {}
    patients = {}
    for run in runs:
        with (run / "scores.csv").open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                if row["resolution"] == resolution and float(row["area_true"]) > 0:
                    found.setdefault(row["network"], {}).setdefault(row["case"], []).append(float(row["dice"]))
                    patients[row["case"]] = row["patient"] or row["case"]
    means = {name: {case: float(np.mean(v)) for case, v in by_case.items()} for name, by_case in found.items()}
    return means, patients


def rows(scores: Scores, patients: dict[str, str]) -> list[dict[str, float | str]]:
    """A row an entrant: its DSC with interval, and its difference to what it is compared with."""
    made: list[dict[str, float | str]] = []
    for name, by_case in scores.items():
        cases = sorted(by_case)
        network, source = parted(name)
        against = f"{network}@constant" if source else "unet"
        groups = [patients[c] for c in cases]
        own = bootstrap_interval([by_case[c] for c in cases], groups)
        row: dict[str, float | str] = {"name": name, "against": against, "n": len(cases)}
        row |= {"dsc": own.mean, "dsc_low": own.low, "dsc_high": own.high}
        if against != name and set(scores.get(against, {})) == set(cases):
            d = paired_difference([by_case[c] for c in cases], [scores[against][c] for c in cases], groups)
            row |= {"gain": d.mean, "low": d.low, "high": d.high, "p": d.p_permutation}
        made.append(row)
    adjusted = holm([float(r.get("p", np.nan)) for r in made])
    for row, p in zip(made, adjusted, strict=True):
        row["p_holm"] = float(p)
    return made


def table(found: list[dict[str, float | str]]) -> str:
    """Markdown; differences in DSC points (hundredths)."""
    lines = [
        "| network and map | DSC [95%] | against | difference, points [95%] | p | p (Holm) |",
        "|---|---|---|---|---|---|",
    ]
    for r in found:
        own = f"{r['dsc']:.3f} [{r['dsc_low']:.3f}, {r['dsc_high']:.3f}]"
        gain = ["–"] * 4
        if "gain" in r:
            points = [100 * float(r[k]) for k in ("gain", "low", "high")]
            gain = [title_of(str(r["against"])), f"{points[0]:+.1f} [{points[1]:+.1f}, {points[2]:+.1f}]"]
            gain += [f"{r['p']:.4f}", f"{r['p_holm']:.4f}"]
        lines.append(f"| {title_of(str(r['name']))} | {own} | {' | '.join(gain)} |")
    return "\n".join(lines) + "\n"


def figure(found: list[dict[str, float | str]], path: Path) -> None:
    """A forest plot of the differences."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    shown = [r for r in found if "gain" in r][::-1]
    figure, axes = plt.subplots(figsize=(7, 0.32 * len(shown) + 1), layout="constrained")
    for y, r in enumerate(shown):
        gain, low, high = (100 * float(r[k]) for k in ("gain", "low", "high"))
        clear = float(r["p_holm"]) < 0.05
        axes.plot([low, high], [y, y], color="#1f6f8b" if clear else "#8a8f98", linewidth=2)
        axes.plot(gain, y, "o", color="#1f6f8b" if clear else "#8a8f98")
    axes.axvline(0, color="#444", linewidth=0.8)
    axes.set_yticks(range(len(shown)), [title_of(str(r["name"])) for r in shown])
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
    asked = p.parse_args()
    found = rows(*read(asked.runs, asked.resolution))
    asked.output.mkdir(parents=True, exist_ok=True)
    (asked.output / "worth.md").write_text(table(found), encoding="utf-8")
    columns = sorted({key for row in found for key in row}, key=["name", "against", "n"].__contains__, reverse=True)
    with (asked.output / "worth.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(found)
    figure(found, asked.output / "worth.svg")
    print(table(found))


if __name__ == "__main__":
    main()
