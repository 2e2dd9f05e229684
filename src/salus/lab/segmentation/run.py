"""Run `salus train`: train on labelled folders, judge on held-out patients, calibrate, and write one network file.

RUN/run.json              settings and fingerprints of the data
RUN/folds.json            fold and patient of each image
RUN/fold-N/               the fold's training state, network.onnx, raw.npz (its outputs on the fold's test images)
RUN/final/                the same for the network trained on every image, where --final asked for one
RUN/images.csv            every test image: scores at its own size, with the finished network's settings
RUN/network.onnx          the result: the final network, else that of the first fold; settings and card inside
RUN/card.json, card.md    what it was trained on, how good it is, what it must not be used for

The settings (temperature, limits of presence and strangeness) are fitted on the held-out outputs of the folds that were
trained. With one fold they are fitted and judged on the same images; they are three numbers.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from salus.atomic import write_rows, write_whole
from salus.errors import SalusError
from salus.lab.segmentation.calibrate import calibrate
from salus.lab.segmentation.card import make_card, seen_before, write_card
from salus.lab.segmentation.config import FINAL, NETWORK, PREDICTIONS, TrainingConfig, load_config
from salus.lab.segmentation.export import add_strangeness_output, export_segmenter
from salus.lab.segmentation.held_out import read_held_out, write_held_out
from salus.lab.segmentation.train import train_segmenter
from salus.lab.training.cross_validation import CrossValidationData, read_cross_validation_data
from salus.lab.training.process_group import SINGLE_PROCESS, ProcessGroup
from salus.lab.training.progress import Log
from salus.lab.training.run_folder import check_same_data, check_unused, start_run, write_settings

KNOWN_IMAGES = 600
"""Training images, spread over all, to which the strangeness is fitted."""


def start(run: Path, config: TrainingConfig, log: Log = print, group: ProcessGroup = SINGLE_PROCESS) -> Path:
    """Start a run in a new folder and finish it.

    Args:
        run: its folder.
        config: its settings.
        log: called with lines of progress.
        group: the processes and devices that train together.

    Returns:
        The network's file, which the main process has written.

    Raises:
        SalusError: the folder holds a run, the settings contradict each other, or the data cannot be read.
    """
    check_unused(run, "salus train")
    if config.sources:
        config = replace(config, folds=len(config.data), judged=len(config.data))
    if not 0 <= config.judged <= config.folds or (config.judged == 0 and not config.final):
        raise SalusError(f"{config.judged} of {config.folds} folds judged; give 1 to {config.folds}, or 0 with --final")
    _check_final_steps(config)
    group.check_batch(config.recipe.batch)
    run, log = group.replicate_folder(run), group.log(log)
    data, fingerprints = _read_data(config, log)
    group.check_equal("the options or images", json.dumps([asdict(config), fingerprints]))
    start_run(run, asdict(config), fingerprints, data.fold_assignment())
    for line in seen_before(config, fingerprints):
        log(f"mind: {line}")
    return _finish(run, config, data, fingerprints, log, group)


def resume(
    run: Path,
    log: Log = print,
    group: ProcessGroup = SINGLE_PROCESS,
    *,
    judged: int | None = None,
    final: bool = False,
    final_steps: int | None = None,
) -> Path:
    """Finish an interrupted run, or add folds or the final network to a finished one.

    Args:
        run: its folder.
        log: called with lines of progress.
        group: the processes and devices that train together.
        judged: number of folds to judge from now on, not fewer than before; None leaves it.
        final: from now on also train on every image.
        final_steps: steps of that training, as in `TrainingConfig`; None leaves them.

    Returns:
        The network's file, which the main process has written.

    Raises:
        SalusError: there is no run, its data have changed, it judges more folds already, or its final network was begun
            in another way.
    """
    run, log = group.replicate_folder(run), group.log(log)
    config, recorded = load_config(run)
    if judged is not None and config.sources:
        raise SalusError(f"{run}: leaves out each data set in turn; it has no other folds to judge")
    if judged is not None and not config.judged <= judged <= config.folds:
        raise SalusError(f"{judged} folds judged; {run} has {config.judged} of {config.folds}, give as many or more")
    if final_steps not in (None, config.final_steps) and (run / FINAL).exists():
        raise SalusError(f"{run / FINAL}: was begun in another way; leave out --final-steps, or delete that folder")
    config = replace(
        config,
        judged=judged or config.judged,
        final=config.final or final,
        final_steps=config.final_steps if final_steps is None else final_steps,
    )
    _check_final_steps(config)
    group.check_batch(config.recipe.batch)
    data, fingerprints = _read_data(config, log)
    check_same_data(run, recorded, fingerprints, data.fold_assignment())
    if group.is_main:
        write_settings(run, asdict(config), fingerprints)
    return _finish(run, config, data, fingerprints, log, group)


def _check_final_steps(config: TrainingConfig) -> None:
    if config.final_steps is None:
        return
    if not config.final or not config.judged or config.final_steps < 1:
        raise SalusError(
            f"--final-steps {config.final_steps}: goes with --final and at least one fold judged, whose network the "
            "final one goes on from; give 1 or more"
        )


def shipped() -> Path:
    """Return the path of the network in the package; a SalusError where it is missing."""
    from salus.weights import SHIPPED_NETWORK

    if not SHIPPED_NETWORK.is_file():
        raise SalusError(
            f"{SHIPPED_NETWORK}: is not in this copy of Salus; name a network file, or leave out --start-from"
        )
    return SHIPPED_NETWORK


def read_run_data(run: Path) -> CrossValidationData:
    """Read the images of a run, in the order of its outputs."""
    return _read_data(load_config(run)[0], lambda line: None)[0]


def _read_data(config: TrainingConfig, log: Log) -> tuple[CrossValidationData, dict[str, str]]:
    data, fingerprints = read_cross_validation_data(
        config.data,
        folds=2 if config.sources else config.folds,
        size=config.recipe.size,
        keep_aspect=config.recipe.keep_aspect,
        mask_values=config.mask_values,
        seed=config.recipe.seed,
        limit=config.limit,
        skip_bad=config.skip_bad,
        log=log,
    )
    return (data.with_sources_as_folds() if config.sources else data), fingerprints


def _finish(
    run: Path,
    config: TrainingConfig,
    data: CrossValidationData,
    fingerprints: dict[str, str],
    log: Log,
    group: ProcessGroup,
) -> Path:
    """Do what is not done yet: train each fold, train on every image, calibrate, judge, and write the result."""
    judged = range(1, config.judged + 1)
    for fold in judged:
        test, training = data.test_indices(fold), data.training_indices(fold)
        folder = run / f"fold-{fold}"
        held_out = f"{data.sets[test[0]]} left out" if config.sources else f"fold {fold} of {config.folds}"
        log(f"{held_out}: {len(training)} images to train on, {len(test)} held out")
        train_and_export(folder, data, training, config, log, group)
        if group.is_main and not (folder / PREDICTIONS).exists():
            write_held_out(folder, data, test, config.tta, log)
    if config.final:
        log(f"final: all {len(data.names)} images")
        train_and_export(run / FINAL, data, np.arange(len(data.names)), _final_config(run, config), log, group)
    path = run / NETWORK
    if not group.is_main:
        return path
    predictions = read_held_out(run, judged, data)
    settings = config.network_settings()
    if predictions is not None:
        settings = calibrate(predictions, settings, data.masks, data.sets)
    rows, card = make_card(config, data, fingerprints, predictions, settings, log)
    write_whole(path, partial(_copy_with_card, run / (FINAL if config.final else "fold-1") / NETWORK, card))
    if rows:
        write_rows(run / "images.csv", rows)
    write_card(run, card)
    log(f"{path}: {path.stat().st_size / 1e6:.1f} MB; try it: salus segment IMAGE -o OUT --network {path}")
    return path


def _final_config(run: Path, config: TrainingConfig) -> TrainingConfig:
    """Return the settings of the training on every image."""
    if config.final_steps is None:
        return config
    recipe = replace(config.recipe, steps=config.final_steps, early_steps=0)
    return replace(config, start_from=str(run / "fold-1" / NETWORK), recipe=recipe)


def train_and_export(
    folder: Path, data: CrossValidationData, indices: np.ndarray, config: TrainingConfig, log: Log, group: ProcessGroup
) -> None:
    """Train one network and export it, unless its file exists.

    Args:
        folder: of this training.
        data: the images of the run.
        indices: of the images to train on.
        config: settings of this training.
        log: called with lines of progress.
        group: the processes and devices that train together.
    """
    path = folder / NETWORK
    if group.broadcast_flag(path.exists):
        return
    start_from = None if config.start_from is None else Path(config.start_from)
    images = data.images[indices]
    model = train_segmenter(images, data.masks[indices], config.recipe, folder, log, start_from, group)
    if not group.is_main:
        return
    spread = np.unique(np.linspace(0, len(images) - 1, KNOWN_IMAGES).round().astype(int))
    model = add_strangeness_output(model, images[spread])
    settings = asdict(config.network_settings())
    write_whole(path, lambda temporary: export_segmenter(model, temporary, settings))


def _copy_with_card(source: Path, card: dict[str, Any], path: Path) -> None:
    """Copy a network file, adding the card and its settings to the metadata."""
    import onnx

    from salus.engine import SETTINGS
    from salus.lab.onnx.weights import read_settings

    graph = onnx.load(source)
    settings = read_settings(graph) | card["settings"] | {"card": card}
    onnx.helper.set_model_props(graph, {SETTINGS: json.dumps(settings)})
    onnx.save(graph, path)
