"""Train one network on one split by a protocol. Keras's `fit` does the training."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from salus.lab.benchmark.batches import Batches
from salus.lab.benchmark.protocol import Protocol
from salus.lab.training.backend import build_optimizer, compiles, feed
from salus.lab.training.checkpoint import BEST, FINAL, Checkpoint, restore
from salus.lab.training.losses import dice_loss, dsc
from salus.lab.training.process_group import ALONE, Crew
from salus.lab.training.progress import Log
from salus.lab.training.run_folder import read_history


@dataclass(frozen=True, eq=False)
class Split:
    """The arrays of one side of a split: images (n, s, s) uint8, masks (n, s, s) bool, saliency as images or None."""

    images: np.ndarray
    masks: np.ndarray
    saliency: np.ndarray | None


def fit(
    model: keras.Model,
    fitting: Split,
    validation: Split,
    protocol: Protocol,
    folder: Path,
    log: Log = print,
    crew: Crew = ALONE,
) -> list[dict[str, float]]:
    """Train a model, resuming where an earlier call with the same folder was cut off.

    Args:
        model: takes (n, s, s, 1) image, or (image, saliency), and gives a probability of the same shape.
        fitting: what weights are fitted on.
        validation: what decides when to stop; never the test part.
        protocol: the settings.
        folder: gets history.csv, the best and the last epoch's weights, TensorBoard logs.
        log: called with one line an epoch.
        crew: who trains together; the model was made within its scope, and this is called there.

    Returns:
        The history, a row an epoch. The model holds the last weights, or the best where `protocol.restore_best`.
    """
    folder = crew.mirror(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / FINAL).exists():  # an earlier call came to its end
        model.load_weights(folder / FINAL)
        return read_history(folder)
    crew.share_out(model)
    model.compile(keras.optimizers.Adam(protocol.learning_rate), loss=dice_loss, metrics=[dsc], jit_compile=compiles())
    build_optimizer(model)
    history = restore(model, folder)
    checkpoint = Checkpoint(folder, history, protocol.patience)
    if history:
        log(f"  resumes after epoch {len(history)}")
    train = Batches(fitting.images, fitting.masks, fitting.saliency, protocol.batch, protocol.seed)
    check = Batches(validation.images, validation.masks, validation.saliency, protocol.batch)
    if not checkpoint.finished and len(history) < protocol.epochs:
        model.fit(
            feed(train),
            validation_data=feed(check),
            epochs=protocol.epochs,
            initial_epoch=len(history),
            shuffle=False,  # Batches shuffles, from the seed and the epoch
            verbose=0,
            callbacks=[_Epoch(train), checkpoint, _Progress(checkpoint, protocol, log), *_tensorboard(folder)],
        )
    if protocol.restore_best:
        model.load_weights(folder / BEST)
    checkpoint.finish()
    return checkpoint.history


def predict(model: keras.Model, part: Split, batch: int) -> np.ndarray:
    """A model's probabilities for one side of a split: (n, s, s) float32."""
    batches = Batches(part.images, part.masks, part.saliency, batch)
    found = [model.predict_on_batch(batches[index][0]) for index in range(len(batches))]
    return np.concatenate(found).astype(np.float32, copy=False)[..., 0]


class _Epoch(keras.callbacks.Callback):
    """Tells the batches which epoch it is; their order follows from it."""

    def __init__(self, batches: Batches) -> None:
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.batches.epoch = epoch


class _Progress(keras.callbacks.Callback):
    """One line an epoch, with the time that is left at most."""

    def __init__(self, checkpoint: Checkpoint, protocol: Protocol, log: Log) -> None:
        super().__init__()
        self.checkpoint, self.protocol, self.log = checkpoint, protocol, log

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        row, best, total = self.checkpoint.history[-1], self.checkpoint.best_epoch, self.protocol.epochs
        recent = [r["seconds"] for r in self.checkpoint.history[-5:]]
        epochs_left = total - epoch - 1
        left = time.strftime("%H:%M:%S", time.gmtime(epochs_left * float(np.median(recent))))
        self.log(
            f"  epoch {epoch + 1}/{total}  loss {row['loss']:.4f}  val {row['val_loss']:.4f}  val DSC "
            f"{row['val_dsc']:.4f}  best {best}  {row['seconds']:.1f} s  at most {left} left"
        )


def _tensorboard(folder: Path) -> list[keras.callbacks.Callback]:
    """TensorBoard's logs, where the package tensorboard is installed."""
    import importlib.util

    if any(importlib.util.find_spec(package) is None for package in ("tensorboard", "tensorflow")):
        return []
    return [keras.callbacks.TensorBoard(folder / "tensorboard", write_graph=False)]
