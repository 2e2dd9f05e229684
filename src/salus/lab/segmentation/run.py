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

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from salus.atomic import write_rows, write_whole
from salus.errors import SalusError
from salus.lab.segmentation.calibrate import calibrate
from salus.lab.segmentation.card import make_card, seen_before, write_card
from salus.lab.segmentation.config import FINAL, NETWORK, TrainingConfig, load_config
from salus.lab.segmentation.held_out import read_held_out
from salus.lab.segmentation.tasks import list_tasks, train_network
from salus.lab.training.backend import set_threads
from salus.lab.training.cross_validation import CrossValidationData, read_cross_validation_data
from salus.lab.training.devices import ONE_DEVICE, DeviceGroup
from salus.lab.training.progress import Log
from salus.lab.training.run_folder import check_same_data, check_unused, note_other_backend, start_run, write_settings
from salus.lab.training.unlabelled import read_unlabelled
from salus.ray_cluster import LOCAL, RAY


@dataclass(frozen=True, eq=False)
class Execution:
    """Where and how the networks of a run are trained; it does not change the result but for rounding.

    Attributes:
        threads: of the backend; None leaves the number to it.
        devices: that train one network together.
        engine: LOCAL, one network after another in this process; or RAY, see `salus.lab.segmentation.ray_tasks`.
        address: of the Ray cluster.
    """

    threads: int | None = None
    devices: DeviceGroup = ONE_DEVICE
    engine: str = LOCAL
    address: str | None = None


HERE = Execution()
"""One network after another in this process, on what Keras chooses."""


def start(run: Path, config: TrainingConfig, log: Log = print, execution: Execution = HERE) -> Path:
    """Start a run in a new folder and finish it.

    Args:
        run: its folder.
        config: its settings.
        log: called with lines of progress.
        execution: where and how the networks are trained.

    Returns:
        The network's file, with settings and card inside.

    Raises:
        SalusError: the folder holds a run, the settings contradict each other, or the data cannot be read.
    """
    check_unused(run, "salus train")
    if config.start_from is not None:
        config = replace(config, start_sha256=_file_sha256(Path(config.start_from)))
    if config.sources:
        config = replace(config, folds=len(config.data), judged=len(config.data))
    if not 0 <= config.judged <= config.folds or (config.judged == 0 and not config.final):
        raise SalusError(f"{config.judged} of {config.folds} folds judged; give 1 to {config.folds}, or 0 with --final")
    _check_final_steps(config)
    if config.unlabelled and not config.recipe.early_steps and config.start_from is None:
        raise SalusError("--unlabelled needs a network that outlines the images first: --early-steps or --start-from")
    execution.devices.check_batch(config.recipe.batch)
    data, fingerprints = _read_data(config, log)
    start_run(run, asdict(config), fingerprints, data.fold_assignment())
    for line in seen_before(config, data, fingerprints):
        log(f"mind: {line}")
    return _finish(run, config, data, fingerprints, log, execution)


def resume(
    run: Path,
    log: Log = print,
    execution: Execution = HERE,
    *,
    judged: int | None = None,
    final: bool = False,
    final_steps: int | None = None,
) -> Path:
    """Finish an interrupted run, or add folds or the final network to a finished one.

    Args:
        run: its folder.
        log: called with lines of progress.
        execution: where and how the networks are trained, as now asked for.
        judged: number of folds to judge from now on, not fewer than before; None leaves it.
        final: from now on also train on every image.
        final_steps: steps of that training, as in `TrainingConfig`; None leaves them.

    Returns:
        The network's file, with settings and card inside.

    Raises:
        SalusError: there is no run, its data or the network that it started from have changed, it judges more folds
            already, or its final network was begun in another way.
    """
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
    _check_start(run, config)
    execution.devices.check_batch(config.recipe.batch)
    note_other_backend(config.backend, log)
    data, fingerprints = _read_data(config, log)
    check_same_data(run, recorded, fingerprints, data.fold_assignment())
    write_settings(run, asdict(config), fingerprints)
    return _finish(run, config, data, fingerprints, log, execution)


