"""A small training for tests: recipe, images with a dark disc, and a network of seven layers."""

import numpy as np

from salus.lab.segmentation.recipe import SegmentationRecipe
from salus.lab.training.augment.settings import LIGHT

SMALL = SegmentationRecipe(
    steps=4, early_steps=0, batch=2, passes=100, size=64, pretrained=False, augmentation=LIGHT, prompted=0.0,
    free_share=0.3, keep_aspect=False,
)  # fmt: skip


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


def tiny_net(size, weights, dropout):
    """The outputs of `segment_net` from seven layers, of which one has a value for each place."""
    import keras
    from keras import layers

    from salus.lab.networks.saliency_net import Place

    image = keras.Input((size, size, 1), name="image")
    x = layers.Dropout(dropout)(layers.Conv2D(8, 4, strides=4, activation="relu")(image))
    x = Place()(x)
    saliency = layers.Conv2D(1, 1, activation="sigmoid", name="saliency")(x)
    probability = layers.UpSampling2D(4, name="probability")(saliency)
    means = layers.GlobalAveragePooling2D(name="features")(x)
    presence = layers.Dense(1, activation="sigmoid", name="presence")(means)
    outputs = {"probability": probability, "saliency": saliency, "presence": presence, "features": means}
    return keras.Model(image, outputs)


def train_a_tiny_net(monkeypatch=None):
    """Let this process train `tiny_net` in place of the real network, and write its state often.

    A Ray worker calls it when it starts.
    """
    from salus.lab.training.backend import use_backend

    use_backend("tensorflow")
    from salus.lab.networks import segment_net
    from salus.lab.training import loop

    change = setattr if monkeypatch is None else monkeypatch.setattr
    change(segment_net, "segment_net", tiny_net)
    change(loop, "STATE_INTERVAL", 20)
