"""Every image is scored at the networks' size and at its own, and the scores are summarised apart."""

from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image

from salus.atomic import write_rows
from salus.data.case import Case
from salus.evaluation.scoring import Decisions, score_cases, score_prediction, score_segmentation
from salus.evaluation.summary import read_rows, render_summary, summarise_scores
from salus.metrics.segmentation import score
from salus.preprocess import resize
from salus.segmentation.result import Segmentation

SMALL = 16


@pytest.fixture
def case(tmp_path):
    truth = np.zeros((40, 30), np.uint8)
    truth[10:30, 5:25] = 255
    Image.fromarray(truth).save(tmp_path / "mask.png")
    Image.fromarray(truth // 2).save(tmp_path / "image.png")
    return Case("one", tmp_path / "image.png", (tmp_path / "mask.png",), patient="p", label="benign")


@pytest.fixture
def truth(case):
    return case.read_mask((40, 30))


def scores_in(row):
    return {name: value for name, value in row.items() if name in asdict(score([[1]], [[1]]))}


def test_a_networks_probability_is_resized_before_the_threshold(case, truth):
    small = resize(truth, (SMALL, SMALL))
    network, native = score_cases("net", 2, [case], np.array([small >= 0.5]), np.array([small * 0.8]), threshold=0.3)
    assert [(row["network"], row["fold"], row["case"], row["patient"], row["label"]) for row in (network, native)] == [
        ("net", 2, "one", "p", "benign")
    ] * 2
    assert (network["resolution"], native["resolution"]) == ("network", "native")
    large = resize(small * 0.8, (40, 30))
    assert scores_in(network) == asdict(score(small >= 0.5, small * 0.8 >= 0.3, small * 0.8))
    assert scores_in(native) == asdict(score(truth, large >= 0.3, large))


def test_a_prediction_and_a_segmentation_are_scored_by_their_own_masks(case, truth, tmp_path):
    shifted = np.roll(truth, 3, axis=1)
    Image.fromarray(shifted.astype(np.uint8)).save(tmp_path / "predicted.png")
    _, native = score_prediction("reader", 1, case, tmp_path / "predicted.png", SMALL)
    assert native["dice"] == score(truth, shifted).dice
    assert np.isnan(native["auc"])
    p = np.full(truth.shape, 0.9, np.float32)
    segmentation = Segmentation(shifted, p, p, 1.0, (), 0.9, 0.0, (), None, "x", "net")
    network, native = score_segmentation(segmentation, case, SMALL)
    assert native["dice"] == score(truth, shifted).dice
    assert network["area_predicted"] == (resize(shifted, (SMALL, SMALL)) >= 0.5).sum()


def test_a_summary_parts_lesion_images_from_tumour_free_ones_by_their_own_size():
    nan = float("nan")
    base = dict.fromkeys(asdict(score([[1]], [[1]])), 1.0)
    rows = [
        {**base, "case": "lesion", "resolution": "native", "dice": 0.5},
        {**base, "case": "lesion", "resolution": "network", "area_true": 0, "dice": 0.0},  # vanished at that size
        {**base, "case": "free", "resolution": "native", "area_true": 0, "area_predicted": 0, "tpr": nan},
        {**base, "case": "free", "resolution": "network", "area_true": 0, "area_predicted": 7, "tpr": nan},
    ]
    summary = summarise_scores(rows)
    assert summary["native"]["scores"]["dice"] == {"mean": 0.5, "n": 1}
    assert summary["native"]["tumour_free"] == {"images": 1, "left_empty": 1}
    assert summary["network"]["tumour_free"] == {"images": 1, "left_empty": 0}
    assert summary["network"]["scores"]["dice"] == {"mean": None, "n": 0}
    assert "1 tumour-free images, 1 left empty" in render_summary(summary)


def test_a_file_scored_against_itself_is_perfect_at_both_sizes(tmp_path):
    """Soft edges are cut at the same value in truth and prediction."""
    rows, columns = np.mgrid[:60, :50]
    soft = np.clip(400 - 18 * np.hypot(rows - 30, columns - 24), 0, 255).astype(np.uint8)
    for kind in ("mask.png", "image.png"):
        Image.fromarray(soft).save(tmp_path / kind)
    case = Case("one", tmp_path / "image.png", (tmp_path / "mask.png",))
    decisions = Decisions()
    rows = score_prediction("itself", 0, case, tmp_path / "mask.png", SMALL, decisions=decisions)
    assert [row["dice"] for row in rows] == [1.0, 1.0]
    assert rows[1]["area_true"] == (soft >= 128).sum()
    remarks: list[str] = []
    decisions.report(remarks, None)
    assert len(remarks) == 2
    assert all("soft edges, lesion from one half on" in line for line in remarks)


def test_intervals_are_those_of_a_bootstrap_over_patients():
    base = dict.fromkeys(asdict(score([[1]], [[1]])), 1.0)
    dice = np.linspace(0.3, 0.9, 12)
    rows = [
        {**base, "case": str(i), "patient": f"p{i // 3}", "resolution": resolution, "dice": value}
        for i, value in enumerate(dice)
        for resolution in ("network", "native")
    ]
    summary = summarise_scores(rows)["native"]
    means = dice.reshape(4, 3).mean(axis=1)  # patients of equal size: the mean over images is that over patients
    draws = np.random.default_rng(9).choice(means, (20_000, 4)).mean(axis=1)
    np.testing.assert_allclose(summary["intervals"]["dice"], np.percentile(draws, [2.5, 97.5]), atol=0.02)
    assert summary["patients"] == 4
    assert summary["intervals"]["jaccard"] == [1.0, 1.0]
    assert summarise_scores(rows[:2])["native"]["intervals"]["dice"] is None  # one patient tells nothing of others


def test_rows_read_back_from_csv(case, truth, tmp_path):
    rows = score_cases("net", 2, [case], truth[None], truth[None].astype(np.float32))
    write_rows(tmp_path / "scores.csv", rows)
    assert read_rows(tmp_path / "scores.csv") == rows
