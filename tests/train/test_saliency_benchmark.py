"""Judging saliency methods: out of fold, resumable, with a report that keeps pictures to itself."""

import csv
from typing import ClassVar

import numpy as np
import pytest

from salus.data.phantom import write_phantoms
from salus.errors import SalusError
from salus.train import estimators
from salus.train.saliency_benchmark import Asked, resume, start


class Spy:
    """Remembers the images that it was fitted on and asked about; its map is the image."""

    calls: ClassVar[list] = []

    def fit(self, images, masks):
        self.seen = {image.tobytes() for image in images}

    def estimate(self, images):
        Spy.calls.append((self.seen, {image.tobytes() for image in images}))
        return images / np.float32(255)


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms") / "set"
    write_phantoms(folder, 12, seed=3)
    return folder


def rows(run):
    with (run / "scores.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_scores_table_report_and_resume(phantoms, tmp_path):
    run, lines = tmp_path / "run", []
    start(run, Asked((str(phantoms),), ("prior", "constant"), folds=3, size=32), lines.append)
    found = rows(run)
    assert len(found) == 24
    constant = [float(r["auc"]) for r in found if r["method"] == "constant" and r["tumour"] == "1"]
    assert constant
    assert set(constant) == {0.5}
    assert all(r["auc"] == "" for r in found if r["tumour"] == "0")
    page, text = (run / "report.html").read_text(), (run / "report.md").read_text()
    assert "data:image/jpeg" in page
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "data:image" not in text
    assert "| constant | 0.500 [0.500, 0.500]" in text
    assert any(line.strip().startswith("prior") for line in lines)

    kept = {p: p.stat().st_mtime_ns for p in run.glob("*/fold-*.npz")}
    assert len(kept) == 6
    next(iter(kept)).unlink()
    resume(run, lines.append)
    again = {p: p.stat().st_mtime_ns for p in run.glob("*/fold-*.npz")}
    assert sum(again[p] != kept[p] for p in kept) == 1
    assert rows(run) == found


def test_no_image_is_mapped_by_what_was_fitted_on_it(phantoms, tmp_path, monkeypatch):
    monkeypatch.setitem(estimators.ESTIMATORS, "spy", Spy)
    Spy.calls = []
    start(tmp_path / "run", Asked((str(phantoms),), ("spy",), folds=3, size=32), lambda line: None)
    mapped = set()
    for seen, asked in Spy.calls:
        if len(next(iter(asked))) == 32 * 32:  # not those that are timed, larger
            assert not seen & asked
            mapped |= asked
    assert len(mapped) == 12


def test_what_cannot_work_is_said_at_once(phantoms, tmp_path):
    for methods, message in (
        (("nonsense",), "unknown saliency"),
        (("truth",), "plain methods"),
        (("prior+gate",), "plain methods"),
        (("file",), "not every image has a map"),
    ):
        with pytest.raises(SalusError, match=message):
            start(tmp_path / "run", Asked((str(phantoms),), methods, folds=3, size=32), print)
    with pytest.raises(SalusError, match="same folder name"):
        start(tmp_path / "run", Asked((str(phantoms), str(phantoms)), ("prior",), folds=3, size=32), print)
    with pytest.raises(SalusError, match=r"run\.json"):
        resume(tmp_path / "absent", print)
