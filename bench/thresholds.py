"""Compare rules by which a segmentation network's probabilities become a mask, on the data sets that a run left out.

    salus train BUSBRA BUSI --unlabelled multirez/images -o RUN --judge sources
    python bench/thresholds.py RUN

For each held-out image with a tumour: Dice at the network's size, without a prompt, by the run's kept predictions. The
rules: the probability .5; and for each image the threshold of the largest expected Dice, by probabilities whose logits
were divided by a temperature: 1, or the one that the run fitted, and others about it. Each rule is compared image by
image with the first: mean difference in points of Dice, and its standard error.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from salus.lab.segmentation.held_out import read_held_out
from salus.lab.segmentation.run import read_run_data
from salus.lab.training.run_folder import read_json
from salus.metrics.segmentation import score
from salus.segmentation.postprocess import apply_temperature, best_threshold

FIXED = "probability .5"
TEMPERATURES = (0.7, 1.0, 1.3)


def dice_by_rule(logit: np.ndarray, truth: np.ndarray, temperatures: tuple[float, ...]) -> dict[str, float]:
    """Score each rule on one image; `logit` and `truth` are (s, s)."""
    dice = {}
    for temperature in temperatures:
        probability = apply_temperature(logit, temperature)
        mask = probability >= best_threshold(probability)[0]
        dice[f"largest expected Dice, T = {temperature:g}"] = score(truth, mask).dice
    return dice | {FIXED: score(truth, logit >= 0).dice}


def table(dice: dict[str, list[dict[str, float]]]) -> Iterator[str]:
    """Yield the table's lines; `dice` holds the scores of each source's images."""
    yield "| cut at | " + " | ".join(f"{source} ({len(rows)}): Dice | points" for source, rows in dice.items()) + " |"
    yield "|---|" + "---|---|" * len(dice)
    rules = list(next(iter(dice.values()))[0])
    for rule in rules:
        cells = []
        for rows in dice.values():
            values = np.array([row[rule] for row in rows])
            gain = 100 * (values - [row[rules[0]] for row in rows])
            cells += [f"{values.mean():.4f}", f"{gain.mean():+.2f} ± {gain.std(ddof=1) / len(gain) ** 0.5:.2f}"]
        yield f"| {rule} | {' | '.join(cells)} |"


def main() -> None:
    """Read the run's predictions and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    run = parser.parse_args().run
    data, fitted = read_run_data(run), float(read_json(run / "card.json")["settings"]["temperature"])
    held_out = read_held_out(run, sorted(set(data.fold)), data)
    if held_out is None:
        raise SystemExit(f"{run}: no fold was judged; train with --judge")
    dice: dict[str, list[dict[str, float]]] = {}
    for place, logit in zip(held_out.place, held_out.logit, strict=True):
        if data.masks[place].any():
            scores = dice_by_rule(logit.astype(np.float32), data.masks[place], (fitted, *TEMPERATURES))
            dice.setdefault(data.sets[place], []).append(scores)
    print("\n".join(table(dice)))


if __name__ == "__main__":
    main()
