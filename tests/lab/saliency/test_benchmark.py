"""Saliency benchmarks: out of fold, resumable, with a report whose text shows no pictures."""

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
from salus.lab.saliency.benchmark import read_data, resume, start
from salus.lab.saliency.config import SaliencyBenchmarkConfig
from salus.lab.saliency.folds import FoldMaps, estimate_fold, time_estimator


class Spy:
    """Records the images that it was fitted on and those it mapped; its map is the image, its confidence the mean."""

    calls: ClassVar[list] = []

    def fit(self, images, masks):
        self.fitted_on = {image.tobytes() for image in images}

    def estimate(self, images):
        if images.shape[1] == 32:  # not those that are timed, larger
            Spy.calls.append((self.fitted_on, {image.tobytes() for image in images}))
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


def config_of(*folders, methods, folds=3, **settings):
    return SaliencyBenchmarkConfig(tuple(map(str, folders)), methods, folds=folds, size=32, **settings)


def read_rows(run):
    with (run / "scores.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def write_copy(source, target, gain):
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
    result = start(run, config_of(phantoms, methods=("prior", "constant")), lines.append)
    build_saliency_report(run, result, lines.append)
    found = read_rows(run)
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
    assert read_rows(run) == found
    assert not list(run.rglob(".*"))


def test_no_image_is_mapped_by_what_was_fitted_on_it(phantoms, tmp_path, spy):
    result = start(tmp_path / "run", config_of(phantoms, methods=("spy",)), lambda line: None)
    build_saliency_report(tmp_path / "run", result, lambda line: None)
    mapped = [image for _, mapped_now in Spy.calls for image in mapped_now]
    assert len(mapped) == len(set(mapped)) == 12
    for fitted_on, mapped_now in Spy.calls:
        assert fitted_on
        assert not fitted_on & mapped_now
    found = read_rows(tmp_path / "run")
    assert all(0 < float(r["confidence"]) < 1 for r in found)
    assert "confidence against best Dice" in (tmp_path / "run" / "report.md").read_text()


def test_no_near_duplicate_of_a_test_image_is_fitted_on_within_a_set_or_across_sets(tmp_path, spy):
    first = make_published(tmp_path / "first", 18, (64, 72))
    for number in (0, 5):  # a copy within the set
        for part in ("images", "masks"):
            data = (first / part / f"{number:03}.png").read_bytes()
            (first / part / f"again-{number:03}.png").write_bytes(data)
    second = write_copy(first, tmp_path / "second", gain=0.8)
    config, lines = config_of(first, second, methods=("spy",)), []
    data, _ = read_data(config, lines.append)
    assert any("near-duplicate in another set" in line for line in lines)
    content = [name.removeprefix("copy-").removeprefix("again-") for name in data.names]  # what an image shows
    for a, b in zip(content, data.groups, strict=True):
        assert {g for c, g in zip(content, data.groups, strict=True) if c == a} == {b}
    assert len(set(data.groups)) == 18
    shows = {image.tobytes(): c for image, c in zip(data.images, content, strict=True)}
    split = False
    for fold in np.unique(data.fold):
        test = np.flatnonzero(data.fold == fold)
        estimate_fold("spy", data, int(fold), separate=False, log=lines.append)
        fitted_on, mapped_now = Spy.calls[-1]
        assert not {shows[i] for i in fitted_on} & {shows[i] for i in mapped_now}
        split |= len(fitted_on) < len(data.names) - len(test)
    assert split  # folds of the two sets differ, so that the rule had something to do


def test_sets_are_fitted_together_unless_separate_is_set(phantoms, tmp_path, spy):
    other = make_published(tmp_path / "other", 9, (64, 72))
    for separate in (False, True):
        Spy.calls = []
        config = config_of(phantoms, other, methods=("spy",), separate=separate)
        data, _ = read_data(config, lambda line: None)
        home = {image.tobytes(): name for image, name in zip(data.images, data.sets, strict=True)}
        found = estimate_fold("spy", data, 1, separate=separate, log=lambda line: None)
        assert (np.rint(found.maps.astype(float) * 255) == data.images[data.fold == 1]).all()  # each in its place
        for fitted_on, mapped_now in Spy.calls:
            assert len({home[i] for i in fitted_on}) == (1 if separate else 2)
            if separate:
                assert {home[i] for i in fitted_on} == {home[i] for i in mapped_now}
        assert len(Spy.calls) == (2 if separate else 1)


def test_bad_images_stop_the_run_or_are_named_and_left_out(tmp_path):
    folder = make_published(tmp_path / "data", 8)
    (folder / "images" / "003.png").write_bytes(b"no picture")
    config, lines = config_of(folder, methods=("constant",), folds=2), []
    with pytest.raises(SalusError, match=r"003\.png.*--skip-bad"):
        start(tmp_path / "run", config, lines.append)
    start(
        tmp_path / "run",
        config_of(folder, methods=("constant",), folds=2, skip_bad=True),
        lines.append,
    )
    assert [line for line in lines if line.startswith("left out") and "003.png" in line]
    assert {r["image"] for r in read_rows(tmp_path / "run")} == {f"{i:03}" for i in range(8) if i != 3}


def test_limit_takes_images_spread_over_the_set(published):
    data, _ = read_data(config_of(published, methods=("constant",), folds=2, limit=4), lambda line: None)
    assert data.names == ("000", "004", "007", "011")


def test_maps_of_the_data_set_are_scored_unchanged(tmp_path):
    folder = make_published(tmp_path / "data", 6)
    (folder / "saliency").mkdir()
    for path in (folder / "masks").glob("*.png"):  # maps that are the truth
        Image.fromarray((np.asarray(Image.open(path)) > 0).astype(np.uint8) * 255).save(folder / "saliency" / path.name)
    start(tmp_path / "run", config_of(folder, methods=("file",), folds=2), lambda line: None)
    found = read_rows(tmp_path / "run")
    assert min(float(r["auc"]) for r in found) > 0.999
    assert min(float(r["hit"]) for r in found) == 1


def test_maps_of_a_fold_are_read_as_written_and_a_damaged_file_is_named(tmp_path):
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


def test_a_method_is_timed_on_single_large_images_in_its_shipped_form():
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


def test_mistakes_are_errors_before_any_work(phantoms, tmp_path):
    for methods, message in (
        (("nonsense",), "unknown saliency"),
        (("truth",), "plain methods"),
        (("prior+gate",), "plain methods"),
        (("file",), "not every image has a map"),
    ):
        with pytest.raises(SalusError, match=message):
            start(tmp_path / "run", config_of(phantoms, methods=methods), print)
    with pytest.raises(SalusError, match="told apart by their folders' names"):
        start(
            tmp_path / "run",
            config_of(phantoms, phantoms, methods=("prior",)),
            print,
        )
    with pytest.raises(SalusError, match=r"run\.json"):
        resume(tmp_path / "absent", print)
