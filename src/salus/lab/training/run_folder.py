"""A run's folder: its settings, what it depends on, and where each part of the result lies.

RUN/run.json            settings: data, networks, protocol, saliency, given predictions
RUN/environment.json    versions and machine
RUN/data.json           fingerprint of every image and mask
RUN/folds.json          who is tested when
RUN/saliency/           maps of every case by base and fold, estimated once
RUN/NETWORK/fold-N/     history.csv, final.weights.h5, outputs.npz, scores.csv, summary.json (written last: finished)
RUN/scores.csv          every image, network and resolution
RUN/report.html, .md    the report
"""

from __future__ import annotations

import csv
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from salus.data.case import Case
from salus.errors import SalusError

RUN_FILE = "run.json"
FOLDS = "folds.json"
DATA = "data.json"
ENVIRONMENT = "environment.json"
HISTORY = "history.csv"
SUMMARY = "summary.json"
SCORES = "scores.csv"
OUTPUTS = "outputs.npz"


def read_history(folder: Path) -> list[dict[str, float]]:
    """The finished epochs of a part: a row each with epoch (from 1), seconds, loss, val_loss, watched scores."""
    path = folder / HISTORY
    if not path.is_file():
        return []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
        absent = {"epoch", "seconds", "loss", "val_loss"} - set(rows[0] if rows else ())
        if rows and absent:
            raise ValueError(f"no column {min(absent)}")
        return rows
    except (OSError, ValueError, TypeError) as error:
        raise SalusError(f"{path}: unreadable ({error}); remove its folder, then resume the run") from None


def fingerprint(cases: Sequence[Case]) -> dict[str, Any]:
    """SHA-256 of each case's image and masks, and one of all: a run resumes on the very same data or not at all."""

    def one(case: Case) -> str:
        digest = hashlib.sha256()
        for path in (case.image, *(case.masks or ()), *((case.saliency,) if case.saliency else ())):
            digest.update(path.read_bytes() if path.is_file() else b"absent")
        return digest.hexdigest()

    with ThreadPoolExecutor(4) as pool:
        digests = dict(zip((c.name for c in cases), pool.map(one, cases), strict=True))
    whole = hashlib.sha256("".join(f"{n}{d}" for n, d in sorted(digests.items())).encode()).hexdigest()
    return {"sha256": whole, "cases": digests}


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


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file by rename."""
    text = json.dumps(content, indent=1) + "\n"
    write_by_rename(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_by_rename(path: Path, write: Callable[[Path], object]) -> None:
    """Call write(temporary path), then rename it to `path`, so that `path` is whole or absent."""
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        write(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise SalusError(f"{path}: cannot be written ({error.strerror or error}); free space, then resume") from None
    finally:
        temporary.unlink(missing_ok=True)
