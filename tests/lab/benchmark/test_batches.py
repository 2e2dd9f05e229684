"""Batches: everything once an epoch, in an order that only seed and epoch decide."""

import numpy as np

from salus.lab.benchmark.batches import Batches, network_inputs
from salus.lab.training.backend import feed


def make(n=10, batch=4, seed=None, saliency=True):
    images = np.arange(n, dtype=np.uint8)[:, None, None] * np.ones((n, 2, 2), np.uint8)
    return Batches(images, images > 4, images if saliency else None, batch, seed)


def order(batches):
    return [round(float(x[0, 0, 0]) * 255) for i in range(len(batches)) for x in batches[i][0][0]]


def test_everything_once_an_epoch_and_the_last_batch_short():
    batches = make(seed=3)
    assert len(batches) == 3
    assert sorted(order(batches)) == list(range(10))
    assert batches[2][1].shape == (2, 2, 2, 1)


def test_order_depends_on_seed_and_epoch_alone():
    one, two = make(seed=3), make(seed=3)
    for batches in (one, two):
        batches.epoch = 5
    _ = two[1]
    assert order(one) == order(two)
    two.epoch = 6
    assert order(one) != order(two)
    assert order(make(seed=4)) != order(make(seed=3))
    assert order(make()) == list(range(10))


def test_inputs_are_scaled_and_paired():
    (image, saliency), truth = make()[1]
    np.testing.assert_allclose(image[0], 4 / 255)
    np.testing.assert_array_equal(image, saliency)
    assert truth.reshape(4, 4)[:, 0].tolist() == [0, 1, 1, 1]
    assert network_inputs(np.full((1, 2, 2), 255, np.uint8)).max() == 1


def test_tensorflow_gets_them_as_an_epoch_orders_them_and_without_a_tuning_thread():
    """The thread's end can be a minute late; that it is not started is all a test can see soon."""
    batches = make(seed=3)
    given = feed(batches)
    assert int(given.cardinality()) == 3
    assert given.options().autotune.enabled is False
    for batches.epoch in (0, 7):
        for index, (inputs, truth) in enumerate(given):
            wanted, wanted_truth = batches[index]
            np.testing.assert_array_equal(inputs, wanted)
            np.testing.assert_array_equal(truth, wanted_truth)
    assert [tuple(x.shape) for x in next(iter(feed(make(n=3, saliency=False))))] == [(3, 2, 2, 1)] * 2
