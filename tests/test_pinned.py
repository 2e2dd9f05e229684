"""The shipped network's outlines of phantoms, pinned, on every engine and precision; tools/pin_masks.py writes them."""

import hashlib
import json
from pathlib import Path

import pytest

from salus.data.phantom.make import make_phantom
from salus.metrics.segmentation import score
from salus.read.image import read_mask
from salus.segmentation.segmenter import Segmenter
from salus.weights import SHIPPED_NETWORK

PINNED = Path(__file__).parent / "pinned"
NOTE = json.loads((PINNED / "pinned.json").read_text(encoding="utf-8"))
SAME = 0.99


def test_pinned_masks_are_of_the_network_in_the_package():
    assert hashlib.sha256(SHIPPED_NETWORK.read_bytes()).hexdigest() == NOTE["sha256"], (
        "run tools/pin_masks.py, and look"
    )


@pytest.mark.parametrize(
    "options",
    [
        {"engine": "openvino"},
        {"engine": "openvino", "streams": 2},
        {"engine": "openvino", "precision": "bfloat16"},
        {"engine": "onnxruntime"},
        {"engine": "onnxruntime", "threads": 1},
    ],
    ids=str,
)
def test_every_engine_outlines_what_is_pinned(options):
    pytest.importorskip(options["engine"])
    segmenter, outlined = Segmenter(**options), 0
    for seed in NOTE["seeds"]:
        pinned = read_mask(PINNED / f"phantom-{seed}.png")
        segmentation = segmenter(make_phantom(seed).image)
        if pinned.any():
            outlined += 1
            assert score(pinned, segmentation.mask).dice > SAME, seed
        else:
            assert not segmentation.mask.any(), seed
    assert outlined >= 5


def test_another_threshold_would_fail_against_the_pinned_masks():
    segmenter = Segmenter(threshold=0.9)
    worst = min(
        score(pinned, segmenter(make_phantom(seed).image).mask).dice
        for seed in NOTE["seeds"]
        if (pinned := read_mask(PINNED / f"phantom-{seed}.png")).any()
    )
    assert worst < SAME
