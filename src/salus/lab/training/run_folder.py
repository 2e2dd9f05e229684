"""The folder of a run: refuse a used one, write its settings and the fingerprint of its data, resume on the same data.

These files are common to the runs of `salus train`, `salus benchmark` and `salus saliency-benchmark`:

RUN/run.json            the settings; of data in several sets also their fingerprints
RUN/folds.json          in which fold an image is tested, and which images belong to one patient
RUN/environment.json    versions and machine (salus benchmark)
RUN/data.json           fingerprint of every image and mask (salus benchmark)
RUN/NETWORK/fold-N/     history.csv, final.weights.h5, outputs.npz, scores.csv, summary.json (salus benchmark)
RUN/scores.csv          scores of every image
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from salus.atomic import write_json
from salus.errors import SalusError
from salus.lab.training.progress import Log
from salus.spreadsheet import read_rows

RUN_FILE = "run.json"
FOLDS = "folds.json"
DATA = "data.json"
ENVIRONMENT = "environment.json"
HISTORY = "history.csv"
SUMMARY = "summary.json"
SCORES = "scores.csv"
OUTPUTS = "outputs.npz"


def check_unused(folder: Path, command: str, initial: Collection[str] = (FOLDS,)) -> None:
    """Check that a folder can take a new run.

    Args:
        folder: of the run.
        command: the command that resumes a run.
        initial: files that a run which was killed before its settings were written may have left.

    Raises:
        SalusError: the folder holds a run, or other files, which may be what is left of one.
    """
    if (folder / RUN_FILE).exists():
        raise SalusError(f"{folder}: holds a run already; continue it with: {command} --resume {folder}")
    if folder.is_dir() and {path.name for path in folder.iterdir()} - set(initial):
        raise SalusError(f"{folder}: holds other files; name a new folder")


def create_folder(folder: Path) -> None:
    """Create the folder of a run, if need be with its parents; a SalusError where that fails."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SalusError(f"{folder}: cannot be made ({error.strerror})") from None


def start_run(
    folder: Path, settings: Mapping[str, Any], fingerprints: Mapping[str, str], folds: Mapping[str, Any]
) -> None:
    """Create the folder of a run over several data sets, and write what it can be resumed from.

    Args:
        folder: of the run, checked by `check_unused`.
        settings: written to run.json.
        fingerprints: SHA-256 of each data set, written beside the settings.
        folds: see `hold_folds`.
    """
    create_folder(folder)
    (folder / FOLDS).unlink(missing_ok=True)  # of a run that was killed before its settings were written
    hold_folds(folder, folds)
    write_settings(folder, settings, fingerprints)


def write_settings(folder: Path, settings: Mapping[str, Any], fingerprints: Mapping[str, str]) -> None:
    """Write run.json: a folder that has it can be resumed."""
    write_json(folder / RUN_FILE, {**settings, "fingerprint": fingerprints})


def read_settings(folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """Read run.json: the settings of a run, and the fingerprint of each data set.

    Raises:
        SalusError: there is no run, or the file is damaged.
    """
    settings = read_json(folder / RUN_FILE)
    return settings, settings.pop("fingerprint", {})


def check_same_data(
    folder: Path, recorded: Mapping[str, str], fingerprints: Mapping[str, str], folds: Mapping[str, Any]
) -> None:
    """Check that a run is resumed on the images and folds with which it was started.

    Args:
        folder: of the run.
        recorded: the fingerprints in run.json.
        fingerprints: of the data sets as they are now.
        folds: see `hold_folds`.

    Raises:
        SalusError: images, folds, patients or near-duplicates have changed.
    """
    if fingerprints != recorded:
        raise SalusError(f"the data have changed since {folder} was started; start a new run")
    hold_folds(folder, folds)


def hold_folds(folder: Path, folds: Mapping[str, Any]) -> None:
    """Write folds.json at the start of a run, and later check that the folds are still the same.

    Patients and the rule for near-duplicates are not part of the images' fingerprint, and what was trained on some
    folds is worth nothing with others.

    Args:
        folder: of the run.
        folds: fold and patient of each image, plain values.

    Raises:
        SalusError: folds.json holds other folds.
    """
    path = folder / FOLDS
    if not path.exists():
        write_json(path, folds)
    elif read_json(path) != folds:
        raise SalusError(
            f"{path}: patients or near-duplicates are not those with which the run was started; start a new run"
        )


def note_other_backend(started_on: str | None, log: Log) -> None:
    """Log a line where a run goes on with another backend than it was started on.

    Args:
        started_on: name of the backend; None in runs of before, which did not keep it.
        log: called with the line.
    """
    import keras

    now = keras.backend.backend()
    if started_on not in (None, now):
        log(f"mind: the run was started on {started_on} and goes on with {now}; it ends in somewhat other networks")


def read_history(folder: Path) -> list[dict[str, float]]:
    """Read the finished epochs of a training in history.csv: epoch (from 1), seconds, loss, val_loss and scores."""
    path = folder / HISTORY
    if not path.is_file():
        return []
    try:
        rows = [{name: float(value) for name, value in row.items()} for row in read_rows(path)]
        missing = {"epoch", "seconds", "loss", "val_loss"} - set(rows[0] if rows else ())
        if rows and missing:
            raise ValueError(f"no column {min(missing)}")
        return rows
    except (OSError, ValueError, TypeError) as error:
        raise SalusError(f"{path}: unreadable ({error}); remove its folder, then resume the run") from None


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds an object; a SalusError where that fails."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SalusError(f"{path}: no such file; is {path.parent} the folder of a run?") from None
    except NotADirectoryError:
        raise SalusError(f"{path.parent}: is a file; name the folder of a run") from None
    except (OSError, ValueError, RecursionError) as error:
        raise SalusError(f"{path}: unreadable ({error})") from None
    if not isinstance(content, dict):
        raise SalusError(f"{path}: damaged, it holds no settings but a {type(content).__name__}; copy the run again")
    return content
