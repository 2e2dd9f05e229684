"""Training the segmentation network, small: batches, resuming, export, and a whole run on phantoms."""

import csv
import json
import shutil
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from salus.data.phantom.make import write_phantoms
from salus.engine import open_network
from salus.errors import SalusError
from salus.lab.onnx.weights import load_noted
from salus.lab.segmentation import loader as segment_makers
from salus.lab.segmentation import train as segment
from salus.lab.segmentation.calibrate import calibrate
from salus.lab.segmentation.card import card_text, seen_before
from salus.lab.segmentation.config import NETWORK, Wanted, load
from salus.lab.segmentation.held_out import Raw
from salus.lab.segmentation.judge import certainty, coverage, summarise
from salus.lab.segmentation.recipe import SegmentRecipe
from salus.lab.segmentation.run import read_wanted_pool, resume, start
from salus.lab.segmentation.samples import as_inputs, cut_beside, draw_batch
from salus.lab.segmentation.train import train_segmenter
from salus.lab.training.augment.compose import LIGHT
from salus.segmentation.postprocess import from_logit, to_logit
from salus.segmentation.segmenter import Segmenter

SMALL = SegmentRecipe(steps=4, early_steps=0, batch=2, passes=100, size=64, pretrained=False, augmentation=LIGHT)


def discs(n, seed=0, free=0):
    """Noise with a dark disc somewhere; the first `free` images have none."""
    rng = np.random.default_rng(seed)
    images = rng.integers(90, 170, (n, 64, 64)).astype(np.uint8)
    masks = np.zeros((n, 64, 64), bool)
    rows, columns = np.mgrid[:64, :64]
    for i in range(free, n):
        r, c = rng.integers(14, 50, 2)
        masks[i] = (rows - r) ** 2 + (columns - c) ** 2 < 9**2
        images[i][masks[i]] //= 3
    return images, masks


def make_batch(images, masks, recipe, step):
    return as_inputs(*draw_batch(images, masks, masks.any(axis=(1, 2)), recipe, step))


def test_a_step_always_gives_the_same_batch():
    images, masks = discs(12, free=3)
    (x, y), (again, same) = (make_batch(images, masks, SMALL, 7) for _ in range(2))
    np.testing.assert_array_equal(x, again)
    for name in y:
        np.testing.assert_array_equal(y[name], same[name])
    other, _ = make_batch(images, masks, SMALL, 8)
    assert (x != other).any()


def test_truths_agree_with_each_other():
    images, masks = discs(12, free=3)
    _, y = make_batch(images, masks, replace(SMALL, batch=24, free_share=0.5), 0)
    shares = y["probability"].reshape(24, 16, 4, 16, 4).mean(axis=(2, 4))
    np.testing.assert_allclose(y["saliency"][..., 0], shares, atol=1e-6)
    assert (y["presence"][:, 0] == (y["probability"].sum(axis=(1, 2, 3)) > 0)).all()
    assert 0.2 < 1 - y["presence"].mean() < 0.8


def test_windows_beside_tumours_hold_none_and_come_from_the_image():
    images, masks = discs(6)
    rng = np.random.default_rng(0)
    tried = [cut_beside(images, masks, np.arange(6), rng) for _ in range(40)]
    found = [one for one in tried if one is not None]
    assert len(found) > 10  # the rest found no room in ten tries
    assert not any(one[1].any() for one in found)
    dark = [np.mean(one[0] < 60) for one in found]
    assert max(dark) < 0.01  # discs are below 57, the rest is 90 or more
    full = np.ones_like(masks)
    assert cut_beside(images, full, np.arange(6), rng) is None


def tiny_net(size, weights, dropout, *_):
    """The outputs of `segment_net` from seven layers; one has a value for each place, as the saliency network has."""
    import keras
    from keras import layers

    from salus.lab.networks.saliency_net import Place

    image = keras.Input((size, size, 1))
    x = layers.Dropout(dropout)(layers.Conv2D(8, 4, strides=4, activation="relu")(image))
    x = Place()(x)
    saliency = layers.Conv2D(1, 1, activation="sigmoid", name="saliency")(x)
    probability = layers.UpSampling2D(4, name="probability")(saliency)
    means = layers.GlobalAveragePooling2D(name="features")(x)
    presence = layers.Dense(1, activation="sigmoid", name="presence")(means)
    named = {"probability": probability, "saliency": saliency, "presence": presence, "features": means}
    return keras.Model(image, named)


