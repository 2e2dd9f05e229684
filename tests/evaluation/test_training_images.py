"""A network's card tells of the images that it, and those that it was fine-tuned from, were trained on."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from salus.data.fingerprint import fingerprint, image_digests
from salus.data.layouts import read_data_set
from salus.evaluation.training_images import training_warnings


@pytest.fixture
def warnings_of(published, monkeypatch):
    """Give the warnings about the twelve images for a network with a card, which is made from the cases."""
    cases = read_data_set(published).labelled

    def warn(make_card):
        settings = {"name": "ours", "card": make_card(cases)}
        monkeypatch.setattr(
            "salus.evaluation.training_images.open_network", lambda path: SimpleNamespace(settings=settings)
        )
        return training_warnings(Path("net.onnx"), cases)

    return warn


def data_of(cases, images):
    return {"set": {"sha256": fingerprint(cases)["sha256"], "image_sha256": sorted(image_digests(images))}}


def test_images_are_known_again_one_by_one(warnings_of):
    (line,) = warnings_of(lambda cases: {"data": data_of(cases[1:], cases[:5]), "trained_on": "all but fold 1 of 5"})
    assert line == (
        "ours was trained on 5 of these 12 images (its card: all but fold 1 of 5 of set); the scores are not of unseen "
        "patients"
    )


def test_a_set_of_which_no_image_was_trained_on_is_not_warned_of(warnings_of):
    """`salus train --judge sources` writes such an entry for the set that its network left out."""
    assert warnings_of(lambda cases: {"data": data_of(cases, []), "trained_on": "all but set"}) == []


def test_what_earlier_networks_learnt_from_is_warned_of(warnings_of):
    def make_card(cases):
        first = {"name": "first", "trained_on": "every image", "data": data_of(cases, cases[:5])}
        return {"data": {}, "inherited": [{"name": "second", "data": {}}, first]}

    (line,) = warnings_of(make_card)
    assert line.startswith("first, from which ours was fine-tuned, was trained on 5 of these 12 images")


def test_a_card_without_digests_of_images_is_compared_by_the_whole_set(warnings_of):
    (line,) = warnings_of(lambda cases: {"data": {"set": {"sha256": fingerprint(cases)["sha256"]}}})
    assert line.startswith("ours was trained on most of these 12 images (its card: every image of set)")
    assert warnings_of(lambda cases: {"data": {"set": {"sha256": fingerprint(cases[1:])["sha256"]}}}) == []
