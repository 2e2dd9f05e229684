"""Put a trained segmentation network into the package, its weights as float16.

    salus train BUSBRA BUSI -o RUN --name salus-4 --judge 5 --final --early-steps 6000 --steps 3000
    python -m salus.lab.segmentation.release RUN -o src/salus/weights

The file halves; engines turn the weights back into float32 when they load it. How far that moves the answers is taken
on the run's held-out images and written into the card.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from salus.engine import open_network
from salus.errors import SalusError
from salus.lab.segmentation.card import card_text
from salus.lab.segmentation.config import NETWORK, RAW
from salus.lab.segmentation.run import read_wanted_pool
from salus.lab.training.run_folder import read_json, write_json

if TYPE_CHECKING:
    import onnx

LEAST = 256
"""Smaller arrays stay as they are."""

SAME = 0.99
"""Mean Dice that the outlines must keep with those of the float32 file."""


def ship(run: Path, folder: Path, log: Callable[[str], None] = print) -> None:
    """Write segment.onnx, segment.json and segment.md.

    Args:
        run: a finished `salus train`.
        folder: where to; what is there is replaced.
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
    halve(graph)
    onnx.checker.check_model(graph)
    path = folder / "segment.onnx"
    onnx.save(graph, path)
    card = read_json(run / "card.json")
    card["float16"] = _compare(run, source, path)
    if card["float16"]["mean_dice"] < SAME:
        path.unlink()
        raise SalusError(f"float16 weights change the outlines (mean Dice {card['float16']['mean_dice']:.4f})")
    card["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
    write_json(folder / "segment.json", card)
    (folder / "segment.md").write_text(card_text(card), encoding="utf-8")
    log(f"{path}: {path.stat().st_size / 1e6:.1f} MB; float16 keeps a mean Dice of {card['float16']['mean_dice']:.4f}")


def halve(graph: onnx.ModelProto) -> None:
    """Store large float32 weights as float16, each cast back where it is used; names stay."""
    from onnx import helper, numpy_helper

    from salus.lab.onnx.weights import HALF

    casts = []
    for tensor in list(graph.graph.initializer):
        values = numpy_helper.to_array(tensor)
        if values.dtype == np.float32 and values.size >= LEAST:
            name = tensor.name
            tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), name + HALF))
            casts.append(helper.make_node("Cast", [name + HALF], [name], to=1, name=name + "_cast"))
    for node in reversed(casts):
        graph.graph.node.insert(0, node)


def _compare(run: Path, source: Path, path: Path) -> dict[str, float]:
    """Outlines of held-out images by both files: mean Dice between them, largest difference of a probability."""
    pool = read_wanted_pool(run)
    with np.load(run / "fold-1" / RAW, allow_pickle=False) as file:
        places = file["place"][::8]
    one, other = open_network(source), open_network(path)
    dice, largest = [], 0.0
    for place in places:
        image = {"image": pool.images[place][None, ..., None] / np.float32(255)}
        a, b = (network.run(image)["probability"] for network in (one, other))
        largest = max(largest, float(np.abs(a - b).max()))
        both, total = ((a >= 0.5) & (b >= 0.5)).sum(), (a >= 0.5).sum() + (b >= 0.5).sum()
        dice.append(2 * both / total if total else 1.0)
    return {"images": len(dice), "mean_dice": round(float(np.mean(dice)), 5), "largest": round(largest, 4)}


def main() -> None:
    """Read the command line."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("run", type=Path)
    p.add_argument("-o", "--output", type=Path, required=True)
    asked = p.parse_args()
    try:
        ship(asked.run, asked.output, lambda line: print(line, flush=True))
    except SalusError as error:
        raise SystemExit(f"salus: {error}") from None


if __name__ == "__main__":
    main()
