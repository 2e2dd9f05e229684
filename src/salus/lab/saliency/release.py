"""Make the files that the package ships for saliency, from a finished saliency benchmark.

    salus saliency-benchmark BUSBRA BUSI -o RUN
    python -m salus.lab.saliency.release RUN -o src/salus/weights

Every method is fitted again on all images of the run's data sets, as its folds were; its confidence is fitted on the
run's maps, which are out of fold. `weights.json` says what each file was made from, its checksum and its scores.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from salus.errors import SalusError
from salus.lab.saliency.benchmark import SCORE_NAMES, pool_of
from salus.lab.saliency.config import Asked
from salus.lab.training.cross_validation import Pool
from salus.lab.training.progress import Log
from salus.lab.training.run_folder import RUN_FILE, read_json, write_json
from salus.saliency.confidence import fit_confidence
from salus.saliency.methods.prior import PriorSaliency
from salus.saliency.registry import prior_map, save_prior

CARD = "weights.json"
FITTED = ("prior", "anatomy", "regions", "learned")
"""Methods that have something to ship, in the order in which it is made."""


def ship(run: Path, folder: Path, log: Log = print, only: Sequence[str] | None = None) -> None:
    """Write prior.npz, anatomy.npz, regions.npz, saliency.onnx, confidence-METHOD.npz and weights.json.

    Args:
        run: a finished `salus saliency-benchmark`.
        folder: where to; what is there of the same names is replaced.
        log: called with lines of progress.
        only: methods to make; None all of the run.

    Raises:
        SalusError: the run is not finished, or its data are gone.
    """
    content = read_json(run / RUN_FILE)
    prints = content.pop("fingerprint", {})
    asked = Asked(**{**content, "data": tuple(content["data"]), "methods": tuple(content["methods"])})
    scores = read_scores(run)
    pool, found = pool_of(asked, log)
    if found != prints:
        raise SalusError(f"the data have changed since {run} was made; run the saliency benchmark again")
    folder.mkdir(parents=True, exist_ok=True)
    prior = PriorSaliency()
    prior.fit(pool.images, pool.masks)
    place = prior_map(prior, pool.masks.shape[1:])
    card: dict[str, Any] = read_json(folder / CARD) if (folder / CARD).is_file() else {}
    card |= {
        "data": {name: {"images": pool.sets.count(name), "sha256": prints[name]} for name in dict.fromkeys(pool.sets)},
        "folds": asked.folds,
        "out_of_fold": card.get("out_of_fold", {}) | {m: scores[m] for m in asked.methods if m in scores},
    }
    for method in only or asked.methods:
        if method in FITTED:
            log(f"{method}: fitting on all {len(pool.names)} images")
            _make(method, prior, pool, folder, card, log)
        if method not in scores:
            continue
        maps = read_maps(run, method, pool)
        fit_confidence(maps.astype(np.float32), pool.masks, place).save(folder / f"confidence-{method}.npz")
    card["sha256"] = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.suffix in (".npz", ".onnx") and path.name != "segment.onnx"
    }
    write_json(folder / CARD, card)
    log(f"{folder}: {sum(p.stat().st_size for p in folder.iterdir()) / 1e6:.1f} MB")


def _make(method: str, prior: PriorSaliency, pool: Pool, folder: Path, card: dict[str, Any], log: Log) -> None:
    """Fit one method on everything and write its file."""
    if method == "prior":
        save_prior(prior, folder / "prior.npz")
    elif method == "learned":
        from dataclasses import asdict

        from salus.lab.saliency.learned import Recipe, export_saliency, train_saliency

        recipe = Recipe()
        model = train_saliency(pool.images, pool.masks, recipe, log)
        about = {"data": card["data"], "recipe": asdict(recipe), "out_of_fold": card["out_of_fold"].get(method)}
        export_saliency(model, folder / "saliency.onnx", about)
    else:
        from salus.lab.saliency.registry import make_estimator

        estimator: Any = make_estimator(method)
        estimator.fit(pool.images, pool.masks)
        estimator.save(folder / f"{method}.npz")


def read_maps(run: Path, method: str, pool: Pool) -> np.ndarray:
    """A method's out-of-fold maps of every image, (n, s, s) float16.

    Raises:
        SalusError: a fold is not finished.
    """
    maps = np.empty(pool.images.shape, np.float16)
    for fold in np.unique(pool.fold):
        path = run / method.replace(":", ".") / f"fold-{fold}.npz"
        if not path.is_file():
            raise SalusError(f"{path}: not finished; salus saliency-benchmark --resume {run}")
        with np.load(path, allow_pickle=False) as content:
            maps[pool.fold == fold] = content["maps"]
    return maps


def read_scores(run: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Mean scores by method and data set.

    Raises:
        SalusError: the run has none yet.
    """
    path = run / "scores.csv"
    if not path.is_file():
        raise SalusError(f"{path}: not there yet; salus saliency-benchmark --resume {run}")
    values: dict[tuple[str, str, str], list[float]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for name in SCORE_NAMES:
                if row[name]:
                    values.setdefault((row["method"], row["set"], name), []).append(float(row[name]))
    found: dict[str, dict[str, dict[str, float]]] = {}
    for (method, data, name), many in values.items():
        found.setdefault(method, {}).setdefault(data, {})[name] = round(float(np.mean(many)), 4)
    return found


def main() -> None:
    """Read the command line."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("run", type=Path)
    p.add_argument("-o", "--output", type=Path, required=True)
    p.add_argument("--only", metavar="A,B,...", help="methods to make; the files of others stay")
    asked = p.parse_args()
    try:
        only = asked.only.split(",") if asked.only else None
        ship(asked.run, asked.output, lambda line: print(line, flush=True), only)
    except SalusError as error:
        raise SystemExit(f"salus: {error}") from None


if __name__ == "__main__":
    main()
