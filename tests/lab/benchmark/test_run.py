"""Benchmarks on small images: folds, training, tests, masks made elsewhere, resuming, and errors."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from salus.data.folds import Folds
from salus.errors import SalusError
from salus.evaluation.summary import read_rows
from salus.lab.benchmark.config import BenchmarkConfig, fold_folder
from salus.lab.benchmark.protocol import Protocol
from salus.lab.benchmark.run import resume, start
from salus.lab.benchmark.task import fold_indices
from salus.lab.report.build import build_report
from salus.lab.report.run_data import read_run_data
from salus.lab.report.setting_tables import describe_machine
from salus.metrics.segmentation import score

PROTOCOL = Protocol(size=16, folds=2, epochs=2, learning_rate=1e-3, fold_rule="grouped")


def make_config(folder: Path, **options) -> BenchmarkConfig:
    defaults = {
        "data": str(folder),
        "layout": None,
        "networks": ("unet", "sa-unet"),
        "saliency": "auto",
        "predictions": {},
        "protocol": PROTOCOL,
        "allow_leakage": False,
        "skip_bad": False,
        "backend": keras.backend.backend(),
    }
    return BenchmarkConfig(**{**defaults, **options})


def write_tiny_network(folder: Path) -> None:
    """Write a network of the user's own, own_network:tiny."""
    (folder / "own_network.py").write_text(
        "import keras\n"
        "def tiny(size):\n"
        "    x = keras.Input((size, size, 1))\n"
        "    y = keras.layers.Conv2D(1, 5, padding='same', activation='sigmoid')(x)\n"
        "    return keras.Model(x, y)\n"
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run of both networks, a network of the user's own, and perfect masks made elsewhere: folder, data and log."""
    from tests.conftest import make_published

    root = tmp_path_factory.mktemp("benchmark")
    data = make_published(root / "data", 12)
    write_tiny_network(root)
    sys.path.insert(0, str(root))
    lines: list[str] = []
    networks = ("unet", "sa-unet", "own_network:tiny")
    start(root / "run", make_config(data, networks=networks, predictions={"Reader": str(data / "masks")}), lines.append)
    build_report(root / "run", lines.append)
    sys.path.remove(str(root))
    return root / "run", data, lines


def test_every_image_is_tested_once_by_every_network(finished):
    run, _, _ = finished
    rows = read_rows(run / "scores.csv")
    for network in ("unet", "sa-unet", "own_network:tiny", "Reader"):
        for resolution in ("network", "native"):
            own = [r for r in rows if r["network"] == network and r["resolution"] == resolution]
            assert sorted(r["case"] for r in own) == [f"{i:03}" for i in range(12)]


def test_scores_are_those_of_the_stored_outputs(finished):
    run, data, _ = finished
    folder = fold_folder(run, "unet", 1)
    outputs = np.load(folder / "outputs.npz", allow_pickle=False)
    assert outputs["probability"].dtype == np.float32  # in float16 all above 0.9998 would be 1 in the report's curves
    rows = {r["case"]: r for r in read_rows(folder / "scores.csv") if r["resolution"] == "native"}
    for name, p in zip(outputs["names"], outputs["probability"], strict=True):
        truth = np.asarray(Image.open(data / "masks" / f"{name}.png")) > 0
        native = np.asarray(Image.fromarray(p.astype(np.float32)).resize(truth.shape[::-1], Image.Resampling.BILINEAR))
        assert rows[str(name)]["dice"] == pytest.approx(score(truth, native >= 0.5).dice, abs=0.02)


def test_masks_made_elsewhere_are_scored_on_the_same_folds(finished):
    run, _, _ = finished
    rows = [r for r in read_rows(run / "scores.csv") if r["network"] == "Reader"]
    folds = json.loads((run / "folds.json").read_text())["test"]
    assert all(r["fold"] == folds[r["case"]] for r in rows)
    assert all(r["dice"] == 1 for r in rows)  # the truth itself


def test_run_folder_holds_settings_versions_and_summaries(finished):
    run, _, lines = finished
    assert BenchmarkConfig.load(run).saliency == "prior"
    assert BenchmarkConfig.load(run).protocol == PROTOCOL
    assert len(json.loads((run / "data.json").read_text())["cases"]) == 12
    assert "keras" in json.loads((run / "environment.json").read_text())
    summary = json.loads((fold_folder(run, "sa-unet", 2) / "summary.json").read_text())
    assert summary["parameters"] == 1_912_517
    assert summary["fitted_on"] + summary["validated_on"] + summary["tested_on"] == 12
    assert any(re.search(r"at most \d+\.\d s left", line) for line in lines)
    assert (run / "report.html").stat().st_size > 10_000
    assert "SA-U-Net" in (run / "report.md").read_text()


def test_resume_repeats_nothing_finished(finished):
    run, _, _ = finished
    before = {p: p.stat().st_mtime_ns for p in run.rglob("*.weights.h5")}
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(run.parent)
        resume(run, lines.append)
    assert before == {p: p.stat().st_mtime_ns for p in run.rglob("*.weights.h5")}
    assert sum("done before" in line for line in lines) == 6


def test_a_run_that_goes_on_elsewhere_says_so_and_keeps_both_machines(published, tmp_path, monkeypatch):
    """Only where something is left to train; the report names both."""
    write_tiny_network(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    run = tmp_path / "run"
    protocol = PROTOCOL.change(epochs=1)
    start(run, make_config(published, networks=("own_network:tiny",), protocol=protocol), lambda line: None)
    recorded = json.loads((run / "environment.json").read_text())
    (run / "environment.json").write_text(json.dumps(recorded | {"keras": "2.0", "gpu": "An old one"}))
    config = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps(config | {"backend": "torch"}))
    resume(run, lambda line: None)
    assert json.loads((run / "environment.json").read_text())["keras"] == "2.0"  # all was done before
    (fold_folder(run, "own_network:tiny", 1) / "summary.json").unlink()
    lines: list[str] = []
    resume(run, lines.append)
    assert any(line.startswith("mind: the run was started on torch and goes on with ") for line in lines)
    changed = f"2.0, then {keras.__version__}"
    assert f"mind: keras is not that of the run until now: {changed}" in lines
    kept = json.loads((run / "environment.json").read_text())
    assert kept == recorded | {"keras": changed, "gpu": "An old one, then none"}
    assert f"keras {changed}" in describe_machine(read_run_data(run))
    (fold_folder(run, "own_network:tiny", 1) / "summary.json").unlink()
    again: list[str] = []
    resume(run, again.append)
    assert not any("until now" in line for line in again)


def test_a_run_keeps_the_precision_that_it_was_started_with(published, tmp_path, monkeypatch):
    monkeypatch.setattr("salus.lab.training.backend.has_bfloat16", lambda: True)
    config = make_config(published, networks=(), predictions={"R": str(published / "masks")})
    start(tmp_path / "run", replace(config, protocol=PROTOCOL.change(precision="auto")), lambda _: None)
    keras.mixed_precision.set_global_policy("float32")
    assert BenchmarkConfig.load(tmp_path / "run").protocol.precision == "mixed_bfloat16"


def test_masks_made_elsewhere_are_read_before_anything_is_trained(published, tmp_path):
    masks = shutil.copytree(published / "masks", tmp_path / "masks")
    first = min(masks.iterdir())
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(first)
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(masks / "of no image.png")
    lines: list[str] = []
    with pytest.raises(SalusError, match=f"{first.name}: the prediction is 5 x 5"):
        start(tmp_path / "run", make_config(published, predictions={"R": str(masks)}), lines.append)
    assert not (tmp_path / "run" / "unet").exists()
    assert any(line.startswith("note: ") and "of no image.png" in line for line in lines)


def test_resume_after_training_only_scores(finished, tmp_path):
    """Killed between training and scores: resuming scores the final weights and trains nothing."""
    run = tmp_path / "run"
    shutil.copytree(finished[0], run)
    folder = fold_folder(run, "sa-unet", 2)
    before = {name: (folder / name).read_bytes() for name in ("scores.csv", "history.csv", "final.weights.h5")}
    (folder / "summary.json").unlink()
    (folder / "scores.csv").unlink()
    lines: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(finished[0].parent)
        resume(run, lines.append)
    assert not any("epoch" in line for line in lines)
    assert before == {name: (folder / name).read_bytes() for name in before}


def test_killed_and_resumed_run_equals_an_uninterrupted_one(published, tmp_path):
    """Killed with -9 within an epoch, twice: history and outputs equal those of an uninterrupted run bit by bit."""
    options = ["--networks", "unet", "--folds", "2", "--size", "16", "--epochs", "6", "--precision", "float32"]
    salus = [sys.executable, "-m", "salus", "benchmark"]

    def launch(run: Path, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen([*salus, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    whole = launch(tmp_path / "whole", str(published), *options, "-o", str(tmp_path / "whole"))
    assert whole.wait() == 0, whole.stdout.read()
    run = tmp_path / "cut"
    arguments: tuple[str, ...] = (str(published), *options, "-o", str(run))
    for line in ("epoch 2/6", "[2/2]"):
        process = launch(run, *arguments)
        for text in process.stdout:
            if line in text:
                break
        time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        arguments = ("--resume", str(run))
    assert launch(run, *arguments).wait() == 0
    for fold in (1, 2):
        folders = [fold_folder(tmp_path / "whole", "unet", fold), fold_folder(run, "unet", fold)]
        rows = [list(csv.DictReader((folder / "history.csv").open())) for folder in folders]
        assert [float(r["loss"]) for r in rows[0]] == [float(r["loss"]) for r in rows[1]]
        outputs = [np.load(folder / "outputs.npz", allow_pickle=False)["probability"] for folder in folders]
        np.testing.assert_array_equal(*outputs)


def test_leakage_is_refused_unless_allowed(published, tmp_path):
    names = sorted(p.stem for p in (published / "images").iterdir())
    patients = {name: f"p{i // 2}" for i, name in enumerate(names)}  # two images a patient
    lines = ["name,label,patient", *(f"{n},benign,{p}" for n, p in patients.items())]
    (published / "manifest.csv").write_text("\n".join(lines))
    test = {name: 1 + i % 2 for i, name in enumerate(names)}  # one on each side
    Folds(test, {n: n for n in names}, "file", 0).save(tmp_path / "folds.json")
    config = make_config(published, networks=("unet",), protocol=PROTOCOL.change(epochs=1))
    with pytest.raises(SalusError, match=r"6 patients.*--allow-leakage"):
        start(tmp_path / "no", config, lambda _: None, folds_file=tmp_path / "folds.json")
    assert not (tmp_path / "no").exists()
    allowed = make_config(published, networks=("unet",), protocol=PROTOCOL.change(epochs=1), allow_leakage=True)
    start(tmp_path / "yes", allowed, lambda _: None, folds_file=tmp_path / "folds.json")
    build_report(tmp_path / "yes", lambda _: None)
    assert "LEAKAGE" in (tmp_path / "yes" / "report.html").read_text()


def test_protocol_takes_the_number_of_folds_from_the_file(published, tmp_path):
    names = sorted(p.stem for p in (published / "images").iterdir())
    Folds({name: 1 + i % 3 for i, name in enumerate(names)}, {n: n for n in names}, "file", 0).save(tmp_path / "f.json")
    config = make_config(published, networks=(), predictions={"R": str(published / "masks")})
    assert config.protocol.folds != 3
    start(tmp_path / "run", config, lambda _: None, folds_file=tmp_path / "f.json")
    assert BenchmarkConfig.load(tmp_path / "run").protocol.folds == 3


def test_rule_of_the_literature_splits_images_and_validates_on_the_last(published, tmp_path):
    config = make_config(published, networks=(), predictions={"R": str(published / "masks")})
    protocol = config.protocol.change(fold_rule="by-image", folds=3)
    start(tmp_path / "run", replace(config, protocol=protocol), lambda _: None)
    content = json.loads((tmp_path / "run" / "folds.json").read_text())
    folds = Folds(content["test"], content["groups"], content["rule"], content["seed"])
    names = sorted(content["test"])
    indices = fold_indices(names, folds, protocol, 1)
    training = [i for i, name in enumerate(names) if folds.test[name] != 1]
    assert len(training) == 8
    assert (list(indices.fitting), list(indices.validation)) == (training[:6], training[6:])


def test_changed_data_are_not_resumed(published, tmp_path):
    start(
        tmp_path / "run",
        make_config(published, networks=(), predictions={"R": str(published / "masks")}),
        lambda _: None,
    )
    image = next((published / "images").iterdir())
    Image.fromarray(255 - np.asarray(Image.open(image))).save(image)
    with pytest.raises(SalusError, match="has changed"):
        resume(tmp_path / "run", lambda _: None)


def test_damaged_image_stops_the_run_or_is_left_out(published, tmp_path):
    (published / "images" / "004.png").write_bytes(b"no image")
    config = make_config(published, networks=(), predictions={"R": str(published / "masks")})
    with pytest.raises(SalusError, match=r"1 cases.*004\.png.*--skip-bad"):
        start(tmp_path / "no", config, lambda _: None)
    lines: list[str] = []
    start(tmp_path / "yes", replace(config, skip_bad=True), lines.append)
    assert any(line.startswith("left out: ") and "004.png" in line for line in lines)
    build_report(tmp_path / "yes", lambda _: None)
    assert len({r["case"] for r in read_rows(tmp_path / "yes" / "scores.csv")}) == 11


def test_settings_that_cannot_work_are_refused_before_training(published, tmp_path):
    (tmp_path / "few").mkdir()
    for options, message in [
        ({"networks": ("resnet",)}, "choose one of"),
        ({"saliency": "file"}, "saliency"),
        ({"saliency": "magic"}, "unknown saliency"),
        ({"networks": ()}, "nothing to compare"),
        ({"networks": ("unet", "unet")}, "unet: is named twice"),
        ({"predictions": {"R": str(tmp_path / "few")}}, "no prediction for 12 of 12"),
        ({"predictions": {"unet": str(published / "masks")}}, "choose another"),
        ({"data": str(tmp_path / "absent")}, "no such folder"),
        ({"protocol": PROTOCOL.change(folds=13)}, "13 folds"),
        ({"protocol": PROTOCOL.change(fold_rule="official")}, "no official folds"),
    ]:
        with pytest.raises(SalusError, match=message):
            start(tmp_path / "run", make_config(published, **options), lambda _: None)
        assert not (tmp_path / "run").exists()
    with pytest.raises(SalusError, match="holds other files"):
        start(published, make_config(published), lambda _: None)


def test_one_network_with_several_saliency_sources(tmp_path, published):
    networks = ("sa-unet@constant", "sa-unet@truth+shuffled", "sa-unet")
    start(tmp_path / "run", make_config(published, networks=networks), print)
    outputs = {
        n: np.load(fold_folder(tmp_path / "run", n, 1) / "outputs.npz", allow_pickle=False)["saliency"]
        for n in networks
    }
    assert (outputs["sa-unet@constant"] == 255).all()
    assert set(np.unique(outputs["sa-unet@truth+shuffled"])) == {0, 255}
    assert (outputs["sa-unet"] == outputs["sa-unet"][0]).all()  # the prior, the run's own source
    assert sorted(p.name for p in (tmp_path / "run" / "saliency").iterdir()) == ["constant", "prior", "truth"]
    build_report(tmp_path / "run", lambda _: None)
    page = (tmp_path / "run" / "report.md").read_text()
    assert "SA-U-Net, truth+shuffled" in page
    assert "ceiling" in page


def test_saliency_sources_that_do_not_fit_are_refused(tmp_path, published):
    for networks, saliency, message in (
        (("unet@prior",), "auto", "takes no saliency map"),
        (("sa-unet@nonsense",), "auto", "unknown saliency"),
        (("sa-unet@file",), "auto", "not every image has a map"),
        (("sa-unet",), "prior+blurred", "after \\+ write any of"),
    ):
        with pytest.raises(SalusError, match=message):
            start(tmp_path / "run", make_config(published, networks=networks, saliency=saliency), print)
    assert not (tmp_path / "run" / "run.json").exists()
