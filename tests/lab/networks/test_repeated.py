"""The summed kernel equals the repeated input."""

import keras
import numpy as np
from keras import layers

from salus.lab.networks.repeated import RepeatedConv1x1


def test_equals_the_repeated_convolution():
    rng = np.random.default_rng(0)
    kernel, bias = rng.normal(size=(1, 1, 32, 7)).astype("f"), rng.normal(size=7).astype("f")
    x = keras.Input((5, 6, 1))
    copies = layers.Concatenate()([x] * 32)
    plain = keras.Model(x, layers.Activation("sigmoid")(layers.Conv2D(7, 1, activation="relu")(copies)))
    short = keras.Model(x, RepeatedConv1x1(7, 32)(x))
    plain.set_weights([kernel, bias])
    short.set_weights([kernel, bias])
    a = rng.random((2, 5, 6, 1), np.float32)
    y = short.predict(a, verbose=0)
    np.testing.assert_allclose(y, plain.predict(a, verbose=0), atol=1e-6)
    assert y.min() >= 0.5


def test_is_made_again_from_its_config():
    layer = RepeatedConv1x1(7, 32, name="gate")
    again = RepeatedConv1x1.from_config(layer.get_config())
    assert (again.filters, again.repeats, again.name) == (7, 32, "gate")
