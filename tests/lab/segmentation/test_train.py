"""Train the segmentation network, small: resume, two sizes, refusals."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tests.lab.segmentation.small_training import SMALL, discs, tiny_net

from salus.errors import SalusError
from salus.lab.segmentation import loader
from salus.lab.segmentation.train import EARLY_SEED_OFFSET, early_recipe, train_segmenter
from salus.lab.training import loop


def silent(line):
    pass


def test_a_killed_training_resumes_to_the_weights_of_an_uninterrupted_one(tmp_path, monkeypatch):
    """With a small network in place of the real one: what is tested is the state that is kept, dropout's too."""
    monkeypatch.setattr("salus.lab.networks.segment_net.segment_net", tiny_net)
    monkeypatch.setattr(loop, "STATE_INTERVAL", 2)
    images, masks = discs(12, free=2)
    uninterrupted = train_segmenter(images, masks, SMALL, tmp_path / "a", silent).get_weights()

    sample_batch = loader.sample_batch

    def die_at_step_3(*arguments):
        if arguments[-1] == 3:
            raise RuntimeError("killed")
        return sample_batch(*arguments)

    monkeypatch.setattr(loader, "sample_batch", die_at_step_3)
    with pytest.raises(RuntimeError):
        train_segmenter(images, masks, SMALL, tmp_path / "b", silent)
    assert [p.name for p in (tmp_path / "b").iterdir()] == ["step-000002.weights.h5"]
    monkeypatch.setattr(loader, "sample_batch", sample_batch)
    lines = []
    resumed = train_segmenter(images, masks, SMALL, tmp_path / "b", lines.append).get_weights()
    assert "resumes after step 2" in lines[0]
    for one, other in zip(uninterrupted, resumed, strict=True):
        np.testing.assert_array_equal(one, other)
    assert [p.name for p in (tmp_path / "b").iterdir()] == ["weights.weights.h5"]


def test_the_training_starts_from_the_weights_of_the_one_at_a_smaller_size(tmp_path, monkeypatch):
    monkeypatch.setattr("salus.lab.networks.segment_net.segment_net", tiny_net)
    images, masks = discs(12, free=2)
    early = replace(SMALL, size=32, seed=SMALL.seed + EARLY_SEED_OFFSET, learning_rate=1e-2)
    small = np.stack([np.asarray(Image.fromarray(i).resize((32, 32), Image.Resampling.BILINEAR)) for i in images])
    shares = masks.reshape(12, 32, 2, 32, 2).mean(axis=(2, 4))
    early_weights = train_segmenter(small, shares >= 0.5, early, tmp_path / "a", silent).get_weights()
    still = replace(SMALL, early_steps=4, early_size=32, early_rate=1e-2, learning_rate=0.0)
    lines = []
    weights = train_segmenter(images, masks, still, tmp_path / "b", lines.append).get_weights()
    for expected, actual in zip(early_weights, weights, strict=True):
        if expected.shape == (8, 8, 8):  # a value for each position
            channels = [Image.fromarray(channel) for channel in np.moveaxis(expected, -1, 0).copy()]
            resized = [np.asarray(channel.resize((16, 16), Image.Resampling.BILINEAR)) for channel in channels]
            expected = np.stack(resized, axis=-1)
        # but for masks' edges, which Pillow resizes with a wider kernel
        np.testing.assert_allclose(expected, actual, atol=1e-3)
    random = train_segmenter(images, masks, replace(still, early_steps=0), tmp_path / "c", silent).get_weights()
    assert max(np.abs(one - other).max() for one, other in zip(random, weights, strict=True)) > 1e-2
    assert [line.strip() for line in lines if "at" in line] == ["first at 32 x 32", "then at 64 x 64"]
    assert early_recipe(replace(still, paired=0.5)).paired == 0  # pairs of scans come after


def test_unusable_images_and_contradicting_settings_are_refused(tmp_path):
    images, masks = discs(4)
    with pytest.raises(SalusError, match="size"):
        train_segmenter(images[:, :32, :32], masks[:, :32, :32], SMALL, tmp_path)
    with pytest.raises(SalusError, match="--early-steps"):
        train_segmenter(images, masks, replace(SMALL, early_steps=2), tmp_path, print, tmp_path / "network.onnx")
    with pytest.raises(SalusError, match="no mask"):
        train_segmenter(images, masks & False, SMALL, tmp_path)


def test_a_loss_that_is_no_number_stops_the_training(tmp_path, monkeypatch):
    monkeypatch.setattr("salus.lab.networks.segment_net.segment_net", tiny_net)
    with pytest.raises(SalusError, match="no number at step"):
        train_segmenter(*discs(6), replace(SMALL, learning_rate=float("inf")), tmp_path, silent)
