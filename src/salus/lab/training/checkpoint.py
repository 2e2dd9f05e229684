"""Write checkpoints that survive `kill -9`: after each epoch the full state is on disk; at most one epoch is lost.

An epoch is written in this order: its weights and optimiser state (epoch-NNNN.weights.h5, by rename), then history.csv
(by rename), then the previous epoch's weights are removed. So at any moment the last row of history.csv has a whole
weights file.
"""

from __future__ import annotations

import math
import time
from pathlib import Path

import keras
import numpy as np

from salus.atomic import write_rows, write_whole
from salus.errors import SalusError
from salus.lab.training.run_folder import HISTORY, read_history

BEST = "best.weights.h5"
FINAL = "final.weights.h5"


def restore(model: keras.Model, folder: Path) -> list[dict[str, float]]:
    """Load the last finished epoch into a compiled model (weights, optimiser, dropout); return the history."""
    history = read_history(folder)
    if history:
        model.load_weights(_weights_file(folder, int(history[-1]["epoch"])))
        advance_dropout(model, int(np.asarray(model.optimizer.iterations)))
    return history


def advance_dropout(model: keras.Model, steps: int) -> None:
    """Put the random state of a new model's dropout where it is after `steps` steps; Keras does not save it."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Dropout) and layer.rate > 0:
            seed, draws = np.asarray(layer.seed_generator.state)
            layer.seed_generator.state.assign(np.array([seed, draws + steps]))


class Checkpoint(keras.callbacks.Callback):
    """Write the state after every epoch, keep the best weights, and stop early.

    Keras's own early stopping forgets its count when a training is interrupted. This one decides by the history on
    disk, so that a resumed training stops where an uninterrupted one would.

    Args:
        folder: of the training.
        history: rows of the finished epochs, from `restore`.
        patience: number of epochs without a lower val_loss after which training stops.
    """

    def __init__(self, folder: Path, history: list[dict[str, float]], patience: int) -> None:
        super().__init__()
        self.folder, self.history, self.patience = folder, list(history), patience
        self._start = 0.0

    @property
    def best_epoch(self) -> int:
        """Epoch (from 1) of the lowest val_loss so far; 0 before the first."""
        return int(min(self.history, key=lambda row: row["val_loss"])["epoch"]) if self.history else 0

    @property
    def finished(self) -> bool:
        """Whether `patience` epochs have passed without a lower val_loss."""
        return len(self.history) - self.best_epoch >= self.patience and bool(self.history)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Start the clock."""
        self._start = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Write weights, then history, then remove the weights of the epoch before."""
        seconds = time.monotonic() - self._start
        row = {"epoch": epoch + 1, "seconds": round(seconds, 3)} | {k: float(v) for k, v in (logs or {}).items()}
        if not all(map(math.isfinite, row.values())):
            raise SalusError(f"{self.folder}: the loss is no number in epoch {epoch + 1}; lower the learning rate")
        if not self.history or row["val_loss"] < min(r["val_loss"] for r in self.history):
            write_whole(self.folder / BEST, self.model.save_weights)
        self.history.append(row)
        write_whole(_weights_file(self.folder, epoch + 1), self.model.save_weights)
        write_rows(self.folder / HISTORY, self.history)
        _weights_file(self.folder, epoch).unlink(missing_ok=True)
        if self.finished:
            self.model.stop_training = True

    def write_final_weights(self) -> None:
        """Write the model's weights as the final ones, and remove the state."""
        write_whole(self.folder / FINAL, self.model.save_weights)
        for path in self.folder.glob("epoch-*.weights.h5"):
            path.unlink()


def _weights_file(folder: Path, epoch: int) -> Path:
    return folder / f"epoch-{epoch:04d}.weights.h5"