def _check_final_steps(config: TrainingConfig) -> None:
    if config.final_steps is None:
        return
    if not config.final or not config.judged or config.final_steps < 1:
        raise SalusError(
            f"--final-steps {config.final_steps}: goes with --final and at least one fold judged, whose network the "
            "final one goes on from; give 1 or more"
        )


def _check_start(run: Path, config: TrainingConfig) -> None:
    """Raise a SalusError where the network that a run started from is not the one of then any more."""
    if config.start_from is None or config.start_sha256 is None:  # which runs of before did not keep
        return
    if _file_sha256(Path(config.start_from)) != config.start_sha256:
        raise SalusError(
            f"{config.start_from}: is not the network any more that {run} started from; put that one back, or start a "
            "new run"
        )


def _file_sha256(path: Path) -> str:
    """Compute the SHA-256 of a file; a SalusError where it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise SalusError(f"{path}: cannot be read ({error.strerror})") from None


def shipped() -> Path:
    """Return the path of the network in the package; a SalusError where it is missing."""
    from salus.weights import SHIPPED_NETWORK

    if not SHIPPED_NETWORK.is_file():
        raise SalusError(
            f"{SHIPPED_NETWORK}: is not in this copy of Salus; name a network file, or leave out --start-from"
        )
    return SHIPPED_NETWORK


def read_run_data(run: Path) -> CrossValidationData:
    """Read the labelled images of a run, in the order of its outputs."""
    return _read_data(replace(load_config(run)[0], unlabelled=()), lambda line: None)[0]


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
    if config.sources:
        data = data.with_sources_as_folds()
    if config.unlabelled:
        unlabelled = read_unlabelled(
            config.unlabelled,
            data.images,
            keep_aspect=config.recipe.keep_aspect,
            skip_bad=config.skip_bad,
            log=log,
        )
        for name, sha256 in unlabelled.fingerprints().items():
            if name in fingerprints:
                raise SalusError(f"{name}: is the name of a data set with masks and of one without; rename a folder")
            fingerprints[name] = sha256
        data = replace(data, unlabelled=unlabelled)
    return data, fingerprints


def _finish(
    run: Path,
    config: TrainingConfig,
    data: CrossValidationData,
    fingerprints: dict[str, str],
    log: Log,
    execution: Execution,
) -> Path:
    """Do what is not done yet: train each fold, train on every image, calibrate, judge, and write the result."""
    path, tasks = run / NETWORK, list_tasks(run.absolute(), config, data)
    left = [task for task in tasks if not task.is_done]
    if execution.engine == RAY and left:
        from salus.lab.segmentation.ray_tasks import train_on_cluster

        train_on_cluster(run.absolute(), left, data, execution.threads, execution.address, log)
    else:
        set_threads(execution.threads)
        for task in left:
            log(task.title)
            train_network(task, data, log, execution.devices)
    predictions = read_held_out(run, range(1, config.judged + 1), data)
    settings = config.network_settings()
    if predictions is not None:
        settings = calibrate(predictions, settings, data.masks, data.sets, data.shapes)
    rows, card = make_card(config, data, fingerprints, predictions, settings, log)
    write_whole(path, partial(_copy_with_card, tasks[-1 if config.final else 0].folder / NETWORK, card))
    if rows:
        write_rows(run / "images.csv", rows)
    write_card(run, card)
    log(f"{path}: {path.stat().st_size / 1e6:.1f} MB; try it: salus segment IMAGE -o OUT --network {path}")
    return path


def _copy_with_card(source: Path, card: dict[str, Any], path: Path) -> None:
    """Copy a network file, adding the card and its settings to the metadata."""
    import onnx

    from salus.engine import SETTINGS
    from salus.lab.onnx.weights import read_settings

    graph = onnx.load(source)
    settings = read_settings(graph) | card["settings"] | {"card": card}
    onnx.helper.set_model_props(graph, {SETTINGS: json.dumps(settings)})
    onnx.save(graph, path)
