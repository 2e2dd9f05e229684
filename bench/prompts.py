"""Measure what a click, a box or a map is worth at a hospital that gave no training image, beside classical methods.

    salus train SOURCE SOURCE -o RUN --judge sources --final
    python bench/prompts.py RUN [--every 4] [--only clicks anywhere]

Each source's images with a tumour, every Nth of them, are outlined by the network that was trained on the other
sources, with prompts made from the truth by a fixed seed; of the tumour-free images eight times as many. Scores are at
the image's own size: mean Dice, the share of images with a Dice below 0.1, the Dice of the lowest tenth. The parts:

    clicks      no prompt, 1 to 5 clicks, a scribble, boxes, maps
    anywhere    ten single clicks anywhere in the lesion: their mean, and the worst of them
    classical   a click or a box without a network that takes them, see prompts_classical.py
    free        a click in a tumour-free image, beside no click and beside lesion images; also by the run's final
                network, which was trained on these very images

Every image's scores are kept in RUN/prompts.jsonl as soon as they are known: a run that was stopped goes on where it
was, and one with more images or parts adds to it. Another network's scores are never taken, those of older code are:
delete the file after a change. The tables are Markdown.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import prompts_network as ways
from salus.lab.segmentation.run import read_run_data
from salus.lab.training.cross_validation import CrossValidationData
from salus.lab.training.run_folder import read_json
from salus.metrics.curves import roc_auc
from salus.parallel import map_in_order
from salus.preprocess import resize
from salus.segmentation.network import NetworkSettings, read_settings
from salus.segmentation.segmenter import Segmenter

PARTS = {
    "clicks": ways.with_prompts,
    "anywhere": ways.click_anywhere,
    "classical": ways.without_the_network,
    "free": ways.wrongly_clicked,
}
"""What is measured, in the order of the tables."""

FREE = "free"
"""The only part with tumour-free images, and the only one for which the final network is asked too."""

MORE_FREE = 8
"""Of tumour-free images, of which there are few, this many times as many are taken."""

LEFT_OUT, FINAL = "left out", "final"
"""Which network is asked: the one that was trained on the other sources, or the one trained on all."""


@dataclass(frozen=True)
class Task:
    """One image in one part, by one network.

    Attributes:
        part: one of `PARTS`.
        source: the data set.
        image: its index in the run's data.
        tumour: whether it shows one.
        network: LEFT_OUT or FINAL.
        weights: the start of the SHA-256 of the network's file.
    """

    part: str
    source: str
    image: int
    tumour: bool
    network: str
    weights: str


Scores = dict[Task, dict[str, ways.Score]]
"""The scores of each way to outline an image, by the image and the way's name."""


