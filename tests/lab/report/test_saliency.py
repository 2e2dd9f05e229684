"""The report of a saliency benchmark: its numbers, its gallery, and that only the page shows scans."""

import re

import numpy as np
import pytest

from salus.lab.report.saliency import build_saliency_report
from salus.lab.report.saliency_pictures import IMAGES_PER_KIND, best_method, make_gallery
from salus.lab.saliency.benchmark import SaliencyResult, calibration_json, score_rows
from salus.lab.saliency.config import SaliencyBenchmarkConfig
from salus.lab.training.cross_validation import CrossValidationData
from salus.metrics.saliency import measure_calibration

SIDE = 16
METHODS = ("prior", "good")


@pytest.fixture(scope="module")
def results():
    """Data, maps and rows of 24 images of a set <a>&b, two a patient: 20 with a tumour, 4 without. Method "good" has
    the worse maps the higher the number of the image.
    """
    rng = np.random.default_rng(2)
    masks = np.zeros((24, SIDE, SIDE), bool)
    masks[:20, 4:10, 5:12] = True
    noise = rng.random(masks.shape)
    strength = np.append(np.linspace(1, 0, 20), np.zeros(4))[:, None, None]
    good = np.clip(noise * (1 - strength * masks) + strength * masks, 0, 1)
    good[20:] *= np.array([0.3, 0.2, 0.9, 0.45])[:, None, None]
    maps = {"prior": np.ones(masks.shape, np.float16), "good": good.astype(np.float16)}
    data = CrossValidationData(
        names=tuple(f"scan-{i}" for i in range(24)),
        cases=(),
        sets=("<a>&b",) * 24,
        labels=("",) * 24,
        groups=tuple(f"p{i // 2}" for i in range(24)),
        fold=np.arange(24) % 2 + 1,
        images=rng.integers(0, 256, masks.shape, np.uint8),
        masks=masks,
        saliency=None,
    )
    confidence = {"prior": np.full(24, np.nan), "good": np.linspace(1, 0, 24)}
    rows = [row for method in METHODS for row in score_rows(data, method, maps[method], confidence[method])]
    return data, maps, rows


@pytest.fixture(scope="module")
def report(results, tmp_path_factory):
    """The run's folder, report.html, report.md and the log."""
    data, maps, rows = results
    run, lines = tmp_path_factory.mktemp("run"), []
    reliability = {m: {"<a>&b": calibration_json(measure_calibration(maps[m], data.masks))} for m in METHODS}
    config = SaliencyBenchmarkConfig(("/data/<a>&b",), METHODS, folds=2, size=SIDE)
    result = SaliencyResult(config, data, maps, rows, reliability, {"prior": np.nan, "good": 7.25})
    build_saliency_report(run, result, lines.append)
    return run, (run / "report.html").read_text(), (run / "report.md").read_text(), lines


def table(text, title):
    """Return the cells of the Markdown table under a title."""
    part = text[text.index(title) :].splitlines()[2:]
    lines = [line for line in part[: part.index("")] if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_table_holds_the_means_of_the_rows(results, report):
    _, _, rows = results
    head, rule, prior, good = table(report[2], "20 images with a tumour")
    assert len(head) == len(rule) == len(prior) == len(good) == 8
    for cell, score in zip(good[1:6], ("auc", "hit", "best_dice", "f_measure", "mae"), strict=True):
        mean = np.mean([r[score] for r in rows if r["method"] == "good" and r["tumour"]])
        assert float(cell.split()[0]) == pytest.approx(mean, abs=6e-4)
    assert prior[-1] == "–"
    assert good[-1] == "7.2"
    assert prior[1].startswith("0.500")


def test_tables_of_tumour_free_images_differences_and_confidence(results, report):
    _, _, rows = results
    *_, prior, good = table(report[2], "4 tumour-free images")
    assert prior[1].startswith("0%")
    assert good[1].startswith("75%")  # three of the four stay below 0.5
    *_, difference = table(report[2], "paired difference to prior")
    auc = np.mean([r["auc"] for r in rows if r["method"] == "good" and r["tumour"]])
    assert float(difference[1].split()[0]) == pytest.approx(auc - 0.5, abs=6e-4)
    *_, confidence = table(report[2], "confidence against best Dice")
    assert confidence[0] == "good"
    assert float(confidence[3]) > 0.9


def test_only_the_page_shows_scans_and_it_warns_and_loads_nothing(report):
    run, page, text, _ = report
    assert "Do not share" in page
    assert page.count("data:image/jpeg") == 3 * len(re.findall(r"<h3>", page))
    assert "scan-" not in text
    assert "data:" not in text.replace("/data", "")
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    assert "<script" not in page
    assert "&lt;a&gt;&amp;b" in page
    assert "<a>" not in page
    for name in re.findall(r"\(figures/([^)]+)\)", text):
        assert "<image" not in (run / "figures" / name).read_text()
    assert len(re.findall(r"figures/", text)) == 2


def test_the_gallery_shows_best_median_worst_and_most_lit(results):
    data, maps, rows = results
    assert best_method(METHODS, rows) == "good"
    pictures = make_gallery("<a>&b", METHODS, "good", data, maps, rows)
    kinds = {}
    for picture in pictures:
        kinds.setdefault(picture.title.split(", ", 1)[1].split(":")[0], []).append(picture)
    assert set(kinds) == {"best", "median", "worst", "tumour-free, most lit"}
    assert {len(members) for members in kinds.values()} == {IMAGES_PER_KIND}
    auc = {r["image"]: r["auc"] for r in rows if r["method"] == "good" and r["tumour"]}
    shown = {kind: [auc.get(p.title.split(": ")[1]) for p in members] for kind, members in kinds.items()}
    ordered = sorted(auc.values(), reverse=True)
    assert shown["best"] == ordered[:4]
    assert shown["worst"] == ordered[-4:]
    assert shown["median"] == ordered[8:12]
    assert kinds["tumour-free, most lit"][0].title.endswith("scan-22")
    assert kinds["tumour-free, most lit"][0].truth == ""
    assert len({p.title for p in pictures}) == len(pictures)


def test_few_images_are_shown_once(results):
    data, maps, rows = results
    few = [r for r in rows if r["image"] in ("scan-0", "scan-1", "scan-5")]
    pictures = make_gallery("<a>&b", METHODS, "good", data, maps, few)
    assert len(pictures) == 3


def test_main_tables_are_logged_with_aligned_columns(report):
    lines = report[3]
    start = next(i for i, line in enumerate(lines) if "20 images with a tumour" in line)
    head, prior, good = lines[start + 1 : start + 4]
    assert head.index("best Dice") == prior.index(prior.split("]")[2].strip()) == good.index(good.split("]")[2].strip())
