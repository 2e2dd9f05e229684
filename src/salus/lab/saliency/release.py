"""Make the saliency files of the package from a finished saliency benchmark.

    salus saliency-benchmark BUSBRA BUSI -o RUN
    python -m salus.lab.saliency.release RUN -o src/salus/weights

Every method is fitted again on all images of the run's data sets, prepared as in its folds. Its confidence is fitted on
the run's maps, which are out of fold. `weights.json` holds the data, the scores and the checksum of each file.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from salus.atomic import write_json
from salus.errors import SalusError
from salus.lab.saliency.benchmark import SCORE_NAMES, read_data
from salus.lab.saliency.config import load_config
from salus.lab.saliency.folds import FoldMaps, fold_file
from salus.lab.saliency.registry import make_estimator
from salus.lab.training.cross_validation import CrossValidationData
from salus.lab.training.progress import Log
from salus.lab.training.run_folder import SCORES, read_json
from salus.saliency.confidence import fit_confidence
from salus.saliency.methods.prior import PriorSaliency
from salus.spreadsheet import read_rows
from salus.weights import SHIPPED_NETWORK

CARD = "weights.json"
FITTED = ("prior", "anatomy", "regions", "learned")
"""Methods that have a file of their own."""


def write_weights(run: Path, folder: Path, log: Log = print, only: Sequence[str] | None = None) -> None:
    """Write prior.npz, anatomy.npz, regions.npz, saliency.onnx, confidence-METHOD.npz and weights.json.

    Args:
        run: folder of a finished `salus saliency-benchmark`.
        folder: where the files go; files of the same names are replaced.
        log: called with lines of progress.
        only: methods to fit; None takes all methods of the run.

    Raises:
        SalusError: the run is not finished, or its data have changed.
    """
    config, recorded = load_config(run)
    scores = read_scores(run)
    data, fingerprints = read_data(config, log)
    if fingerprints != recorded:
        raise SalusError(f"the data have changed since {run} was made; run the saliency benchmark again")
    folder.mkdir(parents=True, exist_ok=True)
    prior = PriorSaliency()
    prior.fit(data.images, data.masks)
    card: dict[str, Any] = read_json(folder / CARD) if (folder / CARD).is_file() else {}
    card |= {
        "data": {
            name: {"images": data.sets.count(name), "sha256": recorded[name]} for name in dict.fromkeys(data.sets)
        },
        "folds": config.folds,
        "out_of_fold": card.get("out_of_fold", {}) | {m: scores[m] for m in config.methods if m in scores},
    }
    for method in only or config.methods:
        if method in FITTED:
            log(f"{method}: fitting on all {len(data.names)} images")
            fit_and_write(method, data, folder, card, log)
        if method in scores:
            maps = read_maps(run, method, data).astype(np.float32)
            confidence = fit_confidence(maps, data.masks, prior.resized(data.masks.shape[1:]))
            confidence.save(folder / f"confidence-{method}.npz")
    card["sha256"] = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
        if path.suffix in (".npz", ".onnx") and path.name != SHIPPED_NETWORK.name
    }
    write_json(folder / CARD, card)
    log(f"{folder}: {sum(p.stat().st_size for p in folder.iterdir()) / 1e6:.1f} MB")


def fit_and_write(method: str, data: CrossValidationData, folder: Path, card: dict[str, Any], log: Log) -> None:
    """Fit one of the `FITTED` methods on all images and write its file; the card goes into an ONNX file."""
    if method == "learned":
        from salus.lab.saliency.learned import SaliencyRecipe, export_saliency, train_saliency

        recipe = SaliencyRecipe()
        model = train_saliency(data.images, data.masks, recipe, log)
        metadata = {"data": card["data"], "recipe": asdict(recipe), "out_of_fold": card["out_of_fold"].get(method)}
        export_saliency(model, folder / "saliency.onnx", metadata)
    else:
        estimator: Any = make_estimator(method)
        estimator.fit(data.images, data.masks)
        estimator.save(folder / f"{method}.npz")


def read_maps(run: Path, method: str, data: CrossValidationData) -> np.ndarray:
    """Read a method's out-of-fold maps of every image, (n, s, s) float16.

    Raises:
        SalusError: a fold is not finished.
    """
    maps = np.empty(data.images.shape, np.float16)
    for fold in np.unique(data.fold).tolist():
        path, test = fold_file(run, method, fold), data.test_indices(fold)
        if not path.is_file():
            raise SalusError(f"{path}: not finished; salus saliency-benchmark --resume {run}")
        maps[test] = FoldMaps.load(path, len(test)).maps
    return maps


def read_scores(run: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Read the mean scores of a run by method and data set.

    Raises:
        SalusError: the run has no scores yet.
    """
    path = run / SCORES
    if not path.is_file():
        raise SalusError(f"{path}: not there yet; salus saliency-benchmark --resume {run}")
    values: dict[tuple[str, str, str], list[float]] = {}
    for row in read_rows(path):
        for name in SCORE_NAMES:
            if row[name]:
                values.setdefault((row["method"], row["set"], name), []).append(float(row[name]))
    means: dict[str, dict[str, dict[str, float]]] = {}
    for (method, data_set, name), scores in values.items():
        means.setdefault(method, {}).setdefault(data_set, {})[name] = round(float(np.mean(scores)), 4)
    return means


def main() -> None:
    """Parse the command line and write the files."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("run", type=Path)
    p.add_argument("-o", "--output", type=Path, required=True)
    p.add_argument("--only", metavar="A,B,...", help="methods to make; the files of others stay")
    args = p.parse_args()
    try:
        only = args.only.split(",") if args.only else None
        write_weights(args.run, args.output, lambda line: print(line, flush=True), only)
    except SalusError as error:
        raise SystemExit(f"salus: {error}") from None


if __name__ == "__main__":
    main()
