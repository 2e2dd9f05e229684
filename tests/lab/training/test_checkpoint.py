"""A training with dropout, whose state Keras does not save, resumes to the weights of an uninterrupted one."""

import numpy as np
import pytest

pytest.importorskip("keras")


def test_a_resumed_training_draws_the_same_dropout(tmp_path, monkeypatch):
    import keras
    from keras import layers

    from salus.lab.benchmark.fit import Subset, fit
    from salus.lab.benchmark.protocol import Protocol
    from salus.lab.training.backend import set_up
    from salus.lab.training.checkpoint import Checkpoint

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (12, 16, 16), dtype=np.uint8)
    part = Subset(images, images < 80, None)
    protocol = Protocol(size=16, batch=4, epochs=4, patience=4, learning_rate=1e-2)

    def train(folder):
        keras.utils.clear_session()
        set_up(1, "float32")
        image = keras.Input((16, 16, 1))
        x = layers.Dropout(0.5)(layers.Conv2D(4, 3, padding="same", activation="relu")(image))
        model = keras.Model(image, layers.Conv2D(1, 1, activation="sigmoid")(x))
        history = fit(model, part, part, protocol, folder, lambda line: None)
        return [row["loss"] for row in history], model.get_weights()

    losses, weights = train(tmp_path / "whole")
    real = Checkpoint.on_epoch_begin

    def cut(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt
        real(self, epoch, logs)

    monkeypatch.setattr(Checkpoint, "on_epoch_begin", cut)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "cut")
    monkeypatch.setattr(Checkpoint, "on_epoch_begin", real)
    again, same = train(tmp_path / "cut")
    assert again == losses
    for one, other in zip(weights, same, strict=True):
        np.testing.assert_array_equal(one, other)
