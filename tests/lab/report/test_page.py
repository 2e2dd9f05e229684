"""The whole page: what it must say, what it must never show, and that it loads nothing else."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from salus.atomic import write_json
from salus.data.fingerprint import fingerprint
from salus.data.layouts import read_data_set
from salus.data.phantom.make import COLUMNS
from salus.errors import SalusError
from salus.lab.report.build import build_report

ReadPage = Callable[[Path], Any]
ODD_NAME = "<script>a|b*"


@pytest.fixture(params=["plain_run", "rich_run"])
def any_run(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


def test_html_is_well_formed(any_run: Path, read_page: ReadPage) -> None:
    page = read_page(any_run)
    assert page.errors == []
    assert len(page.ids) == len(set(page.ids))
    assert set(page.labels) <= set(page.ids)
    assert ("html", {"lang": "en"}) in page.tags


def test_html_loads_nothing_else(any_run: Path, read_page: ReadPage) -> None:
    page = read_page(any_run)
    html = (any_run / "report.html").read_text(encoding="utf-8")
    assert page.addresses
    assert [a for a in page.addresses if not a.startswith(("#", "data:image/"))] == []
    assert {a[1:] for a in page.addresses if a.startswith("#")} <= set(page.ids)
    assert not re.search(r"@import|url\((?!#)|https?:", html)
    assert {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "embed"} == set()


def test_html_is_accessible(any_run: Path, read_page: ReadPage) -> None:
    page = read_page(any_run)
    drawings = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert drawings
    assert all(a.get("role") == "img" and a.get("aria-label") for a in drawings)
    assert all(a.get("scope") for tag, a in page.tags if tag == "th")
    assert sum(tag == "caption" for tag, _ in page.tags) == len(page.tables)


def test_figures_follow_the_theme(plain_run: Path, read_page: ReadPage) -> None:
    html = (plain_run / "report.html").read_text(encoding="utf-8")
    drawings = re.findall(r'<svg class="plot.*?</svg>', html, flags=re.DOTALL)
    assert len(drawings) == 5
    for drawing in drawings:
        assert "var(--ink)" in drawing
        assert not re.search(r"#[0-9a-f]{6}\b", drawing)


def test_leakage_is_stated_at_the_top_and_in_the_protocol(rich_run: Path, read_page: ReadPage) -> None:
    page = read_page(rich_run)
    body = page.text[page.text.index("LEAKAGE") :]
    assert body.index("Salus benchmark · breast-tumour") < 400
    assert page.text.count("LEAKAGE") == 2
    assert (rich_run / "report.md").read_text(encoding="utf-8").count("LEAKAGE") == 2
    assert [a for t, a in page.tags if a.get("role") == "alert"]


def test_no_leakage_no_banner(plain_run: Path, read_page: ReadPage) -> None:
    page = read_page(plain_run)
    assert "LEAKAGE" not in page.text
    assert "No leakage" in page.text
    assert not [a for t, a in page.tags if a.get("role") == "alert"]


def test_unfinished_fold_is_listed_and_nothing_is_marked_best(rich_run: Path, read_page: ReadPage) -> None:
    page = read_page(rich_run)
    assert "SA-U-Net, fold 2: in training, 4 epochs done" in page.text
    assert page.bold["main"] == set()
    assert [row[1] for row in page.tables["main"] if row[0].startswith(("U-Net", "SA-U-Net"))][:2] == ["9", "5"]


def test_run_without_any_finished_fold(make_run: Callable[..., Path], read_page: ReadPage) -> None:
    parts = tuple((network, fold) for network in ("unet", "sa-unet") for fold in (1, 2))
    run = make_run(unfinished=parts)
    build_report(run, lambda line: None)
    page = read_page(run)
    assert "nothing to compare" in page.text
    assert page.text.count("in training, 4 epochs done") == 4
    assert page.errors == []


def test_masks_made_elsewhere_are_in_the_tables_but_have_no_cost(rich_run: Path, read_page: ReadPage) -> None:
    tables = read_page(rich_run).tables
    for name in ("main", "field", "folds-network", "folds-native", "tumour-free"):
        assert any(row[0] == "radiologist" for row in tables[name]), name
    assert "radiologist" in tables["strata"][0]
    assert any(row[0] == "radiologist − U-Net" for row in tables["paired"])
    assert not any(row[0] == "radiologist" for row in tables["cost-table"])
    auc = next(row[-1] for row in tables["main"] if row[0] == "radiologist")
    assert auc == "–"


def test_names_from_the_data_are_escaped(rich_run: Path, read_page: ReadPage) -> None:
    page = read_page(rich_run)
    assert ODD_NAME in page.text
    markdown = (rich_run / "report.md").read_text(encoding="utf-8")
    assert "<script" not in markdown
    assert "&lt;script&gt;a\\|b\\*" in markdown


def test_markdown_and_figures_show_no_scan(any_run: Path) -> None:
    assert "data:image/jpeg" in (any_run / "report.html").read_text(encoding="utf-8")
    markdown = (any_run / "report.md").read_text(encoding="utf-8")
    shown = re.findall(r"!\[.*?\]\((.*?)\)", markdown)
    assert shown
    assert "data:" not in markdown
    assert "<img" not in markdown
    assert sorted(shown) == sorted(f"figures/{path.name}" for path in (any_run / "figures").iterdir())
    for path in (any_run / "figures").iterdir():
        tree = ElementTree.parse(path)
        assert not [element for element in tree.iter() if element.tag.endswith("}image")]


def test_page_says_whether_scans_are_real(plain_run: Path, make_run: Callable[..., Path], read_page: ReadPage) -> None:
    warning = "share it only as the data set’s licence allows"
    assert warning in read_page(plain_run).text
    run = make_run(n=6, free=0)
    data = run.parent / "data"
    shutil.rmtree(data)
    _replace_by_phantoms(run, data)
    build_report(run, lambda line: None)
    page = read_page(run)
    assert warning not in page.text
    assert "phantoms" in page.text
    assert "None in this set." in page.text  # of tumour-free images
    assert "tumour-free" not in page.tables


def _replace_by_phantoms(run: Path, data: Path) -> None:
    """Replace a run's data by images with the names and the manifest of this package's phantoms."""
    folds = json.loads((run / "folds.json").read_text(encoding="utf-8"))
    new = {old: f"phantom_{i:05d}" for i, old in enumerate(folds["test"])}
    for part in ("images", "masks"):
        (data / part).mkdir(parents=True)
        for name in new.values():
            pixels = np.zeros((40, 40), np.uint8)
            pixels[10:20, 10:20] = 255
            Image.fromarray(pixels).save(data / part / f"{name}.png")
    (data / "manifest.csv").write_text(",".join(COLUMNS) + "\n", encoding="utf-8")
    for part in ("test", "groups"):
        folds[part] = {new[old]: value for old, value in folds[part].items()}
    write_json(run / "folds.json", folds)
    write_json(run / "data.json", fingerprint(read_data_set(data, "published").labelled))
    for path in run.glob("*/*/outputs.npz"):
        content = dict(np.load(path))
        np.savez(path, **{**content, "names": np.asarray([new[str(n)] for n in content["names"]])})
    for path in run.glob("*/*/scores.csv"):
        text = path.read_text(encoding="utf-8")
        for old, name in new.items():
            text = text.replace(f",{old},", f",{name},")
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("change", ["gone", "changed"])
def test_without_the_data_set_there_are_tables_and_a_remark(
    make_run: Callable[..., Path], read_page: ReadPage, change: str
) -> None:
    run = make_run(n=6, free=2)
    image = next((run.parent / "data" / "images").iterdir())
    if change == "gone":
        shutil.rmtree(run.parent / "data")
    else:
        Image.fromarray(np.zeros((48, 60), np.uint8)).save(image)
    lines: list[str] = []
    build_report(run, lines.append)
    page = read_page(run)
    assert "no pooled curves and no panels" in page.text
    assert any("no pooled curves and no panels" in line for line in lines)
    assert "main" in page.tables
    assert "data:image/jpeg" not in (run / "report.html").read_text(encoding="utf-8")


def test_only_tumour_free_images(make_run: Callable[..., Path], read_page: ReadPage) -> None:
    run = make_run(n=6, free=6)
    build_report(run, lambda line: None)
    page = read_page(run)
    assert [row[1] for row in page.tables["tumour-free"][1:]] == ["6", "6"]
    assert page.errors == []


def test_damaged_part_is_named(make_run: Callable[..., Path]) -> None:
    run = make_run(n=6)
    (run / "unet" / "fold-1" / "scores.csv").write_text("network,fold\nunet,1\n", encoding="utf-8")
    with pytest.raises(SalusError, match=r"fold-1.*not a table of scores"):
        build_report(run, lambda line: None)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("folds.json", '{"rule": "grouped", "seed": 1, "test": ["a"], "groups": {}}'),
        ("folds.json", '{"rule": "grouped", "seed": 1, "test": {"000": "x"}, "groups": {"000": "a"}}'),
        ("folds.json", '{"rule": "grouped", "seed": 1, "test": {"000": 1}, "groups": {}}'),
        ("folds.json", '{"rule": "grouped", "seed": 1, "test": {"000": 1}, "groups": null}'),
        ("data.json", "{}"),
        ("run.json", {"networks": [1, 2]}),
        ("run.json", {"networks": "unet"}),
        ("run.json", {"predictions": None}),
        ("run.json", {"predictions": ["Reader"]}),
        ("unet/fold-1/history.csv", "epoch,seconds,loss\n1,2,3\n"),
        ("unet/fold-1/summary.json", {"gflop": "many"}),
    ],
)
def test_damaged_files_are_named(make_run: Callable[..., Path], file: str, content: str | dict[str, object]) -> None:
    run = make_run(n=6)
    if isinstance(content, dict):
        content = json.dumps(json.loads((run / file).read_text(encoding="utf-8")) | content)
    (run / file).write_text(content, encoding="utf-8")
    with pytest.raises(SalusError, match=Path(file).name.replace(".", r"\.")):
        build_report(run, lambda line: None)


@pytest.mark.parametrize("kept", [0, 0.5])
def test_damaged_outputs_leave_out_the_curves_alone(make_run: Callable[..., Path], kept: float) -> None:
    run, lines = make_run(n=6), []
    path = run / "unet" / "fold-1" / "outputs.npz"
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    build_report(run, lines.append)
    assert any("outputs.npz: unreadable" in line and "no curves of unet" in line for line in lines)
    assert (run / "report.html").is_file()


def test_file_in_place_of_a_run(tmp_path: Path) -> None:
    (tmp_path / "afile").touch()
    with pytest.raises(SalusError, match="afile: is a file"):
        build_report(tmp_path / "afile", lambda line: None)


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(SalusError, match="no such file"):
        build_report(tmp_path, lambda line: None)
