"""The rows of docs/results/published.md: the scores of each network and map, and paired differences to one of them.

    salus benchmark DATA --networks unet-wide,sa-unet@learned,sa-unet@anatomy --folds 4 --size 128 -o RUN
    python bench/published_rows.py docs/results/published-128 RUN [RUN of another seed ...] --against unet-wide

Runs may hold different networks, and a network may be in several runs (seeds): an image's score is then its mean
over them. All runs must test each image in the same fold: give the later ones --folds-file FIRST/folds.json. Of a run
that is not finished, `salus report RUN` writes the scores so far; a network without a score of every image is named,
and left out.

First table: mean over folds of the folds' means ± standard deviation over folds (divisor folds - 1). Second:
differences of DSC in points, paired by image; 95% bootstrap interval over patients; p of a sign-flip permutation of
patients, Holm-adjusted over the table. Images with a tumour alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from salus.lab.report.number_format import format_interval, format_p_cell, format_ratio, format_signed
from salus.lab.report.run_data import method_title
from salus.metrics.fold_statistics import mean_over_folds
from salus.metrics.statistics import bootstrap_interval, holm, paired_difference
from salus.spreadsheet import read_rows

COLUMNS = {
    "dice": "DSC",
    "jaccard": "JI",
    "tpr": "TPR",
    "fpr": "FPR",
    "precision": "precision",
    "accuracy": "ACC",
    "auc": "AUC-ROC",
}
"""The scores of the table, by their names in scores.csv."""


@dataclass(frozen=True)
class Scored:
    """The scores of several networks on the same images.

    Attributes:
        scores: by network (with its map), score and image: the mean over runs.
        runs: how many runs hold the network.
        folds: fold of each image.
        patients: patient of each image; the image itself where none is known.
    """

    scores: dict[str, dict[str, dict[str, float]]]
    runs: dict[str, int]
    folds: dict[str, str]
    patients: dict[str, str]


def read(runs: Sequence[Path], resolution: str) -> Scored:
    """Read the scores of runs on images with a tumour.

    Args:
        runs: folders that hold scores.csv.
        resolution: "network" or "native", the size at which was scored.

    Raises:
        SystemExit: an image is in different folds in two runs.
    """
    values: dict[str, dict[str, dict[str, list[float]]]] = {}
    folds: dict[str, str] = {}
    patients: dict[str, str] = {}
    in_runs: dict[str, int] = {}
    for run in runs:
        rows = [r for r in read_rows(run / "scores.csv") if r["resolution"] == resolution and float(r["area_true"]) > 0]
        for row in rows:
            case = row["case"]
            if folds.setdefault(case, row["fold"]) != row["fold"]:
                raise SystemExit(
                    f"{run}: tests {case} in fold {row['fold']}, another run in {folds[case]}; use --folds-file"
                )
            patients[case] = row["patient"] or case
            for score in COLUMNS:
                by_case = values.setdefault(row["network"], {}).setdefault(score, {})
                by_case.setdefault(case, []).append(float(row[score] or "nan"))
        for network in {row["network"] for row in rows}:
            in_runs[network] = in_runs.get(network, 0) + 1
    means = {
        network: {
            score: {case: float(np.mean(v)) for case, v in by_case.items()} for score, by_case in by_score.items()
        }
        for network, by_score in values.items()
    }
    return Scored(means, in_runs, folds, patients)


def drop_unfinished(scored: Scored) -> tuple[Scored, list[str]]:
    """Leave out networks that were not tested on every image; a line for each of them."""
    counts = {network: len(by_score["dice"]) for network, by_score in scored.scores.items()}
    finished = {name: values for name, values in scored.scores.items() if counts[name] == len(scored.folds)}
    lines = [
        f"left out: {name}, tested on {n} of {len(scored.folds)} images"
        for name, n in counts.items()
        if name not in finished
    ]
    return Scored(finished, scored.runs, scored.folds, scored.patients), lines


def score_table(scored: Scored) -> list[str]:
    """Format the first table as lines of Markdown."""
    cases = sorted(scored.folds)
    folds = [scored.folds[case] for case in cases]
    lines = ["| | runs | " + " | ".join(COLUMNS.values()) + " |", "|---|---|" + "---|" * len(COLUMNS)]
    for network, by_score in scored.scores.items():
        cells = [str(scored.runs[network])]
        for score in COLUMNS:
            result = mean_over_folds([by_score[score][case] for case in cases], folds)
            spread = f" ± {format_ratio(result.sd)}" if score == "dice" else ""
            cells.append(format_ratio(result.mean) + spread)
        lines.append(f"| {method_title(network)} | {' | '.join(cells)} |")
    return lines


def difference_table(scored: Scored, against: str) -> list[str]:
    """Format the second table: each network's DSC and its difference to `against`.

    Raises:
        SystemExit: no finished network has that name.
    """
    if against not in scored.scores:
        raise SystemExit(
            f"--against {against}: no finished network of these runs; there are {', '.join(scored.scores)}"
        )
    cases = sorted(scored.folds)
    patients = [scored.patients[case] for case in cases]
    dsc = {network: [by_score["dice"][case] for case in cases] for network, by_score in scored.scores.items()}
    others = [network for network in dsc if network != against]
    differences = [paired_difference(dsc[network], dsc[against], patients) for network in others]
    adjusted = dict(zip(others, holm([d.p_permutation for d in differences]), strict=True)) if others else {}
    by_network = dict(zip(others, differences, strict=True))
    title = method_title(against)
    lines = [f"| | DSC of an image [95%] | points more than {title} [95%] | p | p (Holm) |", "|---|---|---|---|---|"]
    for network, values in dsc.items():
        own = bootstrap_interval(values, patients)
        cells = [f"{format_ratio(own.mean)} {format_interval(own.low, own.high)}", "–", "–", "–"]
        if network in by_network:
            d = by_network[network]
            interval = format_interval(100 * d.low, 100 * d.high, format_signed)
            p_values = [format_p_cell(d.p_permutation), format_p_cell(float(adjusted[network]))]
            cells[1:] = [f"{format_signed(100 * d.mean)} {interval}", *p_values]
        lines.append(f"| {method_title(network)} | {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Print both tables."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    p.add_argument("--against", required=True, metavar="NETWORK[@MAP]", help="as in scores.csv, e.g. unet-wide")
    p.add_argument("--resolution", default="network", choices=("network", "native"))
    args = p.parse_args()
    scored, remarks = drop_unfinished(read(args.runs, args.resolution))
    lines = [*score_table(scored), "", *difference_table(scored, args.against)]
    print("\n".join([*lines, "", f"{len(scored.folds)} images, at the {args.resolution} size", *remarks]))


if __name__ == "__main__":
    main()
