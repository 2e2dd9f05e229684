"""The report of a saliency benchmark: its numbers, what its gallery picks, and that only the page shows scans."""

import re

import numpy as np
import pytest

from salus.lab.report.saliency import build_saliency_report
from salus.lab.report.saliency_pictures import SHOWN, gallery, ranked_by
from salus.lab.saliency.benchmark import SaliencyResult, _rows, calibration_json
from salus.lab.saliency.config import Asked
from salus.lab.training.cross_validation import Pool
from salus.metrics.saliency import calibrate

SIDE = 16
METHODS = ("prior", "good")


@pytest.fixture(scope="module")
def material():
    """24 images of a set <a>&b, two a patient: 20 with a tumour, 4 without. "good" worsens with the number."""
    rng = np.random.default_rng(2)
    masks = np.zeros((24, SIDE, SIDE), bool)
    masks[:20, 4:10, 5:12] = True
    noise = rng.random(masks.shape)
    strength = np.append(np.linspace(1, 0, 20), np.zeros(4))[:, None, None]
    good = np.clip(noise * (1 - strength * masks) + strength * masks, 0, 1)
    good[20:] *= np.array([0.3, 0.2, 0.9, 0.45])[:, None, None]
    maps = {"prior": np.ones(masks.shape, np.float16), "good": good.astype(np.float16)}
    pool = Pool(
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
    rows = [row for method in METHODS for row in _rows(pool, method, maps[method], confidence[method])]
    return pool, maps, rows


@pytest.fixture(scope="module")
def report(material, tmp_path_factory):
    pool, maps, rows = material
    run, lines = tmp_path_factory.mktemp("run"), []
    found = {m: {"<a>&b": calibration_json(calibrate(maps[m], pool.masks))} for m in METHODS}
    asked = Asked(("/data/<a>&b",), METHODS, folds=2, size=SIDE)
    result = SaliencyResult(asked, pool, maps, rows, found, {"prior": np.nan, "good": 7.25})
    build_saliency_report(run, result, lines.append)
    return run, (run / "report.html").read_text(), (run / "report.md").read_text(), lines


def table(text, title):
    """Cells of the Markdown table under a title."""
    part = text[text.index(title) :].splitlines()[2:]
    lines = [line for line in part[: part.index("")] if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_tables_hold_the_means_of_the_rows_without_a_gap(material, report):
    _, _, rows = material
    head, rule, prior, good = table(report[2], "20 images with a tumour")
    assert len(head) == len(rule) == len(prior) == len(good) == 8
    for cell, score in zip(good[1:6], ("auc", "hit", "best_dice", "f_measure", "mae"), strict=True):
        mean = np.mean([r[score] for r in rows if r["method"] == "good" and r["tumour"]])
        assert float(cell.split()[0]) == pytest.approx(mean, abs=6e-4)
    assert prior[-1] == "–"
    assert good[-1] == "7.2"
    assert prior[1].startswith("0.500")


def test_tumour_free_images_differences_and_confidence_have_tables_of_their_own(material, report):
    _, _, rows = material
    *_, prior, good = table(report[2], "4 tumour-free images")
    assert prior[1].startswith("0%")
    assert good[1].startswith("75%")  # three of the four stay below 0.5
    *_, difference = table(report[2], "paired difference to prior")
    auc = np.mean([r["auc"] for r in rows if r["method"] == "good" and r["tumour"]])
    assert float(difference[1].split()[0]) == pytest.approx(auc - 0.5, abs=6e-4)
    *_, confidence = table(report[2], "confidence against best Dice")
    assert confidence[0] == "good"
    assert float(confidence[3]) > 0.9


def test_only_the_page_shows_scans_and_it_says_so_and_fetches_nothing(report):
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


def test_the_gallery_shows_best_median_worst_and_most_lit(material):
    pool, maps, rows = material
    assert ranked_by(METHODS, rows) == "good"
    found = gallery("<a>&b", METHODS, "good", pool, maps, rows)
    kinds = {}
    for picture in found:
        kinds.setdefault(picture.title.split(", ", 1)[1].split(":")[0], []).append(picture)
    assert {kind: len(pictures) for kind, pictures in kinds.items()} == {
        "best": SHOWN, "median": SHOWN, "worst": SHOWN, "tumour-free, most lit": SHOWN
    }  # fmt: skip
    auc = {r["image"]: r["auc"] for r in rows if r["method"] == "good" and r["tumour"]}
    shown = {kind: [auc.get(p.title.split(": ")[1]) for p in pictures] for kind, pictures in kinds.items()}
    ordered = sorted(auc.values(), reverse=True)
    assert shown["best"] == ordered[:4]
    assert shown["worst"] == ordered[-4:]
    assert shown["median"] == ordered[8:12]
    assert kinds["tumour-free, most lit"][0].title.endswith("scan-22")
    assert kinds["tumour-free, most lit"][0].truth == ""
    assert len({p.title for p in found}) == len(found)


def test_few_images_are_shown_once(material):
    pool, maps, rows = material
    few = [r for r in rows if r["image"] in ("scan-0", "scan-1", "scan-5")]
    found = gallery("<a>&b", METHODS, "good", pool, maps, few)
    assert len(found) == 3


def test_the_main_tables_are_printed_in_line(report):
    lines = report[3]
    start = next(i for i, line in enumerate(lines) if "20 images with a tumour" in line)
    head, prior, good = lines[start + 1 : start + 4]
    assert head.index("best Dice") == prior.index(prior.split("]")[2].strip()) == good.index(good.split("]")[2].strip())
