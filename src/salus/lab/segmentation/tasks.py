"""Train each network of a run of `salus train` by itself: one for each fold that is held out, and the final one."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from salus.atomic import write_whole
from salus.lab.segmentation.config import FINAL, NETWORK, PREDICTIONS, TrainingConfig
from salus.lab.segmentation.export import add_strangeness_output, export_segmenter
from salus.lab.segmentation.held_out import write_held_out
from salus.lab.segmentation.train import train_segmenter
from salus.lab.training.backend import can_export_onnx, run_on_tensorflow
from salus.lab.training.cross_validation import CrossValidationData
from salus.lab.training.devices import ONE_DEVICE, DeviceGroup
from salus.lab.training.progress import Log

if TYPE_CHECKING:
    import keras

KNOWN_IMAGES = 600
"""Training images, spread over all, to which the strangeness is fitted."""


@dataclass(frozen=True, eq=False)
class NetworkTask:
    """One network of a run.

    Attributes:
        folder: of its training, in that of the run.
        title: what the log says of it.
        training: indices of the images that it is trained on.
        test: indices of the images that it is then run on; None for the final network.
        config: settings of its training.
        needs: folder of the network that it goes on from, trained before; None where it needs none of the run.
    """

    folder: Path
    title: str
    training: np.ndarray
    test: np.ndarray | None
    config: TrainingConfig
    needs: Path | None = None

    @property
    def name(self) -> str:
        """Name of the task, in the log."""
        return self.folder.name

    @property
    def is_done(self) -> bool:
        """Whether all its files are there."""
        return (self.folder / NETWORK).exists() and (self.test is None or (self.folder / PREDICTIONS).exists())


def list_tasks(run: Path, config: TrainingConfig, data: CrossValidationData) -> list[NetworkTask]:
    """List the networks of a run, done or not, in the order in which one process trains them."""
    tasks = []
    for fold in range(1, config.judged + 1):
        test, training = data.test_indices(fold), data.training_indices(fold)
        held_out = f"{data.sets[test[0]]} left out" if config.sources else f"fold {fold} of {config.folds}"
        title = f"{held_out}: {len(training)} images to train on, {len(test)} held out"
        tasks.append(NetworkTask(run / f"fold-{fold}", title, training, test, config))
    if config.final:
        first, everything = run / "fold-1", np.arange(len(data.names))
        needs = None
        if config.final_steps is not None:
            needs, recipe = first, replace(config.recipe, steps=config.final_steps, early_steps=0)
            config = replace(config, start_from=str(first / NETWORK), recipe=recipe)
        title = f"final: all {len(everything)} images"
        tasks.append(NetworkTask(run / FINAL, title, everything, None, config, needs))
    return tasks


def train_network(
    task: NetworkTask, data: CrossValidationData, log: Log = print, devices: DeviceGroup = ONE_DEVICE
) -> None:
    """Train a network, export it and run it on its held-out images; do what is not done yet.

    Args:
        task: the network.
        data: the images of the run.
        log: called with lines of progress.
        devices: that train a network together.
    """
    train_and_export(task, data, log, devices)
    if task.test is not None and not (task.folder / PREDICTIONS).exists():
        write_held_out(task.folder, data, task.test, task.config.network_settings(), log)


def train_and_export(task: NetworkTask, data: CrossValidationData, log: Log, devices: DeviceGroup) -> None:
    """Train a network and export it, unless its file exists; the arguments are those of `train_network`."""
    path, config = task.folder / NETWORK, task.config
    if path.exists():
        return
    start_from = None if config.start_from is None else Path(config.start_from)
    images = data.images[task.training]
    masks = data.masks[task.training]
    unlabelled = None if data.unlabelled is None else data.unlabelled.images
    model = train_segmenter(images, masks, config.recipe, task.folder, log, start_from, devices, unlabelled)
    spread = np.unique(np.linspace(0, len(images) - 1, KNOWN_IMAGES).round().astype(int))
    if can_export_onnx():
        export_trained(model, images[spread], config, path)
    else:
        log("  is exported by TensorFlow")
        run_on_tensorflow(load_and_export, images[spread], masks[spread], config, task.folder)


def export_trained(model: keras.Model, known: np.ndarray, config: TrainingConfig, path: Path) -> None:
    """Write a trained network as an ONNX file, with the strangeness fitted to known images (n, s, s) uint8."""
    model = add_strangeness_output(model, known)
    settings = asdict(config.network_settings())
    write_whole(path, lambda temporary: export_segmenter(model, temporary, settings))


def load_and_export(known: np.ndarray, masks: np.ndarray, config: TrainingConfig, folder: Path) -> None:
    """Export the network whose finished training is in a folder, in a process with another backend."""
    model = train_segmenter(known, masks, config.recipe, folder)  # which loads the final weights
    export_trained(model, known, config, folder / NETWORK)
