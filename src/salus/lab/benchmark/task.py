"""Train and test one method on one fold."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from salus.atomic import write_json, write_rows, write_whole
from salus.data.folds import Folds, grouped_validation_split, keras_validation_split
from salus.data.prepare import Pairs
from salus.evaluation.scoring import score_cases
from salus.lab.benchmark.config import BenchmarkConfig, fold_folder, split_method_name
from salus.lab.benchmark.protocol import Protocol
from salus.lab.saliency.source import FoldIndices, apply_changes, estimate_base_maps, parse_source
from salus.lab.training.backend import set_up
from salus.lab.training.progress import Log
from salus.lab.training.run_folder import OUTPUTS, SCORES, SUMMARY


@dataclass(frozen=True)
class FoldTask:
    """The training and the test of one method on one fold."""

    method: str
    fold: int

    def __str__(self) -> str:
        """Return the task's name in the log."""
        return f"{self.method}, fold {self.fold}"


@dataclass(frozen=True, eq=False)
class BenchmarkRun:
    """A run with its data in memory.

    Attributes:
        folder: the run's folder.
        config: settings of the run.
        folds: assignment of the cases to folds.
        pairs: all cases, prepared at the networks' size.
        log: called with each line of progress.
    """

    folder: Path
    config: BenchmarkConfig
    folds: Folds
    pairs: Pairs
    log: Log


def fold_indices(names: Sequence[str], folds: Folds, protocol: Protocol, fold: int) -> FoldIndices:
    """Find the training, validation and test cases of a fold.

    Args:
        names: names of all cases.
        folds: assignment of the cases to folds.
        protocol: settings; its share of the training part is for validation.
        fold: number of the fold.

    Returns:
        Positions in `names`.
    """
    position = {name: i for i, name in enumerate(names)}
    training, test = folds.split(fold)
    if folds.rule == "by-image":
        fitting, validation = keras_validation_split(training, protocol.validation)
    else:
        fitting, validation = grouped_validation_split(training, folds.groups, protocol.validation, protocol.seed)
    fitted, validated, tested = ([position[name] for name in part] for part in (fitting, validation, test))
    return FoldIndices(fitted, validated, tested, folds.groups, protocol.seed)


def run_fold_indices(run: BenchmarkRun, fold: int) -> FoldIndices:
    """Find the training, validation and test cases of a fold of a run."""
    return fold_indices([case.name for case in run.pairs.cases], run.folds, run.config.protocol, fold)


def saliency_source(run: BenchmarkRun, method: str) -> str | None:
    """Return the saliency source of a method; None if its network takes no saliency maps."""
    from salus.lab.networks.registry import build_network, takes_saliency

    network, source = split_method_name(method)
    takes_maps = takes_saliency(build_network(network, run.config.protocol.size))
    return (source or run.config.saliency) if takes_maps else None


def train_and_test(run: BenchmarkRun, task: FoldTask, threads: int | None) -> None:
    """Train one method on one fold and test it; an interrupted training is resumed.

    Args:
        run: the run.
        task: the method and the fold.
        threads: threads of the backend; None leaves the number to it.
    """
    import keras

    from salus.lab.benchmark.fit import Subset, fit, predict
    from salus.lab.networks.flops import flops
    from salus.lab.networks.registry import build_network

    protocol, pairs = run.config.protocol, run.pairs
    method, fold = task.method, task.fold
    folder = fold_folder(run.folder, method, fold)
    network, _ = split_method_name(method)
    indices = run_fold_indices(run, fold)
    training, validation, test = (list(part) for part in (indices.fitting, indices.validation, indices.test))
    source = saliency_source(run, method)
    maps = load_or_estimate_maps(run, source, fold, indices) if source else None

    keras.utils.clear_session()  # an estimator may have trained networks of its own
    precision = set_up(protocol.seed + fold, protocol.precision, threads)

    def subset(cases: list[int]) -> Subset:
        return Subset(pairs.images[cases], pairs.masks[cases], None if maps is None else maps[cases])

    model = build_network(network, protocol.size)
    history = fit(model, subset(training), subset(validation), protocol, folder, run.log)
    both_batch_sizes = protocol.batch + len(test) % protocol.batch
    predict(model, subset(test[:both_batch_sizes]), protocol.batch)  # the first call with a batch size compiles
    start = time.monotonic()
    probability = predict(model, subset(test), protocol.batch)
    seconds = time.monotonic() - start
    rows = score_cases(method, fold, [pairs.cases[i] for i in test], pairs.masks[test], probability, protocol.threshold)
    write_rows(folder / SCORES, rows)
    outputs = {"names": np.asarray([pairs.cases[i].name for i in test]), "probability": probability}
    if maps is not None:
        outputs["saliency"] = maps[test]
    np.savez_compressed(folder / OUTPUTS, allow_pickle=False, **outputs)
    summary = {
        "network": method,
        "fold": fold,
        "saliency": source,
        "parameters": model.count_params(),
        "gflop": flops(model) / 1e9,
        "precision": precision,
        "backend": keras.backend.backend(),
        "fitted_on": len(training),
        "validated_on": len(validation),
        "tested_on": len(test),
        "epochs": len(history),
        "train_seconds": sum(row["seconds"] for row in history),
        "train_ms_per_image": 1e3 * float(np.median([row["seconds"] for row in history])) / len(training),
        "predict_ms_per_image": 1e3 * seconds / len(test),
    }
    write_json(folder / SUMMARY, summary)  # last: a fold with a summary is finished
    dice = [row["dice"] for row in rows if row["resolution"] == "network" and row["area_true"]]
    run.log(
        f"  test DSC {np.mean(dice):.4f} over {len(dice)} lesion images" if dice else "  no lesion in the test part"
    )


def load_or_estimate_maps(run: BenchmarkRun, source: str, fold: int, indices: FoldIndices) -> np.ndarray:
    """Load the saliency maps of a fold from the run's folder, or estimate and save them first.

    Args:
        run: the run.
        source: saliency source. The maps of its base are estimated once a fold, for all methods that use them.
        fold: number of the fold.
        indices: cases that the estimator may be fitted to.

    Returns:
        Maps of all cases, (n, s, s) uint8, after the source's changes.
    """
    parsed = parse_source(source)
    path = run.folder / "saliency" / parsed.base.replace(":", ".") / f"fold-{fold}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as content:
            maps = content["maps"]
    else:
        run.log(f"  saliency: {parsed.base}")
        maps = estimate_base_maps(parsed.base, run.pairs, indices)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, lambda temporary: np.savez_compressed(temporary, allow_pickle=False, maps=maps))
    return apply_changes(maps, parsed, run.pairs, indices)
