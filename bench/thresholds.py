"""Compare rules by which a segmentation network's probabilities become a mask, on the data sets that a run left out.

    salus train BUSBRA BUSI --unlabelled multirez/images -o RUN --judge sources
    python bench/thresholds.py RUN

For each held-out image with a tumour: Dice at the network's size, without a prompt, by the run's kept predictions. The
rules: the probability .5; and for each image the threshold of the largest expected Dice, by probabilities whose logits
were divided by a temperature: 1, or the one that the run fitted, and others about it. At T = 1 also without the
components whose mean probability, after the fitted temperature, is less than a share of the surest component's. Each
rule is compared image by image with the first: mean difference in points of Dice, and its standard error. Missed: a
Dice below .1.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from salus.lab.segmentation.held_out import read_held_out
from salus.lab.segmentation.judge import MISSED
from salus.lab.segmentation.run import read_run_data
from salus.lab.training.run_folder import read_json
from salus.metrics.segmentation import score
from salus.segmentation.network import NetworkSettings
from salus.segmentation.postprocess import apply_temperature, best_threshold, remove_unsure, threshold_and_clean

FIXED = "probability .5"
TEMPERATURES = (0.7, 1.0, 1.3)
UNSURE = (0.7, 0.8, 0.85, 0.9, 0.95, 1.0)


def dice_by_rule(logit: np.ndarray, truth: np.ndarray, temperatures: tuple[float, ...]) -> dict[str, float]:
    """Score each rule on one image; `logit` and `truth` are (s, s)."""
    dice = {}
    for temperature in temperatures:
        probability = apply_temperature(logit, temperature)
        mask = probability >= best_threshold(probability)[0]
        dice[f"largest expected Dice, T = {temperature:g}"] = score(truth, mask).dice
    fitted, plain = apply_temperature(logit, temperatures[0]), apply_temperature(logit, 1.0)
    mask = threshold_and_clean(plain, best_threshold(plain)[0], NetworkSettings.smallest)
    for share in UNSURE:
        (sure,) = remove_unsure([mask], [fitted], share)
        dice[f"T = 1, at least {share:g} of the surest"] = score(truth, sure).dice
    return dice | {FIXED: score(truth, logit >= 0).dice}


def table(dice: dict[str, list[dict[str, float]]]) -> Iterator[str]:
    """Yield the table's lines; `dice` holds the scores of each source's images."""
    yield (
        "| cut at | "
        + " | ".join(f"{source} ({len(rows)}): Dice | points | missed" for source, rows in dice.items())
        + " |"
    )
    yield "|---|" + "---|---|---|" * len(dice)
    rules = list(next(iter(dice.values()))[0])
    for rule in rules:
        cells = []
        for rows in dice.values():
            values = np.array([row[rule] for row in rows])
            gain = 100 * (values - [row[rules[0]] for row in rows])
            error = gain.std(ddof=1) / len(gain) ** 0.5
            cells += [f"{values.mean():.4f}", f"{gain.mean():+.2f} ± {error:.2f}", f"{np.mean(values < MISSED):.1%}"]
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
