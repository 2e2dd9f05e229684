"""Checkpoints that survive `kill -9`: after each epoch the full state is on disk, and resuming loses at most one epoch.

An epoch is written in this order: its weights and optimizer state (epoch-NNNN.weights.h5, by rename), then history.csv
(by rename), then the previous epoch's weights are removed. Whatever the moment of death, history's last row names a
weights file that is whole.
"""

from __future__ import annotations

import csv
import time
from pathlib import Path

import keras
import numpy as np

from salus.errors import SalusError
from salus.lab.training.run_folder import HISTORY, read_history, write_by_rename

BEST = "best.weights.h5"
FINAL = "final.weights.h5"


def restore(model: keras.Model, folder: Path) -> list[dict[str, float]]:
    """Load the newest whole epoch into a compiled model (weights and optimizer); returns the history, maybe empty."""
    history = read_history(folder)
    if history:
        model.load_weights(_weights_file(folder, int(history[-1]["epoch"])))
        restore_draws(model, int(np.asarray(model.optimizer.iterations)))
    return history


def restore_draws(model: keras.Model, steps: int) -> None:
    """Set a new model's dropout to where it was after some steps of training, for Keras saves no state of it."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Dropout) and layer.rate > 0:
            seed, drawn = np.asarray(layer.seed_generator.state)
            layer.seed_generator.state.assign(np.array([seed, drawn + steps]))


class Checkpoint(keras.callbacks.Callback):
    """Writes the state after every epoch, keeps the best weights, and stops early.

    Early stopping is decided here, from the history on disk, so that a resumed training stops where an unbroken one
    would: after `patience` epochs without a lower val_loss.

    Args:
        folder: where to write.
        history: rows of the epochs already done, from `restore`.
        patience: epochs without a lower val_loss before training stops.
    """

    def __init__(self, folder: Path, history: list[dict[str, float]], patience: int) -> None:
        super().__init__()
        self.folder, self.history, self.patience = folder, list(history), patience
        self._start = 0.0

    @property
    def best_epoch(self) -> int:
        """The epoch (from 1) of the lowest val_loss so far, 0 before the first."""
        return int(min(self.history, key=lambda row: row["val_loss"])["epoch"]) if self.history else 0

    @property
    def finished(self) -> bool:
        """Whether patience has run out."""
        return len(self.history) - self.best_epoch >= self.patience and bool(self.history)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Start the clock."""
        self._start = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Write weights, then history, then drop the epoch before."""
        seconds = time.monotonic() - self._start
        row = {"epoch": epoch + 1, "seconds": round(seconds, 3)} | {k: float(v) for k, v in (logs or {}).items()}
        if not all(map(_is_finite, row.values())):
            raise SalusError(f"{self.folder}: the loss is no number in epoch {epoch + 1}; lower the learning rate")
        before = _weights_file(self.folder, epoch)
        if not self.history or row["val_loss"] < min(r["val_loss"] for r in self.history):
            write_by_rename(self.folder / BEST, self.model.save_weights)
        self.history.append(row)
        write_by_rename(_weights_file(self.folder, epoch + 1), self.model.save_weights)
        write_by_rename(self.folder / HISTORY, self._write_history)
        before.unlink(missing_ok=True)
        if self.finished:
            self.model.stop_training = True

    def finish(self) -> None:
        """Keep the model's weights as the final ones and drop the optimizer's state."""
        write_by_rename(self.folder / FINAL, self.model.save_weights)
        for path in self.folder.glob("epoch-*.weights.h5"):
            path.unlink()

    def _write_history(self, path: Path) -> None:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(self.history[0]))
            writer.writeheader()
            writer.writerows(self.history)


def _weights_file(folder: Path, epoch: int) -> Path:
    return folder / f"epoch-{epoch:04d}.weights.h5"


def _is_finite(value: float) -> bool:
    return abs(value) < float("inf")
