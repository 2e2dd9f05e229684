"""Judging saliency methods: out of fold, resumable, with a report that keeps pictures to itself."""

import csv
import json
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image
from tests.conftest import make_published

from salus.data.phantom.make import write_phantoms
from salus.errors import SalusError
from salus.lab.report.saliency import build_saliency_report
from salus.lab.saliency import registry as estimators
from salus.lab.saliency.benchmark import pool_of, resume, start
from salus.lab.saliency.config import Asked
from salus.lab.saliency.folds import FoldMaps, map_fold, time_estimator


class Spy:
    """Remembers the images that it was fitted on and asked about; its map is the image, its confidence the mean."""

    calls: ClassVar[list] = []

    def fit(self, images, masks):
        self.seen = {image.tobytes() for image in images}

    def estimate(self, images):
        if images.shape[1] == 32:  # not those that are timed, larger
            Spy.calls.append((self.seen, {image.tobytes() for image in images}))
        return images / np.float32(255)

    def confidence(self, images):
        return images.mean(axis=(1, 2)) / 255


@pytest.fixture
def spy(monkeypatch):
    monkeypatch.setitem(estimators.ESTIMATORS, "spy", Spy)
    Spy.calls = []


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms") / "set"
    write_phantoms(folder, 12, seed=3)
    return folder


