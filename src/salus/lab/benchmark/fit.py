"""Train one network on one fold with Keras's `fit`, and predict with it."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from salus.lab.benchmark.batches import Batches
from salus.lab.benchmark.protocol import Protocol
from salus.lab.training.backend import build_optimizer, make_dataset, use_jit
from salus.lab.training.checkpoint import BEST, FINAL, Checkpoint, restore
from salus.lab.training.losses import dice_loss, dsc
from salus.lab.training.progress import Log, format_duration
from salus.lab.training.run_folder import read_history


@dataclass(frozen=True, eq=False)
class Subset:
    """Arrays of the training, validation or test part of a fold.

    Attributes:
        images: (n, s, s) uint8.
        masks: (n, s, s) bool.
        saliency: (n, s, s) uint8; None for networks that take no saliency maps.
    """

    images: np.ndarray
    masks: np.ndarray
    saliency: np.ndarray | None


def fit(
    model: keras.Model,
    training: Subset,
    validation: Subset,
    protocol: Protocol,
    folder: Path,
    log: Log = print,
) -> list[dict[str, float]]:
    """Train a model, or resume its training where an earlier call with the same folder was interrupted.

    Args:
        model: network from (n, s, s, 1) image, or (image, saliency), to a probability of the same shape.
        training: images that the weights are fitted to.
        validation: images that decide when to stop; never those of the test part.
        protocol: settings of the training.
        folder: folder for history.csv, the best and the last epoch's weights, and TensorBoard logs.
        log: called with a line after every epoch.

    Returns:
        The history, a row for each epoch. The model holds the last weights, or the best where `protocol.restore_best`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / FINAL).exists():  # an earlier call finished the training
        model.load_weights(folder / FINAL)
        return read_history(folder)
    model.compile(keras.optimizers.Adam(protocol.learning_rate), loss=dice_loss, metrics=[dsc], jit_compile=use_jit())
    build_optimizer(model)
    history = restore(model, folder)
    checkpoint = Checkpoint(folder, history, protocol.patience)
    if history:
        log(f"  resumes after epoch {len(history)}")
    train_batches = Batches(training.images, training.masks, training.saliency, protocol.batch, protocol.seed)
    validation_batches = Batches(validation.images, validation.masks, validation.saliency, protocol.batch)
    if not checkpoint.finished and len(history) < protocol.epochs:
        model.fit(
            make_dataset(train_batches),
            validation_data=make_dataset(validation_batches),
            epochs=protocol.epochs,
            initial_epoch=len(history),
            shuffle=False,  # Batches shuffles by seed and epoch
            verbose=0,
            callbacks=[
                _SetEpoch(train_batches),
                checkpoint,
                _LogProgress(checkpoint, protocol, log),
                *_tensorboard_callbacks(folder),
            ],
        )
    if protocol.restore_best:
        model.load_weights(folder / BEST)
    checkpoint.write_final_weights()
    return checkpoint.history


def predict(model: keras.Model, subset: Subset, batch: int) -> np.ndarray:
    """Predict the probabilities of a subset's images: (n, s, s) float32."""
    batches = Batches(subset.images, subset.masks, subset.saliency, batch)
    probabilities = [model.predict_on_batch(batches[index][0]) for index in range(len(batches))]
    return np.concatenate(probabilities).astype(np.float32, copy=False)[..., 0]


class _SetEpoch(keras.callbacks.Callback):
    """Tell the batches which epoch begins, as their order depends on it."""

    def __init__(self, batches: Batches) -> None:
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.batches.epoch = epoch


class _LogProgress(keras.callbacks.Callback):
    """Log a line after every epoch, with an upper bound of the time left."""

    def __init__(self, checkpoint: Checkpoint, protocol: Protocol, log: Log) -> None:
        super().__init__()
        self.checkpoint, self.protocol, self.log = checkpoint, protocol, log

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        row, best, total = self.checkpoint.history[-1], self.checkpoint.best_epoch, self.protocol.epochs
        recent_seconds = [row["seconds"] for row in self.checkpoint.history[-5:]]
        seconds_left = (total - epoch - 1) * float(np.median(recent_seconds))
        left = format_duration(seconds_left)
        self.log(
            f"  epoch {epoch + 1}/{total}  loss {row['loss']:.4f}  val {row['val_loss']:.4f}  val DSC "
            f"{row['val_dsc']:.4f}  best {best}  {row['seconds']:.1f} s  at most {left} left"
        )


def _tensorboard_callbacks(folder: Path) -> list[keras.callbacks.Callback]:
    """Return the callback that writes TensorBoard's logs, where the package tensorboard is installed."""
    if any(importlib.util.find_spec(package) is None for package in ("tensorboard", "tensorflow")):
        return []
    return [keras.callbacks.TensorBoard(folder / "tensorboard", write_graph=False)]
