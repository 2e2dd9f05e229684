"""The numbers in the page, computed again from the CSV with nothing of the report's own code."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import pytest

TITLES = {"unet": "U-Net", "sa-unet": "SA-U-Net"}


def rows(run: Path, resolution: str = "network") -> list[dict[str, str]]:
    with (run / "scores.csv").open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["resolution"] == resolution]


def lesions(run: Path, network: str, resolution: str = "network") -> list[dict[str, str]]:
    return [r for r in rows(run, resolution) if r["network"] == network and float(r["area_true"]) > 0]


def short(value: float, digits: int = 3) -> str:
    text = f"{value:.{digits}f}"
    return text[1:] if text.startswith("0.") and digits == 3 else text


def over_folds(found: list[dict[str, str]], score: str) -> tuple[float, float]:
    means = [fmean(float(r[score]) for r in found if r["fold"] == fold) for fold in sorted({r["fold"] for r in found})]
    return fmean(means), pstdev(means)


def line(table: list[list[str]], head: str, occurrence: int = 0) -> list[str]:
    return [[cell.replace("\u2007", "") for cell in row] for row in table if row[0] == head][occurrence]


@pytest.mark.parametrize("network", TITLES)
@pytest.mark.parametrize(("resolution", "occurrence"), [("network", 0), ("native", 1)])
def test_main_table_is_the_mean_over_folds_and_its_spread(
    plain_run: Path, read_page: Callable[[Path], Any], network: str, resolution: str, occurrence: int
) -> None:
    found = lesions(plain_run, network, resolution)
    cells = line(read_page(plain_run).tables["main"], TITLES[network], occurrence)
    assert cells[1] == str(len(found))
    for cell, score in zip(cells[2:], ("dice", "jaccard", "tpr", "fpr", "precision", "accuracy", "auc"), strict=True):
        mean, spread = over_folds(found, score)
        assert cell == f"{short(mean)} ± {short(spread)}", score


def test_field_table(plain_run: Path, read_page: Callable[[Path], Any]) -> None:
    found = lesions(plain_run, "sa-unet", "native")
    cells = line(read_page(plain_run).tables["field"], "SA-U-Net", 1)
    for cell, score, digits in ((cells[2], "hd95", 1), (cells[3], "assd", 1), (cells[6], "false_lesions", 2)):
        mean, spread = over_folds(found, score)
        assert cell == f"{mean:.{digits}f} ± {spread:.{digits}f}", score
    for row in found:
        row["share"] = str(float(row["lesions_found"]) / float(row["lesions_true"]))
    assert cells[5] == "{} ± {}".format(*map(short, over_folds(found, "share")))


def test_best_of_a_column_is_bold(plain_run: Path, read_page: Callable[[Path], Any]) -> None:
    page = read_page(plain_run)
    means = {name: over_folds(lesions(plain_run, name), "dice")[0] for name in TITLES}
    better = max(means, key=lambda name: means[name])
    worse = min(means, key=lambda name: means[name])
    bold = {text.replace("\u2007", "") for text in page.bold["main"]}
    assert line(page.tables["main"], TITLES[better])[2] in bold
    assert line(page.tables["main"], TITLES[worse])[2] not in bold


def test_fold_tables(plain_run: Path, read_page: Callable[[Path], Any]) -> None:
    page = read_page(plain_run)
    for resolution in ("network", "native"):
        for fold in (1, 2):
            found = [r for r in lesions(plain_run, "unet", resolution) if r["fold"] == str(fold)]
            cells = line(page.tables[f"folds-{resolution}"], "U-Net", fold - 1)
            assert cells[1:4] == ["4 + 2", str(len(found)), short(fmean(float(r["dice"]) for r in found))]
            assert cells[-1] == short(fmean(float(r["hd95"]) for r in found), 1)


def test_strata(plain_run: Path, read_page: Callable[[Path], Any]) -> None:
    table = read_page(plain_run).tables["strata"]
    found = lesions(plain_run, "unet")
    for label in ("benign", "malignant"):
        dice = [float(r["dice"]) for r in found if r["label"] == label]
        assert line(table, label)[1:3] == [str(len(dice)), short(fmean(dice))]
    ordered = sorted(found, key=lambda r: float(r["area_true"]))
    third = ordered[: int(line(table, "Small")[1])]
    assert len(third) == len(found) // 3
    assert line(table, "Small")[2] == short(fmean(float(r["dice"]) for r in third))


def test_tumour_free_images_are_apart(plain_run: Path, read_page: Callable[[Path], Any]) -> None:
    free = [r for r in rows(plain_run) if r["network"] == "sa-unet" and float(r["area_true"]) == 0]
    cells = line(read_page(plain_run).tables["tumour-free"], "SA-U-Net")
    empty = fmean(float(r["area_predicted"]) == 0 for r in free)
    area = fmean(float(r["area_predicted"]) for r in free)
    assert cells[1:5] == [str(len(free)), short(empty), f"{area:.1f}", f"{100 * area / 32**2:.2f}"]


def test_paired_table(plain_run: Path, read_page: Callable[[Path], Any]) -> None:
    table = read_page(plain_run).tables["paired"]
    scores = {name: {r["case"]: r for r in lesions(plain_run, name)} for name in TITLES}
    for occurrence, (score, factor) in enumerate((("dice", 100), ("jaccard", 100), ("hd95", 1))):
        pairs = [float(scores["sa-unet"][case][score]) - float(row[score]) for case, row in scores["unet"].items()]
        cells = line(table, "SA-U-Net − U-Net", occurrence)
        assert cells[1] == f"{factor * fmean(pairs):+.1f}".replace("-", "−")
        assert cells[2] == str(len(pairs))


def test_cost_and_settings(plain_run: Path, read_page: Callable[[Path], Any]) -> None:
    tables = read_page(plain_run).tables
    assert line(tables["cost-table"], "SA-U-Net")[1:6] == ["1\u202f434\u202f626", "1.00", "12.5", "3.2", "4"]
    assert line(tables["settings"], "Epochs at most")[1:] == [
        "4",
        "200",
        "less time; networks are not trained out",
    ]
    assert line(tables["settings"], "Images per batch")[3] == "as published"
    assert line(tables["run-settings"], "Saliency maps")[1] == "prior"


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
    mean, spread = over_folds(lesions(plain_run, "unet"), "dice")
    assert f"{short(mean)} ± {short(spread)}" in text
