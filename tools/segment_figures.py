"""Figures of a network's own certainty, from its card: reliability of its probabilities, and risk against coverage.

    python tools/segment_figures.py src/salus/weights/segment.json -o docs/results

Reliability: of the held-out pixels to which the network gives a probability, how many are tumour. Risk and coverage:
the mean Dice that is lost (a tumour-free image counts 0 where it was left empty, else 1) when only the images it is
surest of are answered (Geifman & El-Yaniv, 2017, "Selective classification for deep neural networks").
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

INK, LINE, PALE = "#333333", "#2f6fb0", "#d08700"


def reliability(card: dict, path: Path) -> None:
    """Stated probability against the share of pixels that are tumour, before and after the temperature."""
    figure, axes = plt.subplots(figsize=(4.2, 4), layout="constrained")
    axes.plot([0, 1], [0, 1], color="#bbbbbb", lw=1)
    for when, colour in (("before", PALE), ("after", LINE)):
        one = card["judged"]["calibration"][when]
        axes.plot(one["stated"], one["seen"], "o-", ms=4, color=colour, label=f"{when} (error {one['error']:.4f})")
    axes.set(xlabel="probability stated", ylabel="share that is tumour", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.legend(frameon=False, title="temperature", alignment="left")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def risk_coverage(card: dict, path: Path) -> None:
    """Mean Dice lost against the share of images answered, the surest first."""
    one = card["judged"]["coverage"]
    figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
    axes.plot(one["share"], [1 - value for value in one["dice"]], "o-", ms=4, color=LINE)
    axes.set(xlabel="coverage: share of images answered, the surest first", ylabel="risk: 1 - mean Dice")
    axes.set(xlim=(0, 1.02), ylim=(0, None))
    axes.grid(axis="y", color="#e5e5e5")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    """Read the command line."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("card", type=Path)
    p.add_argument("-o", "--output", type=Path, required=True)
    asked = p.parse_args()
    plt.rcParams |= {"axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "salus", "text.color": INK}
    card = json.loads(asked.card.read_text(encoding="utf-8"))
    asked.output.mkdir(parents=True, exist_ok=True)
    reliability(card, asked.output / "segment-reliability.svg")
    risk_coverage(card, asked.output / "segment-risk-coverage.svg")


if __name__ == "__main__":
    main()
