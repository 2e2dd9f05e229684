"""What a run's folder holds, read once for the whole report; parts that are not finished are named, not guessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from salus.data.folds import Folds
from salus.errors import SalusError
from salus.evaluation import Row, read_rows
from salus.lab.benchmark.config import Settings, part_folder, parted
from salus.lab.report.numbers import plural
from salus.lab.training.run_folder import DATA, ENVIRONMENT, FOLDS, HISTORY, SUMMARY, read_history, read_json
from salus.lab.training.run_folder import SCORES as PART_SCORES
from salus.metrics.segmentation import SCORES

TITLES = {
    "unet": "U-Net",
    "sa-unet": "SA-U-Net",
    "sa-unet-figure": "SA-U-Net (figure)",
    "sa-unet-mended": "SA-U-Net (mended)",
    "unet-wide": "U-Net (wide)",
    "unet-two-channels": "U-Net (two channels)",
}
"""How the networks of this package are called in print; any other goes by its factory's name."""


def title_of(entrant: str) -> str:
    """How an entrant is called in print: its network, then the saliency source that it names."""
    network, source = parted(entrant)
    title = TITLES.get(network, network.rpartition(":")[2])
    return f"{title}, {source.rpartition(':')[2]}" if source else title


RESOLUTIONS = ("network", "native")
Key = tuple[str, int]
History = list[dict[str, float]]


@dataclass(frozen=True)
class Entrant:
    """A column of the comparison: a network, or masks from elsewhere.

    Attributes:
        name: as in the settings.
        title: as printed.
        place: 0, 1, ...: its colour and marker, the same in every table and figure.
        trained: whether this run trained it.
    """

    name: str
    title: str
    place: int
    trained: bool


@dataclass(frozen=True, eq=False)
class ImageScores:
    """One entrant's scores at one resolution, an image each, in the order of the folds file.

    Attributes:
        cases: n names.
        folds: n fold numbers.
        groups: n patients, or clusters of near-duplicates where patients are unknown.
        labels: n labels or None.
        values: each score of `salus.metrics.segmentation.Scores`, and `found`, as (n,) float.
        free: (n,) bool, whether the image holds no tumour at its own size.
    """

    cases: tuple[str, ...]
    folds: tuple[int, ...]
    groups: tuple[str, ...]
    labels: tuple[str | None, ...]
    values: dict[str, np.ndarray]
    free: np.ndarray

    def __len__(self) -> int:
        """The number of images."""
        return len(self.cases)

    def take(self, indices: Sequence[int] | np.ndarray) -> ImageScores:
        """Those images only."""
        chosen = [int(i) for i in indices]
        return ImageScores(
            tuple(self.cases[i] for i in chosen),
            tuple(self.folds[i] for i in chosen),
            tuple(self.groups[i] for i in chosen),
            tuple(self.labels[i] for i in chosen),
            {name: values[chosen] for name, values in self.values.items()},
            self.free[chosen],
        )

    def lesions(self) -> ImageScores:
        """The images with a tumour, at this resolution."""
        return self.take(np.flatnonzero(self.values["area_true"] > 0))

    def tumour_free(self) -> ImageScores:
        """The images without one."""
        return self.take(np.flatnonzero(self.free))

    def vanished(self) -> int:
        """How many images hold a tumour too small to be left at this resolution; they are in no table of it."""
        return int(np.sum((self.values["area_true"] == 0) & ~self.free))


@dataclass(frozen=True, eq=False)
class Material:
    """A run.

    Attributes:
        run: its folder.
        settings: what was asked for.
        folds: who is tested when.
        environment: versions and machine.
        fingerprint: SHA-256 of the data, as hexadecimal digits.
        entrants: networks, then predictions from elsewhere, in the order of the settings.
        rows: all finished parts' rows.
        scores: by entrant's name and resolution, for entrants with any finished part.
        summaries: of finished trained parts, by network and fold.
        histories: of parts whose training has begun, by network and fold.
        missing: what is not finished, a line each.
    """

    run: Path
    settings: Settings
    folds: Folds
    environment: dict[str, str]
    fingerprint: str
    entrants: tuple[Entrant, ...]
    rows: list[Row]
    scores: dict[tuple[str, str], ImageScores]
    summaries: dict[Key, dict[str, Any]] = field(default_factory=dict)
    histories: dict[Key, History] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    @property
    def tested(self) -> tuple[Entrant, ...]:
        """The entrants with any result."""
        return tuple(e for e in self.entrants if (e.name, "network") in self.scores)

    @property
    def comparable(self) -> bool:
        """Whether all tested entrants were tested on the same images, so that their means may be set side by side."""
        return len({self.scores[e.name, "network"].cases for e in self.tested}) <= 1

    @property
    def unit(self) -> str:
        """What is independent: a "patient" if the data set names every image's, else a "cluster" of near-duplicates.

        An "image" where patients are unknown and no image is a near-duplicate of another.
        """
        if self.rows and all(row["patient"] for row in self.rows):
            return "patient"
        return "cluster" if len(set(self.folds.groups.values())) < len(self.folds.test) else "image"

    def finished_folds(self, entrant: Entrant) -> tuple[int, ...]:
        """The folds on which an entrant was tested."""
        return tuple(sorted(set(self.scores[entrant.name, "network"].folds)))