def list_tasks(
    data: CrossValidationData, weights: dict[tuple[str, str], str], parts: Sequence[str], every: int
) -> list[Task]:
    """List what is to be measured.

    Args:
        data: of the run, a fold for each source.
        weights: SHA-256 of the network, by source and by LEFT_OUT or FINAL.
        parts: of `PARTS`.
        every: every Nth image with a tumour is taken.
    """
    tasks = []
    for source in dict.fromkeys(data.sets):
        indices = [i for i, name in enumerate(data.sets) if name == source]
        lesion = [i for i in indices if data.masks[i].any()][::every]
        free = [i for i in indices if not data.masks[i].any()][:: max(1, every // MORE_FREE)]
        for part in parts:
            networks = [name for s, name in weights if s == source and (part == FREE or name == LEFT_OUT)]
            images = lesion if part != FREE else [*lesion, *free] if free else []
            tasks += [
                Task(part, source, i, bool(data.masks[i].any()), network, weights[source, network])
                for network in networks
                for i in images
            ]
    return tasks


def measure(task: Task, data: CrossValidationData, networks: tuple[Segmenter, Segmenter]) -> dict[str, ways.Score]:
    """Score every way of a part on one image."""
    case, segmenter = data.cases[task.image], networks[0]
    scan = case.read_image()
    truth = ways.without_specks(case.read_mask(scan.shape)) if task.tumour else np.zeros(scan.shape, bool)
    lesions = [i for i, name in enumerate(data.sets) if name == task.source and data.masks[i].any()]
    other = data.masks[lesions[(np.searchsorted(lesions, task.image) - 7) % len(lesions)]].astype(np.float32)
    stretched = resize(other, (scan.shape[0], scan.shape[1])) >= 0.5
    rng = np.random.default_rng([0, task.image])
    return PARTS[task.part](ways.Question(segmenter.prepare(scan), truth, stretched, *networks, rng))


def open_networks(path: Path, settings: NetworkSettings) -> tuple[Segmenter, Segmenter]:
    """Open a network of a run with the run's calibration; the second one does not get its own answer as the map."""
    networks = Segmenter(path), Segmenter(path)
    for network, refine in zip(networks, (settings.refine, False), strict=True):
        network.settings = replace(settings, name=network.settings.name, refine=refine)
        network.threshold = settings.threshold
    return networks


def read_kept(path: Path) -> Scores:
    """Read the scores that earlier runs kept; the last line may be cut short."""
    scores: Scores = {}
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            continue
        scores[Task(**row["task"])] = row["scores"]
    return scores


def score_run(run: Path, every: int, parts: Sequence[str]) -> Scores:
    """Score all ways on all images, but for those that an earlier run has scored."""
    data, card = read_run_data(run), run / "card.json"
    settings = read_settings(read_json(card)["settings"], card)
    paths: dict[tuple[str, str], Path] = {}
    for source in dict.fromkeys(data.sets):
        fold = data.fold[data.sets.index(source)]
        paths[source, LEFT_OUT] = run / f"fold-{fold}" / "network.onnx"
        if (run / "final").exists():
            paths[source, FINAL] = run / "network.onnx"
    weights = {key: hashlib.sha256(path.read_bytes()).hexdigest()[:12] for key, path in paths.items()}
    tasks, keep = list_tasks(data, weights, parts, every), run / "prompts.jsonl"
    kept = read_kept(keep)
    left = [task for task in tasks if task not in kept]
    opened = {
        key: open_networks(path, settings)
        for key, path in paths.items()
        if key in {(task.source, task.network) for task in left}
    }
    print(f"{len(tasks)} tasks, {len(left)} of them left to do", flush=True)
    start = time.monotonic()
    with keep.open("a") as file:
        found = map_in_order(lambda task: measure(task, data, opened[task.source, task.network]), left, 2)
        for number, (task, scores) in enumerate(zip(left, found, strict=True), 1):
            kept[task] = scores
            print(json.dumps({"task": vars(task), "scores": scores}), file=file, flush=True)
            if number % 50 == 0 or number == len(left):
                print(f"{number} of {len(left)}: {(time.monotonic() - start) / 60:.1f} minutes", flush=True)
    return {task: kept[task] for task in tasks}


def dice_table(part: str, scores: Scores) -> Iterator[str]:
    """Yield the lines of a part's table of Dice."""
    mine = {task: found for task, found in scores.items() if task.part == part}
    sources = list(dict.fromkeys(task.source for task in mine))
    numbers = [sum(task.source == source for task in mine) for source in sources]
    heads = [f"{s} ({n}): Dice | below 0.1 | lowest tenth" for s, n in zip(sources, numbers, strict=True)]
    yield f"| {part} | {' | '.join(heads)} |"
    yield "|---|" + "---|" * 3 * len(sources)
    for name in dict.fromkeys(name for found in mine.values() for name in found):
        cells = []
        for source in sources:
            values = np.array([found[name]["dice"] for task, found in mine.items() if task.source == source])
            cells += [f"{values.mean():.3f}", f"{(values < 0.1).mean():.1%}", f"{np.quantile(values, 0.1):.3f}"]
        yield f"| {name} | {' | '.join(cells)} |"


def free_table(scores: Scores) -> Iterator[str]:
    """Yield the lines of the table of tumour-free images, beside lesion images of the same source.

    The last column is the AUC by which confidence tells these images from the lesion images with the same network and
    as many clicks: 0.5 is chance.
    """
    groups: dict[tuple[str, str, bool, str], list[ways.Score]] = {}
    for task, found in scores.items():
        if task.part == FREE:
            for name, scored in found.items():
                groups.setdefault((task.source, task.network, task.tumour, name), []).append(scored)
    yield "| network | images | prompt | outlined | area, median | area, mean | confidence | presence | AUC |"
    yield "|---|---|---|---|---|---|---|---|---|"
    for source, network, tumour, name in sorted(groups, key=lambda key: (key[0], key[1] == FINAL)):
        rows = groups[source, network, tumour, name]
        area = np.array([row["area"] for row in rows])
        confidence, presence = (np.array([row[key] for row in rows]) for key in ("confidence", "presence"))
        auc = "–"
        if not tumour:
            partner = name if name == "no prompt" else "1 click, random"
            lesion = [row["confidence"] for row in groups[source, network, True, partner]]
            auc = f"{roc_auc([1] * len(lesion) + [0] * len(rows), [*lesion, *confidence]):.2f}"
        kind = f"{source}, {'tumour' if tumour else 'tumour-free'} ({len(rows)})"
        yield (
            f"| {network} | {kind} | {name} | {(area > 0).mean():.1%} | {np.median(area):.1%} | {area.mean():.1%} "
            f"| {confidence.mean():.2f} | {presence.mean():.2f} | {auc} |"
        )


def main() -> None:
    """Score and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    args = parser.parse_args()
    scores = score_run(args.run, args.every, args.only)
    for part in args.only:
        print()
        print("\n".join(free_table(scores) if part == FREE else dice_table(part, scores)))


if __name__ == "__main__":
    main()
