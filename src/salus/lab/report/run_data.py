"""Read the results in a run's folder; folds that are not finished are listed as missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from salus.data.folds import Folds
from salus.errors import SalusError
from salus.evaluation.scoring import Row
from salus.evaluation.summary import read_rows
from salus.lab.benchmark.config import BenchmarkConfig, fold_folder, split_method_name
from salus.lab.report.number_format import plural
from salus.lab.training.run_folder import DATA, ENVIRONMENT, FOLDS, HISTORY, SUMMARY, read_history, read_json
from salus.lab.training.run_folder import SCORES as SCORES_FILE
from salus.metrics.segmentation import SCORES

TITLES = {
    "unet": "U-Net",
    "sa-unet": "SA-U-Net",
    "sa-unet-figure": "SA-U-Net (figure)",
    "sa-unet-mended": "SA-U-Net (mended)",
    "unet-wide": "U-Net (wide)",
    "unet-two-channels": "U-Net (two channels)",
}
"""Printed names of this package's networks; any other is called by its factory's name."""


def method_title(name: str) -> str:
    """Return the printed name of a method: its network, then the saliency source that it names."""
    network, source = split_method_name(name)
    title = TITLES.get(network, network.rpartition(":")[2])
    return f"{title}, {source.rpartition(':')[2]}" if source else title


RESOLUTIONS = ("network", "native")
Key = tuple[str, int]
History = list[dict[str, float]]


@dataclass(frozen=True)
class Method:
    """A method that is compared: a network, or masks made elsewhere.

    Attributes:
        name: name in the settings.
        title: printed name.
        index: 0, 1, ..., which sets its colour and marker in all tables and figures.
        trained: whether this run trained it.
    """

    name: str
    title: str
    index: int
    trained: bool


@dataclass(frozen=True, eq=False)
class ImageScores:
    """One method's scores of n images at one resolution, in the order of the folds file.

    Attributes:
        cases: names of the images.
        folds: number of the fold in which each image was tested.
        groups: patient of each image, or its cluster of near-duplicates where patients are unknown.
        labels: label of each image, or None.
        values: each score of `salus.metrics.segmentation.Scores`, and `detection_rate`, as (n,) float.
        free: (n,) bool, whether the image has no tumour at its own size.
    """

    cases: tuple[str, ...]
    folds: tuple[int, ...]
    groups: tuple[str, ...]
    labels: tuple[str | None, ...]
    values: dict[str, np.ndarray]
    free: np.ndarray

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.cases)

    def select(self, indices: Sequence[int] | np.ndarray) -> ImageScores:
        """Return the scores of some images."""
        selected = [int(i) for i in indices]
        return ImageScores(
            tuple(self.cases[i] for i in selected),
            tuple(self.folds[i] for i in selected),
            tuple(self.groups[i] for i in selected),
            tuple(self.labels[i] for i in selected),
            {name: values[selected] for name, values in self.values.items()},
            self.free[selected],
        )

    def with_lesion(self) -> ImageScores:
        """Return the scores of images with a tumour at this resolution."""
        return self.select(np.flatnonzero(self.values["area_true"] > 0))

    def tumour_free(self) -> ImageScores:
        """Return the scores of images without a tumour."""
        return self.select(np.flatnonzero(self.free))

    def count_vanished(self) -> int:
        """Count the images whose tumour is too small for this resolution; none of its tables includes them."""
        return int(np.sum((self.values["area_true"] == 0) & ~self.free))


@dataclass(frozen=True, eq=False)
class RunData:
    """Settings and results of a run.

    Attributes:
        folder: the run's folder.
        config: settings of the run.
        folds: assignment of the images to folds.
        environment: versions and machine.
        fingerprint: SHA-256 of the data in hexadecimal digits.
        methods: networks, then masks made elsewhere, in the order of the settings.
        rows: rows of scores of all finished folds.
        scores: scores by method name and resolution, for methods with any finished fold.
        summaries: summaries of finished trainings, by method name and fold.
        histories: histories of trainings that have begun, by method name and fold.
        missing: a line for every method and fold that is not finished.
    """

    folder: Path
    config: BenchmarkConfig
    folds: Folds
    environment: dict[str, str]
    fingerprint: str
    methods: tuple[Method, ...]
    rows: list[Row]
    scores: dict[tuple[str, str], ImageScores]
    summaries: dict[Key, dict[str, Any]] = field(default_factory=dict)
    histories: dict[Key, History] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    @property
    def tested(self) -> tuple[Method, ...]:
        """The methods with any result."""
        return tuple(method for method in self.methods if (method.name, "network") in self.scores)

    @property
    def comparable(self) -> bool:
        """Whether all methods were tested on the same images, so that their means can be compared."""
        return len({self.scores[method.name, "network"].cases for method in self.tested}) <= 1

    @property
    def unit(self) -> str:
        """The independent unit: "patient" if the patient of every image is known, else "cluster" of near-duplicates.

        It is "image" if patients are unknown and no image is a near-duplicate of another.
        """
        if self.rows and all(row["patient"] for row in self.rows):
            return "patient"
        return "cluster" if len(set(self.folds.groups.values())) < len(self.folds.test) else "image"

    def finished_folds(self, method: Method) -> tuple[int, ...]:
        """Return the folds on which a method was tested."""
        return tuple(sorted(set(self.scores[method.name, "network"].folds)))


def read_run_data(run: Path) -> RunData:
    """Read a run's folder.

    Raises:
        SalusError: there is no run, or a file of it is damaged.
    """
    config = BenchmarkConfig.load(run)
    folds = Folds.from_json(read_json(run / FOLDS), run / FOLDS)
    try:
        data_fingerprint = str(read_json(run / DATA)["sha256"])
    except KeyError as error:
        raise SalusError(f"{run / DATA}: damaged ({error} is missing); copy the run again") from None
    methods = _list_methods(config)
    rows: list[Row] = []
    summaries: dict[Key, dict[str, Any]] = {}
    histories: dict[Key, History] = {}
    missing = []
    for method in methods:
        for fold in folds.numbers:
            folder = fold_folder(run, method.name, fold)
            if method.trained and (folder / HISTORY).is_file():
                histories[method.name, fold] = read_history(folder)
            if not (folder / (SUMMARY if method.trained else SCORES_FILE)).is_file():
                epochs = len(histories.get((method.name, fold), ()))
                state = f"in training, {plural(epochs, 'epoch')} done" if epochs else "not begun"
                state = state if method.trained else "not scored yet"
                missing.append(f"{method.title}, fold {fold}: {state}")
                continue
            if method.trained:
                summaries[method.name, fold] = _read_summary(folder / SUMMARY)
            rows += _read_scores(folder / SCORES_FILE)
    return RunData(
        folder=run,
        config=config,
        folds=folds,
        environment={name: str(value) for name, value in read_json(run / ENVIRONMENT).items()},
        fingerprint=data_fingerprint,
        methods=methods,
        rows=rows,
        scores=_scores_by_method(rows, folds),
        summaries=summaries,
        histories=histories,
        missing=tuple(missing),
    )


def _list_methods(config: BenchmarkConfig) -> tuple[Method, ...]:
    """List the methods of a run; methods of equal title are titled by their names."""
    names = [(name, True) for name in config.networks] + [(name, False) for name in config.predictions]
    titles = [method_title(name) if trained else name for name, trained in names]
    return tuple(
        Method(name, title if titles.count(title) == 1 else name, index, trained)
        for index, ((name, trained), title) in enumerate(zip(names, titles, strict=True))
    )


def _read_summary(path: Path) -> dict[str, Any]:
    """Read a summary and check that its values are numbers."""
    content = read_json(path)
    texts = ("network", "saliency", "precision", "backend")
    invalid = [name for name, value in content.items() if name not in texts and not isinstance(value, int | float)]
    if invalid:
        raise SalusError(f"{path}: damaged, {invalid[0]} is no number; remove its folder, then resume the run")
    return content


def _read_scores(path: Path) -> list[Row]:
    """Read a table of scores and check its columns."""
    try:
        rows = read_rows(path)
        for row in rows:
            missing = {"network", "fold", "case", "patient", "label", "resolution", *SCORES} - set(row)
            if missing:
                raise KeyError(", ".join(sorted(missing)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SalusError(f"{path}: not a table of scores ({error}); remove its folder, then resume the run") from None
    return rows


def _scores_by_method(rows: Sequence[Row], folds: Folds) -> dict[tuple[str, str], ImageScores]:
    """Group rows of scores by method name and resolution."""
    order = {name: i for i, name in enumerate(folds.test)}
    groups: dict[tuple[str, str], list[Row]] = {}
    with_tumour = {row["case"] for row in rows if row["area_true"] > 0}
    for row in rows:
        if row["case"] not in order:
            raise SalusError(f"scores of {row['case']!r}, which folds.json does not name; the run's folder is mixed up")
        groups.setdefault((row["network"], row["resolution"]), []).append(row)
    scores = {}
    for key, members in groups.items():
        members.sort(key=lambda row: order[row["case"]])
        values = {name: np.asarray([row[name] for row in members], float) for name in SCORES}
        lesions = values["lesions_true"]
        values["detection_rate"] = np.divide(
            values["lesions_found"], lesions, out=np.full(lesions.shape, np.nan), where=lesions > 0
        )
        scores[key] = ImageScores(
            cases=tuple(row["case"] for row in members),
            folds=tuple(row["fold"] for row in members),
            groups=tuple(folds.groups[row["case"]] for row in members),
            labels=tuple(row["label"] for row in members),
            values=values,
            free=np.asarray([row["case"] not in with_tumour for row in members], bool),
        )
    return scores
