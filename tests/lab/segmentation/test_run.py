"""A whole run of `salus train` on phantoms: the network file, the card, resuming, adding folds, fine-tuning."""

import csv
import json
import shutil
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from tests.lab.segmentation.small_training import SMALL, discs, tiny_net

from salus.data.fingerprint import fingerprint
from salus.data.layouts import read_data_set
from salus.data.phantom.make import write_phantoms
from salus.engine import SETTINGS, open_network
from salus.errors import SalusError
from salus.evaluation.training_images import training_sets, training_warnings
from salus.lab.onnx.weights import load_onnx_weights
from salus.lab.segmentation.card import make_card, seen_before
from salus.lab.segmentation.card_text import card_text
from salus.lab.segmentation.config import NETWORK, TrainingConfig, load_config
from salus.lab.segmentation.judge import summarise_by_subset
from salus.lab.segmentation.run import Execution, read_run_data, resume, start
from salus.lab.segmentation.train import train_segmenter
from salus.ray_cluster import RAY
from salus.segmentation.segmenter import Segmenter
from salus.weights import SHIPPED_NETWORK


def silent(line):
    pass


def read_rows(run):
    with (run / "images.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def read_card(run):
    return json.loads((run / "card.json").read_text())


@contextmanager
def eagerly():
    """Without tracing, which takes longer than a few steps of the real network."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("segment")
    write_phantoms(folder / "set", 12, seed=5)
    config = TrainingConfig((str(folder / "set"),), "tiny", folds=3, recipe=replace(SMALL, steps=2))
    with eagerly():
        start(folder / "run", config, silent)
    return folder / "run"


def test_a_run_ends_in_a_network_that_segments(run):
    segmenter = Segmenter(run / NETWORK)
    assert segmenter.settings.name == "tiny"
    assert segmenter.settings.size == 64
    segmentation = segmenter(np.random.default_rng(0).integers(0, 256, (50, 70)).astype(np.uint8))
    assert segmentation.mask.shape == segmentation.probability.shape == segmentation.saliency.shape == (50, 70)
    assert segmentation.network == "tiny"


def test_the_card_says_what_was_held_out(run):
    card, rows = read_card(run), read_rows(run)
    assert card["judged"]["folds"] == [1]
    assert card["settings"]["name"] == "tiny"
    assert card["data"]["set"]["images"] == 12
    assert {row["fold"] for row in rows} == {"1"}
    assert 3 <= len(rows) <= 5
    assert card["judged"]["scores"]["set"]["lesion_images"] == sum(row["tumour"] == "1" for row in rows)
    text = (run / "card.md").read_text()
    assert "- Settings: threshold that of the largest expected Dice, for each image, temperature" in text
    assert "not a medical device" in text
    assert "| set |" in text


def test_rows_are_what_the_finished_network_says(run):
    """The held-out scores come from stored outputs; the network file itself must give the same outlines."""
    segmenter = Segmenter(run / NETWORK)
    data = read_run_data(run)
    for row in read_rows(run):
        case = data.cases[data.names.index(row["image"])]
        segmentation = segmenter(case.read_image())
        assert segmentation.presence == pytest.approx(float(row["presence"]), abs=2e-4)
        assert segmentation.confidence == pytest.approx(float(row["confidence"]), abs=5e-3)
        assert int(not segmentation.found) == int(row["empty"])


def test_a_finished_run_resumes_to_the_same_file(run):
    before = (run / NETWORK).read_bytes()
    resume(run, silent)
    assert (run / NETWORK).read_bytes() == before
    with pytest.raises(SalusError, match="--resume"):
        start(run, load_config(run)[0], print)


def test_a_run_resumes_only_with_the_folds_it_was_started_with(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "run")
    data = read_run_data(copy)
    folds = json.loads((copy / "folds.json").read_text())
    assert folds["test"] == {f"set/{n}": f for n, f in zip(data.names, data.fold.tolist(), strict=True)}
    assert list(folds["groups"].values()) == list(data.groups)
    first = next(iter(folds["groups"]))
    (copy / "folds.json").write_text(json.dumps({**folds, "groups": {**folds["groups"], first: "set/another patient"}}))
    with pytest.raises(SalusError, match="patients or near-duplicates are not those"):
        resume(copy, silent)


def test_a_run_resumes_only_on_the_data_it_was_started_with(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "run")
    settings = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**settings, "fingerprint": {"set": "0" * 64}}))
    with pytest.raises(SalusError, match="the data have changed since"):
        resume(copy, silent)


class Stopped(Exception):
    """Raised in place of a training."""


@pytest.fixture
def stopped(tmp_path, monkeypatch):
    """Lets every training on a cluster stop before it begins; returns the folders of the runs that were asked for."""
    runs = []

    def train_on_cluster(run, *rest):
        runs.append(run)
        raise Stopped

    monkeypatch.setattr("salus.lab.segmentation.ray_tasks.train_on_cluster", train_on_cluster)
    write_phantoms(tmp_path / "set", 6, seed=5)
    monkeypatch.chdir(tmp_path)
    return runs


def config_of(folder, **settings):
    return TrainingConfig((str(folder / "set"),), "tiny", folds=3, recipe=replace(SMALL, steps=2), **settings)


def test_a_cluster_gets_the_whole_path_of_a_run(stopped, tmp_path):
    """Its workers have other current folders than the command."""
    with pytest.raises(Stopped):
        start(Path("run"), config_of(tmp_path), silent, Execution(engine=RAY))
    assert stopped == [tmp_path / "run"]


def test_a_run_goes_on_only_from_the_network_file_that_it_started_from(stopped, tmp_path):
    network = Path(shutil.copy(SHIPPED_NETWORK, tmp_path / "net.onnx"))
    with pytest.raises(Stopped):
        start(tmp_path / "run", config_of(tmp_path, start_from=str(network)), silent, Execution(engine=RAY))
    with pytest.raises(Stopped):
        resume(tmp_path / "run", silent, Execution(engine=RAY))
    network.write_bytes(network.read_bytes() + b"\0")
    with pytest.raises(SalusError, match=r"net\.onnx: is not the network any more that .*run started from"):
        resume(tmp_path / "run", silent, Execution(engine=RAY))
    network.unlink()
    with pytest.raises(SalusError, match=r"net\.onnx: cannot be read"):
        resume(tmp_path / "run", silent, Execution(engine=RAY))


def test_a_run_that_goes_on_with_another_backend_says_so(stopped, tmp_path):
    lines = []
    with pytest.raises(Stopped):
        start(tmp_path / "run", config_of(tmp_path, backend="torch"), silent, Execution(engine=RAY))
    with pytest.raises(Stopped):
        resume(tmp_path / "run", lines.append, Execution(engine=RAY))
    assert lines[0].startswith("mind: the run was started on torch and goes on with tensorflow")


def test_what_is_left_of_another_run_is_not_taken_for_done(stopped, tmp_path):
    """Of a run whose run.json was removed: its networks learnt from other images, maybe those held out now."""
    (tmp_path / "run" / "fold-1").mkdir(parents=True)
    with pytest.raises(SalusError, match="run: holds other files; name a new folder"):
        start(tmp_path / "run", config_of(tmp_path), silent, Execution(engine=RAY))


def test_two_sets_of_one_name_are_refused(tmp_path):
    for place in ("one", "two"):
        write_phantoms(tmp_path / place / "set", 2, seed=5)
    config = TrainingConfig((str(tmp_path / "one" / "set"), str(tmp_path / "two" / "set")), recipe=SMALL)
    with pytest.raises(SalusError, match="told apart by their folders' names"):
        start(tmp_path / "run", config, silent)
    assert not (tmp_path / "run").exists()


def test_folds_are_added_to_a_finished_run(run, tmp_path, monkeypatch):
    """With a training that only notes what it was given: the first fold is not trained again."""
    grown = shutil.copytree(run, tmp_path / "run")
    trained = []

    def train_and_export(task, data, log, group):
        if not (task.folder / NETWORK).exists():
            trained.append((task.folder.name, len(task.training)))
            task.folder.mkdir()
            shutil.copy(run / "fold-1" / NETWORK, task.folder)

    monkeypatch.setattr("salus.lab.segmentation.tasks.train_and_export", train_and_export)
    judged = load_config(run)[0].judged
    with pytest.raises(SalusError, match="give as many or more"):
        resume(grown, silent, judged=judged - 1)
    resume(grown, silent, judged=judged + 1, final=True)
    data = read_run_data(grown)
    held_out = data.fold == judged + 1
    groups = np.asarray(data.groups)
    left = int((~np.isin(groups, groups[held_out])).sum())
    assert trained == [(f"fold-{judged + 1}", left), ("final", len(data.names))]
    config = load_config(grown)[0]
    assert (config.judged, config.final) == (judged + 1, True)
    assert sum(row["fold"] == str(judged + 1) for row in read_rows(grown)) == held_out.sum()
    assert read_card(grown)["judged"]["folds"] == list(range(1, judged + 2))


def test_the_final_network_goes_on_from_the_first_folds(run, tmp_path):
    """At a learning rate of next to nothing it ends where that began."""
    grown = shutil.copytree(run, tmp_path / "run")
    settings = json.loads((grown / "run.json").read_text())
    settings["recipe"]["learning_rate"] = 1e-9
    (grown / "run.json").write_text(json.dumps(settings))
    for wrong in ({"final_steps": 1}, {"final": True, "final_steps": 0}):
        with pytest.raises(SalusError, match="--final-steps"):
            resume(grown, silent, **wrong)
    lines = []
    with eagerly():
        resume(grown, lines.append, final=True, final_steps=1)
    assert sum("step 1/1" in line for line in lines) == 1
    image = {"image": np.random.default_rng(1).random((1, 64, 64, 1), np.float32)}
    first, last = (open_network(grown / folder / NETWORK).run(image) for folder in ("fold-1", "final"))
    np.testing.assert_allclose(last["probability"], first["probability"], atol=1e-3)
    card = read_card(grown)
    assert card["trained_on"] == "every image"
    assert card["started_from"] == "ImageNet by way of fold 1's network, which it goes on from for 1 steps"
    with pytest.raises(SalusError, match="begun in another way"):
        resume(grown, silent, final_steps=2)


def test_a_run_with_settings_of_before_that_changed_nothing_goes_on_and_others_are_refused(run, tmp_path):
    settings = json.loads((run / "run.json").read_text())
    recipe = settings["recipe"]
    recipe |= {"pasted": 0.0, "synthetic_free": False}
    (tmp_path / "run.json").write_text(json.dumps(settings))
    assert load_config(tmp_path)[0] == load_config(run)[0]
    recipe["pasted"] = 0.2
    (tmp_path / "run.json").write_text(json.dumps(settings))
    with pytest.raises(SalusError, match="pasted"):
        load_config(tmp_path)


def test_weights_are_loaded_back_from_the_network_file(run):
    from salus.lab.networks.segment_net import in_file_order, segment_net

    model = segment_net(64)
    load_onnx_weights(in_file_order(model), run / NETWORK)
    images = np.random.default_rng(1).random((2, 64, 64, 1), np.float32)
    outputs = open_network(run / "fold-1" / NETWORK).run({"image": images})
    np.testing.assert_allclose(model.predict(images, verbose=0)["probability"], outputs["probability"], atol=1e-4)


def test_fine_tuning_starts_from_the_network_file(run, tmp_path):
    images, masks = discs(6)
    recipe = replace(SMALL, steps=1, learning_rate=1e-9, decay=0.0)
    with eagerly():
        tuned = train_segmenter(images, masks, recipe, tmp_path, silent, run / NETWORK)
    image = np.random.default_rng(1).random((1, 64, 64, 1), np.float32)
    outputs = open_network(run / NETWORK).run({"image": image})
    np.testing.assert_allclose(tuned.predict(image, verbose=0)["probability"], outputs["probability"], atol=1e-3)
    other = tmp_path / "other.onnx"
    other.write_bytes(b"no network")
    with pytest.raises(SalusError, match="cannot be read"):
        train_segmenter(images, masks, recipe, tmp_path / "b", print, other)


def test_a_card_is_strict_json_and_names_the_network_that_was_judged(run):
    def refuse(name):
        raise AssertionError(name)

    card = json.loads((run / "card.json").read_text(), parse_constant=refuse)
    assert "fitted on these same images" in (run / "card.md").read_text()
    row = {"set": "a", "label": "", "share": 0.1, "image": "1", "group": "p", "tumour": 1, "dice": 0.8}
    scores = summarise_by_subset([row])
    assert (scores["a"]["low"], scores["a"]["high"]) == (None, None)
    text = card_text({**card, "seen": ["x"], "judged": {**card["judged"], "asked": "whom", "scores": scores}})
    assert "Each image was asked of whom." in text
    assert "**Not unseen:** x" in text
    assert "| a | 1 | 0.800 | – | 0.0% | – | – |" in text


def test_scores_on_images_that_the_first_network_had_seen_are_named(run, tmp_path):
    """Also where the data set has changed a little: images are known again, and patients by their images."""
    config, fingerprints = load_config(run)
    tuned = replace(config, start_from=str(run / NETWORK))
    data = read_run_data(run)
    assert seen_before(config, data, fingerprints) == []
    assert seen_before(tuned, data, fingerprints) == []  # the same fold is held out
    second = int((data.fold == 2).sum())
    held_out = int((data.fold <= 2).sum())
    expected = f"tiny had been trained on the patients of {second} of the {held_out} held-out images of set; "
    (line,) = seen_before(replace(tuned, judged=2), data, fingerprints)
    assert line == expected + "their scores are not of unseen patients"
    (line,) = seen_before(replace(tuned, judged=2), data, {"set": "of a changed set"})
    assert line.startswith(expected)
    first = int(np.flatnonzero(data.fold == 1)[0])
    patient = replace(data, groups=tuple("one" if i == first or data.fold[i] == 3 else str(i) for i in range(12)))
    (line,) = seen_before(tuned, patient, fingerprints)  # another image of this patient was trained on
    assert line.startswith("tiny had been trained on the patients of 1 of the ")
    write_phantoms(tmp_path / "new", 3, seed=99)
    cases = read_data_set(tmp_path / "new").labelled
    new = replace(data, cases=cases, sets=("new",) * 3, groups=("a", "b", "c"), fold=np.array([1, 1, 2]))
    assert seen_before(replace(tuned, judged=2), new, {"new": "0"}) == []


def test_a_card_of_before_that_names_no_images_is_compared_by_the_whole_data_set(run, tmp_path):
    config, fingerprints = load_config(run)
    graph = onnx.load(run / NETWORK)
    settings = json.loads(graph.metadata_props[0].value)
    del settings["card"]["data"]["set"]["image_sha256"]
    graph.metadata_props[0].value = json.dumps(settings)
    onnx.save(graph, tmp_path / "old.onnx")
    tuned = replace(config, start_from=str(tmp_path / "old.onnx"))
    data = read_run_data(run)
    assert seen_before(tuned, data, fingerprints) == []  # the same fold is held out
    for other in (replace(tuned, judged=2), replace(tuned, folds=4), replace(tuned, recipe=replace(SMALL, seed=9))):
        assert seen_before(other, data, fingerprints) == [
            "tiny had been trained on images of set; their scores are not of unseen patients"
        ]
    assert seen_before(replace(tuned, judged=2), data, {"set": "another"}) == []


def test_a_fine_tuned_network_remembers_what_the_first_one_learnt_from(run, tmp_path):
    """Over two generations, in the card, in its text and in what `salus evaluate` warns of."""
    write_phantoms(tmp_path / "new", 3, seed=99)
    cases = read_data_set(tmp_path / "new").labelled
    new = replace(
        read_run_data(run), names=("x", "y", "z"), cases=cases, sets=("new",) * 3, groups=("a", "b", "c"),
        fold=np.array([1, 2, 3]),
    )  # fmt: skip
    start_from = run / NETWORK
    for name in ("child", "grandchild"):
        config = TrainingConfig(("new",), name, start_from=str(start_from), judged=0, final=True, recipe=SMALL)
        _, card = make_card(config, new, {"new": "0" * 64}, None, config.network_settings(), silent)
        start_from = tmp_path / f"{name}.onnx"
        graph = onnx.load(run / NETWORK)
        onnx.helper.set_model_props(graph, {SETTINGS: json.dumps({"name": name, **card["settings"], "card": card})})
        onnx.save(graph, start_from)
    assert "- tiny, from which it comes, was trained on: all but fold 1 of 3 of set 12 images (sha256" in card_text(
        card
    )
    data = read_run_data(run)
    trained = [case for case, fold in zip(data.cases, data.fold, strict=True) if fold != 1]
    (line,) = training_warnings(start_from, trained)
    assert f"tiny, from which grandchild was fine-tuned, was trained on {len(trained)} of these" in line
    assert len(training_warnings(start_from, cases)) == 2  # by itself, and as child


def test_a_set_that_was_left_out_is_not_called_seen(run):
    """Of `--judge sources`: the card names the set, with no image that was trained on."""
    config, _ = load_config(run)
    data = read_run_data(run)
    data = replace(data, sets=tuple("left" if fold == 1 else "kept" for fold in data.fold))
    config = replace(config, sources=True, data=("left", "kept"))
    cases = [case for case, name in zip(data.cases, data.sets, strict=True) if name == "left"]
    fingerprints = {"left": fingerprint(cases)["sha256"], "kept": "0"}
    _, card = make_card(config, data, fingerprints, None, config.network_settings(), silent)
    assert card["data"]["left"] == {"images": len(cases), "sha256": fingerprints["left"], "image_sha256": []}
    for learnt in training_sets({"name": "x", "card": card}, "x"):
        assert learnt.images == (
            frozenset() if learnt.name == "left" else frozenset(card["data"]["kept"]["image_sha256"])
        )


def test_each_data_set_is_left_out_in_turn(tmp_path, monkeypatch):
    """The network of a fold has seen no image of the set that it is judged on; aspect ratios are kept."""
    monkeypatch.setattr("salus.lab.networks.segment_net.segment_net", tiny_net)
    for name, count in (("near", 5), ("far", 7)):
        write_phantoms(tmp_path / name, count, seed=count)
    recipe = replace(SMALL, steps=2, keep_aspect=True)
    config = TrainingConfig((str(tmp_path / "near"), str(tmp_path / "far")), "tiny", sources=True, recipe=recipe)
    lines = []
    with eagerly():
        start(tmp_path / "run", config, lines.append)
    assert "near left out: 7 images to train on, 5 held out" in lines
    assert "far left out: 5 images to train on, 7 held out" in lines
    rows = read_rows(tmp_path / "run")
    assert {(row["set"], row["fold"]) for row in rows} == {("near", "1"), ("far", "2")}
    assert len(rows) == 12
    card = read_card(tmp_path / "run")
    assert card["trained_on"] == "all but near"
    assert card["settings"]["keep_aspect"] is True
    assert "data sets that were left out in turn (near, far)" in (tmp_path / "run" / "card.md").read_text()
    segmenter = Segmenter(tmp_path / "run" / NETWORK)
    data = read_run_data(tmp_path / "run")
    for row in rows[:5]:  # the runtime prepares images as the training did
        case = data.cases[data.names.index(row["image"])]
        assert segmenter(case.read_image()).presence == pytest.approx(float(row["presence"]), abs=2e-4)
    with pytest.raises(SalusError, match="leaves out each data set in turn"):
        resume(tmp_path / "run", silent, judged=2)
    with pytest.raises(SalusError, match="is the only data set"):
        start(tmp_path / "one", replace(config, data=config.data[:1]), silent)
