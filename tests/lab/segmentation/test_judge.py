"""Summaries of the held-out scores: by subset, by coverage, by stated confidence."""

import pytest

from salus.lab.segmentation.judge import accuracy_by_confidence, dice_by_coverage, summarise_by_subset

TUMOUR = {"set": "a", "label": "benign", "share": 0.1, "tumour": 1, "empty": 0, "confidence": 0.5}
ROWS = [
    {**TUMOUR, "image": "1", "group": "p", "dice": 0.8},
    {**TUMOUR, "image": "2", "group": "p", "dice": 0.0},
    {
        **{"set": "a", "label": "normal", "share": 0.0, "tumour": 0, "empty": 1, "confidence": 0.9},
        **{"image": "3", "group": "q", "dice": ""},
    },
]


def test_subsets_count_lesion_images_and_tumour_free_ones_apart():
    summaries = summarise_by_subset(ROWS)
    whole = summaries["a"]
    assert (whole["dice"], whole["missed"], whole["left_empty"]) == (0.4, 0.5, 1.0)
    assert summaries["a, one image a patient or cluster"]["dice"] == 0.8
    assert summaries["a, benign"]["lesion_images"] == 2
    assert summaries["small tumours"]["lesion_images"] == 2
    assert "free_images" not in summaries["small tumours"]
    assert summarise_by_subset(ROWS[2:])["a"] == {"free_images": 1, "left_empty": 1.0}


def test_coverage_begins_with_the_most_confident_image():
    dice = dice_by_coverage(ROWS)["dice"]
    assert dice[0] == 1.0
    assert dice[-1] == pytest.approx(0.6)


def test_stated_confidence_is_compared_with_what_it_came_to():
    bands = accuracy_by_confidence(ROWS)
    assert bands[0] == {"from": 0.0, "outlined": 2, "dice": 0.4, "empty": 0, "rightly": None}
    assert bands[-1] == {"from": 0.9, "outlined": 0, "dice": None, "empty": 1, "rightly": 1.0}
    missed = {**ROWS[0], "empty": 1, "confidence": 0.95, "dice": 0.0}
    assert accuracy_by_confidence([*ROWS, missed])[-1]["rightly"] == 0.5