def rows(run):
    with (run / "scores.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def copy_of(source, target, gain):
    """The images and masks of a data set under other names and with another gain: the same scans."""
    for part in ("images", "masks"):
        (target / part).mkdir(parents=True)
        for path in (source / part).glob("*.png"):
            pixels = np.asarray(Image.open(path))
            pixels = pixels if part == "masks" else np.clip(pixels * gain, 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(target / part / f"copy-{path.name}")
    return target


def test_scores_table_report_and_resume(phantoms, tmp_path):
    run, lines = tmp_path / "run", []
    result = start(run, Asked((str(phantoms),), ("prior", "constant"), folds=3, size=32), lines.append)
    build_saliency_report(run, result, lines.append)
    found = rows(run)
    assert len(found) == 24
    constant = [float(r["auc"]) for r in found if r["method"] == "constant" and r["tumour"] == "1"]
    assert constant
    assert set(constant) == {0.5}
    assert all(r["auc"] == "" for r in found if r["tumour"] == "0")
    assert all(r["confidence"] == "" for r in found)
    page, text = (run / "report.html").read_text(), (run / "report.md").read_text()
    assert "data:image/jpeg" in page
    assert "data:image" not in text
    assert r"| constant | 0.500 \[0.500, 0.500\]" in text
    assert any(line.strip().startswith("prior") for line in lines)
    saved = json.loads((run / "calibration.json").read_text())
    assert saved["ms_per_image"]["prior"] > 0
    share = np.mean([1 - float(r["mae"]) for r in found if r["method"] == "constant"])  # of tumour, of all pixels
    assert saved["calibration"]["constant"]["set"]["error"] == pytest.approx(1 - share)

    kept = {p: p.stat().st_mtime_ns for p in run.glob("*/fold-*.npz")}
    assert len(kept) == 6
    removed = sorted(kept)[0]
    removed.unlink()
    resume(run, lines.append)
    again = {p: p.stat().st_mtime_ns for p in run.glob("*/fold-*.npz")}
    assert [p for p in kept if again[p] != kept[p]] == [removed]
    assert rows(run) == found
    assert not list(run.rglob(".*"))


def test_no_image_is_mapped_by_what_was_fitted_on_it(phantoms, tmp_path, spy):
    result = start(tmp_path / "run", Asked((str(phantoms),), ("spy",), folds=3, size=32), lambda line: None)
    build_saliency_report(tmp_path / "run", result, lambda line: None)
    mapped = [image for _, asked in Spy.calls for image in asked]
    assert len(mapped) == len(set(mapped)) == 12
    for seen, asked in Spy.calls:
        assert seen
        assert not seen & asked
    found = rows(tmp_path / "run")
    assert all(0 < float(r["confidence"]) < 1 for r in found)
    assert "confidence against best Dice" in (tmp_path / "run" / "report.md").read_text()


def test_near_duplicates_are_not_fitted_on_while_their_like_is_tested_in_one_set_and_across_sets(tmp_path, spy):
    first = make_published(tmp_path / "first", 18, (64, 72))
    for number in (0, 5):  # a copy within the set
        for part in ("images", "masks"):
            data = (first / part / f"{number:03}.png").read_bytes()
            (first / part / f"again-{number:03}.png").write_bytes(data)
    second = copy_of(first, tmp_path / "second", gain=0.8)
    asked, lines = Asked((str(first), str(second)), ("spy",), folds=3, size=32), []
    pool, _ = pool_of(asked, lines.append)
    assert any("near-duplicate in another set" in line for line in lines)
    content = [name.removeprefix("copy-").removeprefix("again-") for name in pool.names]  # what an image shows
    for a, b in zip(content, pool.groups, strict=True):
        assert {g for c, g in zip(content, pool.groups, strict=True) if c == a} == {b}
    assert len(set(pool.groups)) == 18
    shows = {image.tobytes(): c for image, c in zip(pool.images, content, strict=True)}
    split = False
    for fold in np.unique(pool.fold):
        test = np.flatnonzero(pool.fold == fold)
        map_fold(asked, pool, "spy", test, lines.append)
        seen, asked_about = Spy.calls[-1]
        assert not {shows[i] for i in seen} & {shows[i] for i in asked_about}
        split |= len(seen) < len(pool.names) - len(test)
    assert split  # folds of the two sets differ, so that the rule had something to do


def test_sets_are_fitted_together_unless_they_are_to_be_separate(phantoms, tmp_path, spy):
    other = make_published(tmp_path / "other", 9, (64, 72))
    for separate in (False, True):
        Spy.calls = []
        asked = Asked((str(phantoms), str(other)), ("spy",), folds=3, size=32, separate=separate)
        pool, _ = pool_of(asked, lambda line: None)
        home = {image.tobytes(): name for image, name in zip(pool.images, pool.sets, strict=True)}
        found = map_fold(asked, pool, "spy", np.flatnonzero(pool.fold == 1), lambda line: None)
        assert (np.rint(found.maps.astype(float) * 255) == pool.images[pool.fold == 1]).all()  # each in its place
        for seen, asked_about in Spy.calls:
            assert len({home[i] for i in seen}) == (1 if separate else 2)
            if separate:
                assert {home[i] for i in seen} == {home[i] for i in asked_about}
        assert len(Spy.calls) == (2 if separate else 1)


def test_bad_images_stop_the_run_or_are_named_and_left_out(tmp_path):
    folder = make_published(tmp_path / "data", 8)
    (folder / "images" / "003.png").write_bytes(b"no picture")
    asked, lines = Asked((str(folder),), ("constant",), folds=2, size=32), []
    with pytest.raises(SalusError, match=r"003\.png.*--skip-bad"):
        start(tmp_path / "run", asked, lines.append)
    start(tmp_path / "run", Asked((str(folder),), ("constant",), folds=2, size=32, skip_bad=True), lines.append)
    assert [line for line in lines if line.startswith("left out") and "003.png" in line]
    assert {r["image"] for r in rows(tmp_path / "run")} == {f"{i:03}" for i in range(8) if i != 3}


def test_limit_takes_images_spread_over_the_set(published):
    pool, _ = pool_of(Asked((str(published),), ("constant",), folds=2, size=32, limit=4), lambda line: None)
    assert pool.names == ("000", "004", "007", "011")


def test_a_set_s_own_maps_are_judged_as_they_are(tmp_path):
    folder = make_published(tmp_path / "data", 6)
    (folder / "saliency").mkdir()
    for path in (folder / "masks").glob("*.png"):  # maps that are the truth
        Image.fromarray((np.asarray(Image.open(path)) > 0).astype(np.uint8) * 255).save(folder / "saliency" / path.name)
    start(tmp_path / "run", Asked((str(folder),), ("file",), folds=2, size=32), lambda line: None)
    found = rows(tmp_path / "run")
    assert min(float(r["auc"]) for r in found) > 0.999
    assert min(float(r["hit"]) for r in found) == 1


def test_a_part_is_read_as_written_and_a_damaged_one_is_named(tmp_path):
    path = tmp_path / "fold-1.npz"
    FoldMaps(np.arange(8, dtype=np.float16).reshape(2, 2, 2), np.array([0.5, np.nan]), 3.5).save(path)
    found = FoldMaps.load(path, 2)
    assert found.maps.ravel().tolist() == list(range(8))
    np.testing.assert_array_equal(found.confidence, [0.5, np.nan])
    assert found.ms == 3.5
    with pytest.raises(SalusError, match="2 maps for 3"):
        FoldMaps.load(path, 3)
    np.savez(path, maps=np.array([[[0, 51], [102, 255]]], np.uint8), ms=1.0)  # as runs once kept them
    old = FoldMaps.load(path, 1)
    np.testing.assert_allclose(old.maps.ravel(), [0, 0.2, 0.4, 1], atol=2e-4)
    assert np.isnan(old.confidence).all()
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(SalusError, match=r"fold-1\.npz: unreadable"):
        FoldMaps.load(path, 2)


def test_a_method_is_timed_on_single_large_images_by_its_form_for_use():
    class Timed:
        shapes: ClassVar[list] = []

        def estimate(self, images):
            Timed.shapes.append(images.shape)
            return images / 255

    class Trained:
        def for_use(self):
            return Timed()

    assert time_estimator(Trained(), np.zeros((4, 16, 16), np.uint8)) > 0
    assert set(Timed.shapes) == {(1, 256, 256)}


def test_what_cannot_work_is_said_at_once(phantoms, tmp_path):
    for methods, message in (
        (("nonsense",), "unknown saliency"),
        (("truth",), "plain methods"),
        (("prior+gate",), "plain methods"),
        (("file",), "not every image has a map"),
    ):
        with pytest.raises(SalusError, match=message):
            start(tmp_path / "run", Asked((str(phantoms),), methods, folds=3, size=32), print)
    with pytest.raises(SalusError, match="told apart by their folders' names"):
        start(tmp_path / "run", Asked((str(phantoms), str(phantoms)), ("prior",), folds=3, size=32), print)
    with pytest.raises(SalusError, match=r"run\.json"):
        resume(tmp_path / "absent", print)