def test_a_killed_training_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch):
    """With a small network in place of the real one: what is tested is the state that is kept, dropout's too."""
    monkeypatch.setattr("salus.lab.networks.segment_net.segment_net", tiny_net)
    monkeypatch.setattr(segment, "KEPT", 2)
    images, masks = discs(12, free=2)
    whole = train_segmenter(images, masks, SMALL, tmp_path / "a", lambda line: None).get_weights()

    real = segment_makers.draw_batch

    def dies(*arguments):
        if arguments[-1] == 3:
            raise RuntimeError("killed")
        return real(*arguments)

    monkeypatch.setattr(segment_makers, "draw_batch", dies)
    with pytest.raises(RuntimeError):
        train_segmenter(images, masks, SMALL, tmp_path / "b", lambda line: None)
    monkeypatch.setattr(segment_makers, "draw_batch", real)
    said = []
    resumed = train_segmenter(images, masks, SMALL, tmp_path / "b", said.append).get_weights()
    assert "resumes after step 2" in said[0]
    for one, other in zip(whole, resumed, strict=True):
        np.testing.assert_array_equal(one, other)
    assert [p.name for p in (tmp_path / "b").iterdir()] == ["weights.weights.h5"]


def test_the_training_starts_from_what_a_first_one_at_a_smaller_size_reached(tmp_path, monkeypatch):
    monkeypatch.setattr("salus.lab.networks.segment_net.segment_net", tiny_net)
    images, masks = discs(12, free=2)
    first = replace(SMALL, size=32, seed=SMALL.seed + segment.EARLY_SEED, learning_rate=1e-2)
    small = np.stack([np.asarray(Image.fromarray(one).resize((32, 32), Image.Resampling.BILINEAR)) for one in images])
    shares = masks.reshape(12, 32, 2, 32, 2).mean(axis=(2, 4))
    alone = train_segmenter(small, shares >= 0.5, first, tmp_path / "a", lambda line: None).get_weights()
    still = replace(SMALL, early_steps=4, early_size=32, early_rate=1e-2, learning_rate=0.0)
    said = []
    both = train_segmenter(images, masks, still, tmp_path / "b", said.append).get_weights()
    for one, other in zip(alone, both, strict=True):
        if one.shape == (8, 8, 8):  # of each place
            sides = [
                np.asarray(Image.fromarray(one[..., k]).resize((16, 16), Image.Resampling.BILINEAR)) for k in range(8)
            ]
            one = np.stack(sides, axis=-1)
        np.testing.assert_allclose(
            one, other, atol=1e-3
        )  # but for masks' edges, which Pillow resizes with a wider kernel
    fresh = train_segmenter(
        images, masks, replace(still, early_steps=0), tmp_path / "c", lambda line: None
    ).get_weights()
    assert max(np.abs(one - other).max() for one, other in zip(fresh, both, strict=True)) > 1e-2
    assert [line.strip() for line in said if "at" in line] == ["first at 32 x 32", "then at 64 x 64"]


def test_what_cannot_be_trained_on_is_said(tmp_path):
    images, masks = discs(4)
    with pytest.raises(SalusError, match="size"):
        train_segmenter(images[:, :32, :32], masks[:, :32, :32], SMALL, tmp_path, print)
    with pytest.raises(SalusError, match="--early-steps"):
        train_segmenter(images, masks, replace(SMALL, early_steps=2), tmp_path, print, tmp_path / "network.onnx")
    with pytest.raises(SalusError, match="no mask"):
        train_segmenter(images, masks & False, SMALL, tmp_path, print)


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
    wanted = Wanted((str(folder / "set"),), "tiny", folds=3, recipe=replace(SMALL, steps=2))
    with eagerly():
        start(folder / "run", wanted, lambda line: None)
    return folder / "run"


