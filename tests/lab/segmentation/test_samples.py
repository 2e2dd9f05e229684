"""The training batches: repeatable, with targets that agree, and tumour-free where they should be."""

from dataclasses import replace

import numpy as np
from tests.lab.segmentation.small_training import SMALL, discs

from salus.lab.segmentation.samples import (
    crop_columns,
    join_halves,
    sample_batch,
    to_inputs_and_targets,
)


def make_batch(images, masks, recipe, step):
    return to_inputs_and_targets(sample_batch(images, masks, masks.any(axis=(1, 2)), recipe, step))


def test_a_step_always_gives_the_same_batch():
    images, masks = discs(12, free=3)
    (inputs, targets), (same_inputs, same_targets) = (make_batch(images, masks, SMALL, 7) for _ in range(2))
    np.testing.assert_array_equal(inputs, same_inputs)
    for name in targets:
        np.testing.assert_array_equal(targets[name], same_targets[name])
    other_inputs, _ = make_batch(images, masks, SMALL, 8)
    assert (inputs != other_inputs).any()


def test_the_targets_of_the_outputs_agree():
    images, masks = discs(12, free=3)
    _, targets = make_batch(images, masks, replace(SMALL, batch=24, free_share=0.5), 0)
    shares = targets["probability"].reshape(24, 16, 4, 16, 4).mean(axis=(2, 4))
    np.testing.assert_allclose(targets["saliency"][..., 0], shares, atol=1e-6)
    assert (targets["presence"][:, 0] == (targets["probability"].sum(axis=(1, 2, 3)) > 0)).all()
    assert 0.2 < 1 - targets["presence"].mean() < 0.8


def test_prompts_come_with_the_lesion_that_they_mean():
    images, masks = discs(8, free=2)
    recipe = replace(SMALL, prompted=1.0, free_share=0.3, batch=24)
    batch = sample_batch(images, masks, masks.any(axis=(1, 2)), recipe, 0)
    assert batch.prompts.shape == batch.masks.shape == batch.targets.shape
    assert batch.prompts.min() >= -1
    assert batch.prompts.max() == 1
    assert (batch.targets <= batch.masks).all()
    prompted = np.abs(batch.prompts).max(axis=(1, 2)) > 0
    assert prompted[batch.masks.any(axis=(1, 2))].all()
    inputs, targets = to_inputs_and_targets(batch)
    assert inputs["prompt"].shape == inputs["image"].shape == (24, 64, 64, 1)
    assert targets["presence"].ravel().tolist() == batch.masks.any(axis=(1, 2)).tolist()
    again = sample_batch(images, masks, masks.any(axis=(1, 2)), recipe, 0)
    np.testing.assert_array_equal(again.prompts, batch.prompts)


def test_without_normal_images_every_image_shows_a_tumour():
    images, masks = discs(6)
    recipe = replace(SMALL, free_share=0.9, batch=16)
    assert sample_batch(images, masks, masks.any(axis=(1, 2)), recipe, 0).masks.any(axis=(1, 2)).all()


def test_paired_images_show_two_scans_of_which_the_prompt_means_one():
    images, masks = discs(8)
    recipe = replace(SMALL, prompted=1.0, paired=1.0, free_share=0.0, batch=32)
    batch = sample_batch(images, masks, masks.any(axis=(1, 2)), recipe, 0)
    left, right = batch.masks[:, :, :32].any(axis=(1, 2)), batch.masks[:, :, 32:].any(axis=(1, 2))
    assert np.mean(left & right) > 0.9  # an augmented disc may lie at the border
    one_side = batch.targets[:, :, :32].any(axis=(1, 2)) ^ batch.targets[:, :, 32:].any(axis=(1, 2))
    assert np.mean(one_side) > 0.6  # the others have clicks outside alone, or are wrong
    none = sample_batch(images, masks, masks.any(axis=(1, 2)), replace(recipe, prompted=0.0), 0)
    assert not (none.masks[:, :, :32].any(axis=(1, 2)) & none.masks[:, :, 32:].any(axis=(1, 2))).all()


def test_halves_hold_their_lesions_where_these_fit_and_their_middle_where_not():
    images, masks = discs(2)
    for seed in range(20):
        image, mask = join_halves((images[0], masks[0]), (images[1], masks[1]), np.random.default_rng(seed))
        assert image.shape == mask.shape == (64, 64)
        assert mask[:, :32].sum() == masks[0].sum()
        assert mask[:, 32:].sum() == masks[1].sum()
        assert (image[mask] < 60).all()
    wide = np.zeros((64, 64), bool)
    wide[20:30, 4:60] = True
    part_image, part = crop_columns(images[0], wide, 32, np.random.default_rng(0))
    np.testing.assert_array_equal(part_image, images[0][:, 16:48])
    assert part[20:30].all()
