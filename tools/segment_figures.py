"""Draw the figures of a network's uncertainty from its card: reliability diagram, and risk against coverage.

    python tools/segment_figures.py src/salus/weights/segment.json -o docs/results

Reliability: the share of tumour among the held-out pixels of each probability. Risk against coverage: the mean loss,
1 - Dice (of a tumour-free image 0 if it was left empty, else 1), over the share of images that the network is most
confident of (Geifman & El-Yaniv, 2017, "Selective classification for deep neural networks").
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
    """Plot the share of tumour among pixels of each probability, before and after temperature scaling."""
    figure, axes = plt.subplots(figsize=(4.2, 4), layout="constrained")
    axes.plot([0, 1], [0, 1], color="#bbbbbb", lw=1)
    for when, colour in (("before", PALE), ("after", LINE)):
        curve = card["judged"]["calibration"][when]
        label = f"{when} (error {curve['error']:.4f})"
        axes.plot(curve["stated"], curve["seen"], "o-", ms=4, color=colour, label=label)
    axes.set(xlabel="probability stated", ylabel="share that is tumour", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.legend(frameon=False, title="temperature", alignment="left")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def risk_coverage(card: dict, path: Path) -> None:
    """Plot the mean loss, 1 - Dice, over the share of images answered, the most confident first."""
    curve = card["judged"]["coverage"]
    figure, axes = plt.subplots(figsize=(5, 3.2), layout="constrained")
    axes.plot(curve["share"], [1 - dice for dice in curve["dice"]], "o-", ms=4, color=LINE)
    axes.set(xlabel="coverage: share of images answered, the surest first", ylabel="risk: 1 - mean Dice")
    axes.set(xlim=(0, 1.02), ylim=(0, None))
    axes.grid(axis="y", color="#e5e5e5")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)


def main() -> None:
    """Read the command line and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("card", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    plt.rcParams |= {"axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "salus", "text.color": INK}
    card = json.loads(args.card.read_text(encoding="utf-8"))
    args.output.mkdir(parents=True, exist_ok=True)
    reliability(card, args.output / "segment-reliability.svg")
    risk_coverage(card, args.output / "segment-risk-coverage.svg")


if __name__ == "__main__":
    main()