def test_a_run_ends_in_a_network_that_segments(run):
    segmenter = Segmenter(run / NETWORK)
    assert segmenter.settings.name == "tiny"
    assert segmenter.settings.size == 64
    found = segmenter(np.random.default_rng(0).integers(0, 256, (50, 70)).astype(np.uint8))
    assert found.mask.shape == found.probability.shape == found.saliency.shape == (50, 70)
    assert found.network == "tiny"


def test_the_card_says_what_was_held_out(run):
    card = json.loads((run / "card.json").read_text())
    assert card["judged"]["folds"] == [1]
    assert card["settings"]["name"] == "tiny"
    assert card["data"]["set"]["images"] == 12
    with (run / "images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["fold"] for row in rows} == {"1"}
    assert 3 <= len(rows) <= 5
    assert card["judged"]["scores"]["set"]["lesion_images"] == sum(row["tumour"] == "1" for row in rows)
    text = (run / "card.md").read_text()
    assert "not a medical device" in text
    assert "| set |" in text


def test_rows_are_what_the_finished_network_says(run):
    """The held-out scores come from stored outputs; the network file itself must give the same cut."""
    segmenter = Segmenter(run / NETWORK)
    with (run / "images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    pool = read_wanted_pool(run)
    for row in rows:
        case = pool.cases[pool.names.index(row["image"])]
        found = segmenter(case.read_image())
        assert found.presence == pytest.approx(float(row["presence"]), abs=2e-4)
        assert found.confidence == pytest.approx(float(row["confidence"]), abs=5e-3)
        assert int(not found.found) == int(row["empty"])


def test_a_finished_run_resumes_to_the_same_file(run):
    before = (run / NETWORK).read_bytes()
    resume(run, lambda line: None)
    assert (run / NETWORK).read_bytes() == before
    with pytest.raises(SalusError, match="--resume"):
        start(run, load(run)[0], print)


def test_a_run_goes_on_with_the_folds_it_began_with(run, tmp_path):
    kept = shutil.copytree(run, tmp_path / "run")
    pool = read_wanted_pool(kept)
    dealt = json.loads((kept / "folds.json").read_text())
    assert dealt["test"] == {f"set/{n}": f for n, f in zip(pool.names, pool.fold.tolist(), strict=True)}
    assert list(dealt["groups"].values()) == list(pool.groups)
    first = next(iter(dealt["groups"]))
    (kept / "folds.json").write_text(json.dumps({**dealt, "groups": {**dealt["groups"], first: "set/another patient"}}))
    with pytest.raises(SalusError, match="patients or near-duplicates are not those"):
        resume(kept, lambda line: None)


def test_two_sets_of_one_name_are_refused(tmp_path):
    for place in ("one", "two"):
        write_phantoms(tmp_path / place / "set", 2, seed=5)
    wanted = Wanted((str(tmp_path / "one" / "set"), str(tmp_path / "two" / "set")), recipe=SMALL)
    with pytest.raises(SalusError, match="told apart by their folders' names"):
        start(tmp_path / "run", wanted, lambda line: None)
    assert not (tmp_path / "run").exists()


def test_folds_are_added_to_a_finished_run(run, tmp_path, monkeypatch):
    """With a training that only notes what it was given: the first fold is not made again."""
    from salus.lab.segmentation import run as segment_run

    grown = shutil.copytree(run, tmp_path / "run")
    made = []

    def make(folder, pool, training, wanted, log, crew):
        if not (folder / NETWORK).exists():
            made.append((folder.name, len(training)))
            folder.mkdir()
            shutil.copy(run / "fold-1" / NETWORK, folder)

    monkeypatch.setattr(segment_run, "_make", make)
    judged = load(run)[0].judged
    with pytest.raises(SalusError, match="give as many or more"):
        resume(grown, lambda line: None, judged=judged - 1)
    resume(grown, lambda line: None, judged=judged + 1, final=True)
    pool = read_wanted_pool(grown)
    held_out = int((pool.fold == judged + 1).sum())
    groups = np.asarray(pool.groups)
    left = int((~np.isin(groups, groups[pool.fold == judged + 1])).sum())
    assert made == [(f"fold-{judged + 1}", left), ("final", len(pool.names))]
    assert (load(grown)[0].judged, load(grown)[0].final) == (judged + 1, True)
    with (grown / "images.csv").open(newline="") as file:
        assert sum(row["fold"] == str(judged + 1) for row in csv.DictReader(file)) == held_out
    assert json.loads((grown / "card.json").read_text())["judged"]["folds"] == list(range(1, judged + 2))


def test_the_final_network_goes_on_from_the_first_folds(run, tmp_path):
    """At a rate of nothing it ends where that began."""
    grown = shutil.copytree(run, tmp_path / "run")
    asked = json.loads((grown / "run.json").read_text())
    asked["recipe"]["learning_rate"] = 1e-9
    (grown / "run.json").write_text(json.dumps(asked))
    for wrong in ({"final_steps": 1}, {"final": True, "final_steps": 0}):
        with pytest.raises(SalusError, match="--final-steps"):
            resume(grown, lambda line: None, **wrong)
    said = []
    with eagerly():
        resume(grown, said.append, final=True, final_steps=1)
    assert sum("step 1/1" in line for line in said) == 1
    given = {"image": np.random.default_rng(1).random((1, 64, 64, 1), np.float32)}
    first, last = (open_network(grown / where / NETWORK).run(given) for where in ("fold-1", "final"))
    np.testing.assert_allclose(last["probability"], first["probability"], atol=1e-3)
    card = json.loads((grown / "card.json").read_text())
    assert card["trained_on"] == "every image"
    assert card["started_from"] == "ImageNet by way of fold 1's network, which it goes on from for 1 steps"
    with pytest.raises(SalusError, match="begun in another way"):
        resume(grown, lambda line: None, final_steps=2)


def test_weights_come_back_out_of_the_file(run):
    from salus.lab.networks.segment_net import segment_net

    model = segment_net(64)
    load_noted(model, run / NETWORK)
    images = np.random.default_rng(1).random((2, 64, 64, 1), np.float32)
    found = open_network(run / "fold-1" / NETWORK).run({"image": images})
    np.testing.assert_allclose(model.predict(images, verbose=0)["probability"], found["probability"], atol=1e-4)


def test_fine_tuning_starts_from_the_file(run, tmp_path):
    images, masks = discs(6)
    recipe = replace(SMALL, steps=1, learning_rate=1e-9, decay=0.0)
    with eagerly():
        tuned = train_segmenter(images, masks, recipe, tmp_path, lambda line: None, run / NETWORK)
    given = np.random.default_rng(1).random((1, 64, 64, 1), np.float32)
    found = open_network(run / NETWORK).run({"image": given})
    np.testing.assert_allclose(tuned.predict(given, verbose=0)["probability"], found["probability"], atol=1e-3)
    other = tmp_path / "other.onnx"
    other.write_bytes(b"no network")
    with pytest.raises(SalusError, match="cannot be read"):
        train_segmenter(images, masks, recipe, tmp_path / "b", print, other)


def raw_of(logit, presence):
    n = len(logit)
    return Raw(np.arange(n), np.ones(n, int), logit.astype(np.float16), presence, np.zeros(n))


def test_a_card_is_json_and_says_of_whom_it_tells(run):
    def no_constant(name):
        raise AssertionError(name)

    card = json.loads((run / "card.json").read_text(), parse_constant=no_constant)
    assert "fitted on these same images" in (run / "card.md").read_text()
    one = summarise([{"set": "a", "label": "", "share": 0.1, "image": "1", "group": "p", "tumour": 1, "dice": 0.8}])
    assert (one["a"]["low"], one["a"]["high"]) == (None, None)
    told = card_text({**card, "seen": ["x"], "judged": {**card["judged"], "asked": "whom", "scores": one}})
    assert "Each image was asked of whom." in told
    assert "**Not unseen:** x" in told
    assert "| a | 1 | 0.800 | – | 0.0% | – | – |" in told


def test_scores_on_images_that_the_first_network_had_seen_are_named(run):
    first, prints = load(run)[0], {"set": json.loads((run / "card.json").read_text())["data"]["set"]["sha256"]}
    tuned = replace(first, start_from=str(run / NETWORK))
    assert seen_before(first, prints) == []
    assert seen_before(tuned, prints) == []  # the same fold is held out
    for other in (replace(tuned, judged=2), replace(tuned, folds=4), replace(tuned, recipe=replace(SMALL, seed=9))):
        assert seen_before(other, prints) == [
            "tiny had been trained on images of set; their scores are not of unseen patients"
        ]
    assert seen_before(replace(tuned, judged=2), {"set": "another"}) == []


def test_the_temperature_is_the_one_that_was_put_in():
    rng = np.random.default_rng(0)
    true = rng.normal(0, 2, (40, 64, 64))
    masks = rng.random(true.shape) < from_logit(true)
    found = calibrate(raw_of(2.5 * true, np.ones(40)), "x", 64, masks)
    assert found.temperature == pytest.approx(2.5, rel=0.05)
    assert found.presence == 0


def test_the_limit_of_presence_parts_what_can_be_parted():
    _, masks = discs(20, free=8)
    logit = np.where(masks, 4.0, -4.0)
    logit[:8, 20:40, 20:40] = 4.0  # something is outlined in every tumour-free image
    presence = np.where(masks.any(axis=(1, 2)), 0.8, 0.3)
    found = calibrate(raw_of(logit, presence), "x", 64, masks)
    assert 0.3 < found.presence <= 0.8


@pytest.mark.parametrize("outlined", [20, 5, 2])
def test_the_limit_of_presence_is_the_lowest_that_leaves_nine_in_ten_empty(outlined):
    """Of twenty tumour-free images eighteen; their presences are .025, .075 and so on to .975."""
    masks = np.zeros((21, 64, 64), bool)
    masks[20, 20:40, 20:40] = True
    logit = np.full(masks.shape, -4.0)
    logit[20 - outlined :, 20:40, 20:40] = 4.0
    presence = np.append((np.arange(20) + 0.5) / 20, 0.1)  # what becomes of the tumour does not count
    assert calibrate(raw_of(logit, presence), "x", 64, masks).presence == (0.88 if outlined > 2 else 0.0)
    assert calibrate(raw_of(logit, np.ones(21)), "x", 64, masks).presence == (0.95 if outlined > 2 else 0.0)


def test_summaries_count_what_they_should():
    base = {"set": "a", "label": "benign", "share": 0.1, "empty": 0, "confidence": 0.5}
    rows = [
        {**base, "image": "1", "group": "p", "tumour": 1, "dice": 0.8},
        {**base, "image": "2", "group": "p", "tumour": 1, "dice": 0.0},
        {
            **base,
            "image": "3",
            "group": "q",
            "tumour": 0,
            "dice": "",
            "label": "normal",
            "empty": 1,
            "confidence": 0.9,
            "share": 0.0,
        },
    ]
    found = summarise(rows)
    assert found["small tumours"]["lesion_images"] == 2
    assert "free_images" not in found["small tumours"]
    assert summarise(rows[2:])["a"] == {"free_images": 1, "left_empty": 1.0}
    assert (found["a"]["dice"], found["a"]["missed"], found["a"]["left_empty"]) == (0.4, 0.5, 1.0)
    assert found["a, one image a patient or cluster"]["dice"] == 0.8
    assert found["a, benign"]["lesion_images"] == 2
    assert coverage(rows)["dice"][-1] == pytest.approx(0.6)
    assert coverage(rows)["dice"][0] == 1.0
    bands = certainty(rows)
    assert bands[0] == {"from": 0.0, "outlined": 2, "dice": 0.4, "empty": 0, "rightly": None}
    assert bands[-1] == {"from": 0.9, "outlined": 0, "dice": None, "empty": 1, "rightly": 1.0}
    wrongly = {**rows[0], "empty": 1, "confidence": 0.95, "dice": 0.0}
    assert certainty([*rows, wrongly])[-1]["rightly"] == 0.5


def test_logits_and_probabilities_are_inverse():
    p = np.array([0.01, 0.5, 0.999])
    np.testing.assert_allclose(from_logit(to_logit(p)), p, rtol=1e-4)
