"""Run a benchmark: train and test every method on the same folds and seeds; a run can be resumed at any moment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from salus.atomic import write_json, write_rows
from salus.data.case import DataSet
from salus.data.fingerprint import fingerprint
from salus.data.folds import Folds, split_into_folds
from salus.data.layouts import read_data_set
from salus.data.prepare import Pairs, prepare
from salus.errors import SalusError
from salus.evaluation.predictions import match_predictions
from salus.evaluation.scoring import Decisions, score_prediction
from salus.lab.benchmark.config import BenchmarkConfig, fold_folder, split_method_name
from salus.lab.benchmark.environment_changes import record_changes
from salus.lab.benchmark.task import BenchmarkRun, FoldTask, train_and_test
from salus.lab.saliency.source import AUTO, FILES, parse_source
from salus.lab.training.backend import describe_environment, set_threads, set_up
from salus.lab.training.progress import Log
from salus.lab.training.run_folder import (
    DATA,
    ENVIRONMENT,
    FOLDS,
    SCORES,
    SUMMARY,
    check_unused,
    create_folder,
    note_other_backend,
    read_json,
)
from salus.ray_cluster import LOCAL, RAY
from salus.read.mask_values import MaskDecision, summarise_decisions, warn_of_faint_maps

INITIAL_FILES = (FOLDS, DATA, ENVIRONMENT)
"""Files of a run that was killed before its settings were written; it is started anew."""


def start(
    folder: Path,
    config: BenchmarkConfig,
    log: Log = print,
    *,
    folds_file: Path | None = None,
    threads: int | None = None,
    engine: str = LOCAL,
    address: str | None = None,
) -> None:
    """Start a benchmark in a new folder and finish it; `salus.lab.report.build` then makes the report.

    Args:
        folder: folder of the run; must not hold a run yet.
        config: settings of the run.
        log: called with each line of progress.
        folds_file: folds saved earlier; None makes them by the protocol's rule.
        threads: threads of the backend; None leaves the number to it.
        engine: LOCAL, one fold task after another in this process; or RAY, see `salus.lab.benchmark.ray_tasks`.
        address: address of the Ray cluster.

    Raises:
        SalusError: the folder holds a run, the data do not fit, or folds leak.
    """
    set_threads(threads)  # before a network is built, which starts TensorFlow
    check_unused(folder, "salus benchmark", INITIAL_FILES)
    data = read_data_set(config.data, config.layout, config.mask_values)
    log(f"{config.data}: {len(data.labelled)} labelled images, layout {data.layout}")
    for remark in data.remarks:
        log(f"note: {remark}")
    pairs = _prepare_pairs(data, config, log)
    config = _check_config(replace(config, layout=data.layout), pairs)
    folds = _make_folds(data, pairs, config, folds_file, log)
    config = replace(config, protocol=config.protocol.change(folds=len(folds.numbers)))
    if engine == LOCAL:  # what is measured to be faster may change; each machine of a cluster has its own
        precision = set_up(config.protocol.seed, config.protocol.precision, threads)
        config = replace(config, protocol=config.protocol.change(precision=precision))
    create_folder(folder)
    folds.save(folder / FOLDS)
    write_json(folder / DATA, fingerprint(data.labelled))
    write_json(folder / ENVIRONMENT, describe_environment())
    config.save(folder)  # last: a folder with run.json can be resumed
    _finish(BenchmarkRun(folder, config, folds, pairs, log), threads, engine, address)


def resume(
    folder: Path,
    log: Log = print,
    *,
    threads: int | None = None,
    engine: str = LOCAL,
    address: str | None = None,
) -> None:
    """Finish an interrupted run; finished fold tasks are not repeated. The arguments are those of `start`.

    A backend, versions or a machine that differ from those until now are logged, and stand in the report.

    Raises:
        SalusError: there is no run, or its data have changed since.
    """
    import keras

    set_threads(threads)
    config = BenchmarkConfig.load(folder)
    data = read_data_set(config.data, config.layout, config.mask_values)
    if fingerprint(data.labelled)["sha256"] != read_json(folder / DATA)["sha256"]:
        raise SalusError(f"{config.data}: has changed since {folder} was started; start a new run")
    folds = Folds.from_json(read_json(folder / FOLDS), folder / FOLDS)
    pairs = _prepare_pairs(data, config, log)
    run = BenchmarkRun(folder, replace(config, backend=keras.backend.backend()), folds, pairs, log)
    if not all(is_done(run, task) for task in list_tasks(run)):
        note_other_backend(config.backend, log)
        record_changes(folder, log)
    _finish(run, threads, engine, address)


def list_tasks(run: BenchmarkRun) -> list[FoldTask]:
    """List the trainings of a run, in the order in which one process does them."""
    return [FoldTask(method, fold) for fold in run.folds.numbers for method in run.config.networks]


def is_done(run: BenchmarkRun, task: FoldTask) -> bool:
    """Tell whether a training is finished, and tested."""
    return (fold_folder(run.folder, task.method, task.fold) / SUMMARY).exists()


def _prepare_pairs(data: DataSet, config: BenchmarkConfig, log: Log) -> Pairs:
    """Read all images; unreadable ones stop the run, or are logged and left out where the settings say so."""
    bad: list[str] = []
    decisions: dict[str, MaskDecision] = {}
    pairs = prepare(data.labelled, config.protocol.size, bad=bad, decisions=decisions)
    for line in summarise_decisions("masks", decisions):
        log(line)
    if bad and not config.skip_bad:
        raise SalusError(f"{len(bad)} cases cannot be used, e.g. {bad[0]}; mend them, or go on without: --skip-bad")
    for line in bad:
        log(f"left out: {line}")
    return pairs


def _check_config(config: BenchmarkConfig, pairs: Pairs) -> BenchmarkConfig:
    """Check the settings against the data before any training, and return them with "auto" saliency resolved."""
    from salus.lab.networks.registry import build_network, takes_saliency

    saliency = config.saliency
    if saliency == AUTO:
        saliency = FILES if pairs.saliency is not None else "prior"
    if not config.networks and not config.predictions:
        raise SalusError("nothing to compare: name --networks or --predictions NAME=FOLDER")
    duplicates = [name for name in config.networks if config.networks.count(name) > 1]
    if duplicates:
        raise SalusError(f"{duplicates[0]}: is named twice among the networks")
    sources = {saliency}
    for method in config.networks:
        network, source = split_method_name(method)
        model = build_network(network, config.protocol.size)
        if source is not None and not takes_saliency(model):
            raise SalusError(f"{method}: this network takes no saliency map; name it without @{source}")
        sources |= {source} if source else set()
    for source in sources:
        if parse_source(source).base == FILES and pairs.saliency is None:
            raise SalusError(f"{config.data}: not every image has a map in saliency/; use --saliency prior")
    for name, masks in config.predictions.items():
        if name in config.networks:
            raise SalusError(f"--predictions {name}: a network has this name; choose another")
        match_predictions(Path(masks), pairs.cases)
    return replace(config, saliency=saliency)


def _make_folds(data: DataSet, pairs: Pairs, config: BenchmarkConfig, folds_file: Path | None, log: Log) -> Folds:
    """Split the cases into folds, and refuse leakage unless the settings allow it."""
    protocol = config.protocol
    folds = split_into_folds(data, pairs, protocol.fold_rule, protocol.folds, protocol.seed, folds_file)
    leaks = folds.leaks()
    log(
        f"{len(folds.numbers)} folds ({folds.rule}) of {len(set(folds.groups.values()))} independent patients or images"
    )
    if leaks and not config.allow_leakage:
        group, names = next(iter(leaks.items()))
        raise SalusError(
            f"{len(leaks)} patients or near-duplicate clusters sit on both sides of a fold, e.g. {group}: "
            f"{', '.join(names[:3])}; use --fold-rule grouped, or --allow-leakage to reproduce the literature"
        )
    if leaks:
        log(f"LEAKAGE: {len(leaks)} patients or near-duplicate clusters sit on both sides of a fold")
    return folds


def _finish(run: BenchmarkRun, threads: int | None, engine: str, address: str | None) -> None:
    """Score the masks made elsewhere, of which one may be unusable, then run all fold tasks that are not finished."""
    for name, masks in run.config.predictions.items():
        run.log(f"{name}: masks from {masks}")
        _score_predictions(run, name, Path(masks))
    tasks = list_tasks(run)
    titles = {task: f"[{i}/{len(tasks)}] {task} of {len(run.folds.numbers)}" for i, task in enumerate(tasks, 1)}
    for task in tasks:
        if is_done(run, task):
            run.log(f"{titles.pop(task)}: done before")
    if engine == RAY and titles:
        from salus.lab.benchmark.ray_tasks import run_fold_tasks

        run_fold_tasks(run, titles, threads, address)
    else:
        for task, title in titles.items():
            run.log(title)
            train_and_test(run, task, threads)


def _score_predictions(run: BenchmarkRun, name: str, masks: Path) -> None:
    """Score masks made elsewhere, fold by fold."""
    cases, folds = run.pairs.cases, run.folds
    remarks: list[str] = []
    paths = match_predictions(masks, cases, remarks)
    for remark in remarks:
        run.log(f"note: {remark}")
    mask_values, decisions = run.config.prediction_values, Decisions()
    rows = [
        row
        for case, path in zip(cases, paths, strict=True)
        for row in score_prediction(
            name, folds.test[case.name], case, path, run.pairs.size, mask_values=mask_values, decisions=decisions
        )
    ]
    for line in (
        *summarise_decisions(name, decisions.predictions),
        *warn_of_faint_maps(name, decisions.predictions),
    ):
        run.log(line)
    for fold in folds.numbers:
        folder = fold_folder(run.folder, name, fold)
        folder.mkdir(parents=True, exist_ok=True)
        write_rows(folder / SCORES, [row for row in rows if row["fold"] == fold])