def read_material(run: Path) -> Material:
    """Read a run's folder.

    Raises:
        SalusError: no run there, or a file in it is damaged.
    """
    settings = Settings.load(run)
    folds = Folds.from_json(read_json(run / FOLDS), run / FOLDS)
    try:
        print_of_data = str(read_json(run / DATA)["sha256"])
    except KeyError as error:
        raise SalusError(f"{run / DATA}: damaged ({error} is missing); copy the run again") from None
    entrants = _entrants(settings)
    rows: list[Row] = []
    summaries: dict[Key, dict[str, Any]] = {}
    histories: dict[Key, History] = {}
    missing = []
    for entrant in entrants:
        for fold in folds.numbers:
            folder = part_folder(run, entrant.name, fold)
            if entrant.trained and (folder / HISTORY).is_file():
                histories[entrant.name, fold] = read_history(folder)
            done = (folder / (SUMMARY if entrant.trained else PART_SCORES)).is_file()
            if not done:
                epochs = len(histories.get((entrant.name, fold), ()))
                state = f"in training, {plural(epochs, 'epoch')} done" if epochs else "not begun"
                state = state if entrant.trained else "not scored yet"
                missing.append(f"{entrant.title}, fold {fold}: {state}")
                continue
            if entrant.trained:
                summaries[entrant.name, fold] = _summary(folder / SUMMARY)
            rows += _rows(folder / PART_SCORES)
    return Material(
        run=run,
        settings=settings,
        folds=folds,
        environment={name: str(value) for name, value in read_json(run / ENVIRONMENT).items()},
        fingerprint=print_of_data,
        entrants=entrants,
        rows=rows,
        scores=_by_entrant(rows, folds),
        summaries=summaries,
        histories=histories,
        missing=tuple(missing),
    )


def _entrants(settings: Settings) -> tuple[Entrant, ...]:
    names = [(name, True) for name in settings.networks] + [(name, False) for name in settings.predictions]
    titles = [title_of(name) if trained else name for name, trained in names]
    return tuple(
        Entrant(name, title if titles.count(title) == 1 else name, place, trained)
        for place, ((name, trained), title) in enumerate(zip(names, titles, strict=True))
    )


def _summary(path: Path) -> dict[str, Any]:
    content = read_json(path)
    words = ("network", "saliency", "precision", "backend")
    odd = [name for name, value in content.items() if name not in words and not isinstance(value, int | float)]
    if odd:
        raise SalusError(f"{path}: damaged, {odd[0]} is no number; remove its folder, then resume the run")
    return content


def _rows(path: Path) -> list[Row]:
    try:
        rows = read_rows(path)
        for row in rows:
            missing = {"network", "fold", "case", "patient", "label", "resolution", *SCORES} - set(row)
            if missing:
                raise KeyError(", ".join(sorted(missing)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SalusError(f"{path}: not a table of scores ({error}); remove its folder, then resume the run") from None
    return rows


def _by_entrant(rows: Sequence[Row], folds: Folds) -> dict[tuple[str, str], ImageScores]:
    order = {name: i for i, name in enumerate(folds.test)}
    parts: dict[tuple[str, str], list[Row]] = {}
    with_tumour = {row["case"] for row in rows if row["area_true"] > 0}
    for row in rows:
        if row["case"] not in order:
            raise SalusError(f"scores of {row['case']!r}, which folds.json does not name; the run's folder is mixed up")
        parts.setdefault((row["network"], row["resolution"]), []).append(row)
    found = {}
    for key, members in parts.items():
        members.sort(key=lambda row: order[row["case"]])
        values = {name: np.asarray([row[name] for row in members], float) for name in SCORES}
        lesions = values["lesions_true"]
        values["found"] = np.divide(
            values["lesions_found"], lesions, out=np.full(lesions.shape, np.nan), where=lesions > 0
        )
        found[key] = ImageScores(
            cases=tuple(row["case"] for row in members),
            folds=tuple(row["fold"] for row in members),
            groups=tuple(folds.groups[row["case"]] for row in members),
            labels=tuple(row["label"] for row in members),
            values=values,
            free=np.asarray([row["case"] not in with_tumour for row in members], bool),
        )
    return found
