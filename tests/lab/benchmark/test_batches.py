"""Batches hold every image once an epoch, in an order that depends on seed and epoch alone."""

import numpy as np

from salus.lab.benchmark.batches import Batches, network_inputs
from salus.lab.training.backend import make_dataset


def make_batches(n=10, batch=4, seed=None, saliency=True):
    images = np.arange(n, dtype=np.uint8)[:, None, None] * np.ones((n, 2, 2), np.uint8)
    return Batches(images, images > 4, images if saliency else None, batch, seed)


def order(batches):
    return [round(float(x[0, 0, 0]) * 255) for i in range(len(batches)) for x in batches[i][0][0]]


def test_every_image_once_an_epoch_and_a_shorter_last_batch():
    batches = make_batches(seed=3)
    assert len(batches) == 3
    assert sorted(order(batches)) == list(range(10))
    assert batches[2][1].shape == (2, 2, 2, 1)


def test_order_depends_on_seed_and_epoch_alone():
    first, second = make_batches(seed=3), make_batches(seed=3)
    first.epoch = second.epoch = 5
    _ = second[1]
    assert order(first) == order(second)
    second.epoch = 6
    assert order(first) != order(second)
    assert order(make_batches(seed=4)) != order(make_batches(seed=3))
    assert order(make_batches()) == list(range(10))


def test_inputs_are_scaled_and_paired():
    (image, saliency), truth = make_batches()[1]
    np.testing.assert_allclose(image[0], 4 / 255)
    np.testing.assert_array_equal(image, saliency)
    assert truth.reshape(4, 4)[:, 0].tolist() == [0, 1, 1, 1]
    assert network_inputs(np.full((1, 2, 2), 255, np.uint8)).max() == 1


def test_tensorflow_data_set_keeps_the_order_and_starts_no_tuning_thread():
    """The tuning thread can end a minute late; a test can only check that it is not started."""
    batches = make_batches(seed=3)
    dataset = make_dataset(batches)
    assert int(dataset.cardinality()) == 3
    assert dataset.options().autotune.enabled is False
    for batches.epoch in (0, 7):
        for index, (inputs, truth) in enumerate(dataset):
            expected_inputs, expected_truth = batches[index]
            np.testing.assert_array_equal(inputs, expected_inputs)
            np.testing.assert_array_equal(truth, expected_truth)
    assert [tuple(x.shape) for x in next(iter(make_dataset(make_batches(n=3, saliency=False))))] == [(3, 2, 2, 1)] * 2
