"""Put a trained segmentation network into the package, its weights stored as float16.

    salus train BUSBRA BUSI --unlabelled multirez/images -o RUN --name salus-7 --judge sources --final
    python -m salus.lab.segmentation.release RUN -o src/salus/weights

That halves the file; engines turn the weights back into float32 when they load it. How much the outlines change is
measured on the run's held-out images and written into the card.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np

from salus.atomic import write_json, write_text
from salus.engine import open_network
from salus.errors import SalusError
from salus.lab.onnx.weights import store_float16
from salus.lab.segmentation.card_text import card_text
from salus.lab.segmentation.config import NETWORK, PREDICTIONS
from salus.lab.segmentation.run import read_run_data
from salus.lab.training.progress import Log
from salus.lab.training.run_folder import read_json
from salus.segmentation.network import predict

MIN_DICE = 0.99
"""Smallest mean Dice allowed between the outlines of the float16 and the float32 file."""


def release(run: Path, folder: Path, log: Log = print) -> None:
    """Write segment.onnx, segment.json and segment.md.

    Args:
        run: a finished `salus train`.
        folder: gets the files; those of the same names are replaced.
        log: called with lines of progress.

    Raises:
        SalusError: the run is not finished, or float16 changes the outlines.
    """
    import onnx

    source = run / NETWORK
    if not source.is_file():
        raise SalusError(f"{source}: not there yet; salus train --resume {run}")
    folder.mkdir(parents=True, exist_ok=True)
    graph = onnx.load(source)
    store_float16(graph)
    onnx.checker.check_model(graph)
    path = folder / "segment.onnx"
    onnx.save(graph, path)
    card = read_json(run / "card.json")
    card["float16"] = _compare(run, source, path)
    dice = card["float16"]["mean_dice"]
    if dice < MIN_DICE:
        path.unlink()
        raise SalusError(f"float16 weights change the outlines (mean Dice {dice:.4f})")
    card["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    write_json(folder / "segment.json", card)
    write_text(folder / "segment.md", card_text(card))
    log(f"{path}: {path.stat().st_size / 1e6:.1f} MB; float16 keeps a mean Dice of {dice:.4f}")


def _compare(run: Path, source: Path, path: Path) -> dict[str, float]:
    """Compare two networks on held-out images: mean Dice of their outlines, largest difference of a probability."""
    data = read_run_data(run)
    with np.load(run / "fold-1" / PREDICTIONS, allow_pickle=False) as file:
        indices = file["place"][::8]
    networks = open_network(source), open_network(path)
    dice, largest = [], 0.0
    for index in indices:
        image = data.images[index][None, ..., None] / np.float32(255)
        a, b = (predict(network, image, tta=False)["probability"] for network in networks)
        largest = max(largest, float(np.abs(a - b).max()))
        both, total = ((a >= 0.5) & (b >= 0.5)).sum(), (a >= 0.5).sum() + (b >= 0.5).sum()
        dice.append(2 * both / total if total else 1.0)
    return {"images": len(dice), "mean_dice": round(float(np.mean(dice)), 5), "largest": round(largest, 4)}


def main() -> None:
    """Parse the command line and write the files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    try:
        release(args.run, args.output, lambda line: print(line, flush=True))
    except SalusError as error:
        raise SystemExit(f"salus: {error}") from None


if __name__ == "__main__":
    main()
