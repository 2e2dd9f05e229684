"""The numbers of the page, computed again from scores.csv without the report's own code."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

TITLES = {"unet": "U-Net", "sa-unet": "SA-U-Net"}


def rows(run: Path, resolution: str = "network") -> list[dict[str, str]]:
    with (run / "scores.csv").open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["resolution"] == resolution]


def lesion_rows(run: Path, network: str, resolution: str = "network") -> list[dict[str, str]]:
    return [r for r in rows(run, resolution) if r["network"] == network and float(r["area_true"]) > 0]


def format_score(value: float, digits: int = 3) -> str:
    text = f"{value:.{digits}f}"
    return text[1:] if text.startswith("0.") and digits == 3 else text


def mean_and_spread(scored: list[dict[str, str]], score: str) -> tuple[float, float]:
    means = [
        fmean(float(r[score]) for r in scored if r["fold"] == fold) for fold in sorted({r["fold"] for r in scored})
    ]
    return fmean(means), stdev(means)


def row_cells(table: list[list[str]], title: str, occurrence: int = 0) -> list[str]:
    return [[cell.replace("\u2007", "") for cell in row] for row in table if row[0] == title][occurrence]


@pytest.mark.parametrize("network", TITLES)
@pytest.mark.parametrize(("resolution", "occurrence"), [("network", 0), ("native", 1)])
def test_main_table_is_the_mean_over_folds_and_its_spread(
    plain_run: Path, read_page: Callable[[Path], Any], network: str, resolution: str, occurrence: int
) -> None:
    scored = lesion_rows(plain_run, network, resolution)
    cells = row_cells(read_page(plain_run).tables["main"], TITLES[network], occurrence)
    assert cells[1] == str(len(scored))
    for cell, score in zip(cells[2:], ("dice", "jaccard", "tpr", "fpr", "precision", "accuracy", "auc"), strict=True):
        mean, spread = mean_and_spread(scored, score)
        assert cell == f"{format_score(mean)} ± {format_score(spread)}", score


def test_field_table(plain_run: Path, read_page: Callable[[Path], Any]) -> None:
    scored = lesion_rows(plain_run, "sa-unet", "native")
    cells = row_cells(read_page(plain_run).tables["field"], "SA-U-Net", 1)
    for cell, score, digits in ((cells[2], "hd95", 1), (cells[3], "assd", 1), (cells[6], "false_lesions", 2)):
        mean, spread = mean_and_spread(scored, score)
        assert cell == f"{mean:.{digits}f} ± {spread:.{digits}f}", score
    for row in scored:
        row["share"] = str(float(row["lesions_found"]) / float(row["lesions_true"]))
    assert cells[5] == "{} ± {}".format(*map(format_score, mean_and_spread(scored, "share")))


def test_best_of_a_column_is_bold(plain_run: Path, read_page: Callable[[Path], Any]) -> None:
    page = read_page(plain_run)
    means = {name: mean_and_spread(lesion_rows(plain_run, name), "dice")[0] for name in TITLES}
    better = max(means, key=lambda name: means[name])
    worse = min(means, key=lambda name: means[name])
    bold = {text.replace("\u2007", "") for text in page.bold["main"]}
    assert row_cells(page.tables["main"], TITLES[better])[2] in bold
    assert row_cells(page.tables["main"], TITLES[worse])[2] not in bold


def test_fold_tables(plain_run: Path, read_page: Callable[[Path], Any]) -> None:
    page = read_page(plain_run)
    for resolution in ("network", "native"):
        for fold in (1, 2):
            scored = [r for r in lesion_rows(plain_run, "unet", resolution) if r["fold"] == str(fold)]
            cells = row_cells(page.tables[f"folds-{resolution}"], "U-Net", fold - 1)
            assert cells[1:4] == ["4 + 2", str(len(scored)), format_score(fmean(float(r["dice"]) for r in scored))]
            assert cells[-1] == format_score(fmean(float(r["hd95"]) for r in scored), 1)


def test_strata(plain_run: Path, read_page: Callable[[Path], Any]) -> None:
    table = read_page(plain_run).tables["strata"]
    scored = lesion_rows(plain_run, "unet")
    for label in ("benign", "malignant"):
        dice = [float(r["dice"]) for r in scored if r["label"] == label]
        assert row_cells(table, label)[1:3] == [str(len(dice)), format_score(fmean(dice))]
    ordered = sorted(scored, key=lambda r: float(r["area_true"]))
    third = ordered[: int(row_cells(table, "Small")[1])]
    assert len(third) == len(scored) // 3
    assert row_cells(table, "Small")[2] == format_score(fmean(float(r["dice"]) for r in third))


def test_tumour_free_images_are_apart(plain_run: Path, read_page: Callable[[Path], Any]) -> None:
    free = [r for r in rows(plain_run) if r["network"] == "sa-unet" and float(r["area_true"]) == 0]
    cells = row_cells(read_page(plain_run).tables["tumour-free"], "SA-U-Net")
    empty = fmean(float(r["area_predicted"]) == 0 for r in free)
    area = fmean(float(r["area_predicted"]) for r in free)
    assert cells[1:5] == [str(len(free)), format_score(empty), f"{area:.1f}", f"{100 * area / 32**2:.2f}"]


def test_paired_table(plain_run: Path, read_page: Callable[[Path], Any]) -> None:
    table = read_page(plain_run).tables["paired"]
    scores = {name: {r["case"]: r for r in lesion_rows(plain_run, name)} for name in TITLES}
    for occurrence, (score, factor) in enumerate((("dice", 100), ("jaccard", 100), ("hd95", 1))):
        pairs = [float(scores["sa-unet"][case][score]) - float(row[score]) for case, row in scores["unet"].items()]
        cells = row_cells(table, "SA-U-Net − U-Net", occurrence)
        assert cells[1] == f"{factor * fmean(pairs):+.1f}".replace("-", "−")
        assert cells[2] == str(len(pairs))


def test_cost_and_settings(plain_run: Path, read_page: Callable[[Path], Any]) -> None:
    tables = read_page(plain_run).tables
    assert row_cells(tables["cost-table"], "SA-U-Net")[1:6] == ["1\u202f434\u202f626", "1.00", "12.5", "3.2", "4"]
    assert row_cells(tables["settings"], "Epochs at most")[1:] == [
        "4",
        "200",
        "less time; networks are not trained out",
    ]
    assert row_cells(tables["settings"], "Images per batch")[3] == "as published"
    assert row_cells(tables["run-settings"], "Saliency maps")[1] == "prior"
    assert row_cells(tables["run-settings"], "Masks were read as")[1].startswith("truth: ")


def test_scores_csv_holds_every_part(plain_run: Path) -> None:
    whole = {(r["network"], r["fold"], r["case"], r["resolution"]) for r in rows(plain_run) + rows(plain_run, "native")}
    tested = json.loads((plain_run / "folds.json").read_text(encoding="utf-8"))["test"]
    assert whole == {
        (network, str(fold), case, resolution)
        for network in TITLES
        for case, fold in tested.items()
        for resolution in ("network", "native")
    }


def test_markdown_holds_the_same_numbers(plain_run: Path) -> None:
    text = (plain_run / "report.md").read_text(encoding="utf-8").replace("\u2007", "")
    mean, spread = mean_and_spread(lesion_rows(plain_run, "unet"), "dice")
    assert f"{format_score(mean)} ± {format_score(spread)}" in text
