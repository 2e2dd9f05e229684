"""`salus train`: train on labelled folders, judge on held-out patients, calibrate, and write one network file.

RUN/run.json              what was asked for
RUN/folds.json            who belongs together, and is tested when
RUN/fold-N/               the fold's training state, network.onnx, raw.npz (its outputs on the fold's test images)
RUN/final/                the same for the network trained on every image, where one was asked for
RUN/images.csv            every test image: scores at its own size, as the finished network's settings cut it
RUN/network.onnx          the result: the final network, else that of the first fold; settings and card inside
RUN/card.json, card.md    what it was trained on, how good it is, what it must not be used for

The settings (temperature, presence) are fitted on the held-out outputs of the folds that were trained. With one fold
they are fitted and judged on the same images; they are two numbers.
"""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from salus.errors import SalusError
from salus.lab.segmentation.config import FINAL, KNOWN_IMAGES, NETWORK, RAW, Wanted, load
from salus.lab.segmentation.export import export_segmenter, with_strangeness
from salus.lab.segmentation.held_out import read_raw, write_raw
from salus.lab.segmentation.recipe import recipe_json
from salus.lab.segmentation.train import train_segmenter
from salus.lab.training.cross_validation import Pool, hold_to, read_pool
from salus.lab.training.process_group import ALONE, Crew
from salus.lab.training.progress import Log
from salus.lab.training.run_folder import FOLDS, RUN_FILE, write_by_rename, write_json


def start(run: Path, wanted: Wanted, log: Log = print, crew: Crew = ALONE) -> Path:
    """Start a run in a new folder and carry it through; the network's file, of the process that leads.

    Raises:
        SalusError: the folder holds a run, the settings make no sense, or the data cannot be read.
    """
    if (run / RUN_FILE).exists():
        raise SalusError(f"{run}: holds a run already; continue it with: salus train --resume {run}")
    if not 0 <= wanted.judged <= wanted.folds or (wanted.judged == 0 and not wanted.final):
        raise SalusError(f"{wanted.judged} of {wanted.folds} folds judged; give 1 to {wanted.folds}, or 0 with --final")
    _check_final(wanted)
    crew.check_batch(wanted.recipe.batch)
    run, log = crew.mirror(run), crew.log(log)
    pool, prints = _read(wanted, log)
    from salus.lab.segmentation.card import seen_before

    crew.agree("the options or images", json.dumps([asdict(wanted), prints]))
    run.mkdir(parents=True, exist_ok=True)
    (run / FOLDS).unlink(missing_ok=True)  # of a run that was killed in its first moments
    hold_to(pool, run / FOLDS)
    _note(run, wanted, prints)
    for line in seen_before(wanted, prints):
        log(f"mind: {line}")
    return _carry_through(run, wanted, pool, prints, log, crew)


def resume(
    run: Path,
    log: Log = print,
    crew: Crew = ALONE,
    *,
    judged: int | None = None,
    final: bool = False,
    final_steps: int | None = None,
) -> Path:
    """Go on with an interrupted run, or add folds or the final network to a finished one.

    Args:
        run: its folder.
        log: takes lines of progress.
        crew: the processes that train together.
        judged: how many folds from now on, not fewer than before; None leaves it.
        final: from now on also train on every image.
        final_steps: of that training, as in `Wanted`; None leaves it.

    Raises:
        SalusError: no run there, its data have changed, it judges more folds already, or its final network was made in
            another way.
    """
    run, log = crew.mirror(run), crew.log(log)
    wanted, prints = load(run)
    if judged is not None and not wanted.judged <= judged <= wanted.folds:
        raise SalusError(f"{judged} folds judged; {run} has {wanted.judged} of {wanted.folds}, give as many or more")
    begun = (run / FINAL).exists()
    if final_steps is not None and begun and final_steps != wanted.final_steps:
        raise SalusError(f"{run / FINAL}: was begun in another way; leave out --final-steps, or delete that folder")
    wanted = replace(
        wanted,
        judged=judged or wanted.judged,
        final=wanted.final or final,
        final_steps=wanted.final_steps if final_steps is None else final_steps,
    )
    _check_final(wanted)
    crew.check_batch(wanted.recipe.batch)
    pool, found = _read(wanted, log)
    if found != prints:
        raise SalusError(f"the data have changed since {run} was started; start a new run")
    if crew.leads:
        hold_to(pool, run / FOLDS)
        _note(run, wanted, prints)
    return _carry_through(run, wanted, pool, prints, log, crew)


def _check_final(wanted: Wanted) -> None:
    if wanted.final_steps is None:
        return
    if not wanted.final or not wanted.judged or wanted.final_steps < 1:
        raise SalusError(
            f"--final-steps {wanted.final_steps}: goes with --final and at least one fold judged, whose network the "
            "final one goes on from; give 1 or more"
        )


def _note(run: Path, wanted: Wanted, prints: dict[str, str]) -> None:
    """Write down what was asked for."""
    write_json(run / RUN_FILE, asdict(wanted) | {"recipe": recipe_json(wanted.recipe), "fingerprint": prints})


def shipped() -> Path:
    """The network in the package.

    Raises:
        SalusError: it is not there.
    """
    from salus.weights import SHIPPED_NETWORK

    if not SHIPPED_NETWORK.is_file():
        raise SalusError(
            f"{SHIPPED_NETWORK}: is not in this copy of Salus; name a network file, or leave out --start-from"
        )
    return SHIPPED_NETWORK


def read_wanted_pool(run: Path) -> Pool:
    """The images that a run was made from, in the order of its outputs."""
    return _read(load(run)[0], lambda line: None)[0]


def _read(wanted: Wanted, log: Log) -> tuple[Pool, dict[str, str]]:
    return read_pool(
        wanted.data,
        folds=wanted.folds,
        size=wanted.recipe.size,
        seed=wanted.recipe.seed,
        limit=wanted.limit,
        skip_bad=wanted.skip_bad,
        log=log,
    )


def _carry_through(run: Path, wanted: Wanted, pool: Pool, prints: dict[str, str], log: Log, crew: Crew) -> Path:
    from salus.lab.segmentation.calibrate import calibrate
    from salus.lab.segmentation.card import make_card, write_card

    judged = range(1, wanted.judged + 1)
    for fold in judged:
        test = np.flatnonzero(pool.fold == fold)
        training = pool.training(fold)
        folder = run / f"fold-{fold}"
        log(f"fold {fold} of {wanted.folds}: {len(training)} images to train on, {len(test)} held out")
        _make(folder, pool, training, wanted, log, crew)
        if crew.leads and not (folder / RAW).exists():
            write_raw(folder, pool, test, wanted.tta, log)
    if wanted.final:
        log(f"final: all {len(pool.names)} images")
        _make(run / FINAL, pool, np.arange(len(pool.names)), _for_final(run, wanted), log, crew)
    if not crew.leads:
        return run / NETWORK
    raw = read_raw(run, judged, pool)
    settings = calibrate(raw, wanted.name, wanted.recipe.size, pool.masks, wanted.tta) if raw else None
    rows, card = make_card(wanted, pool, prints, raw, settings, log)
    source = run / (FINAL if wanted.final else "fold-1") / NETWORK
    path = run / NETWORK
    write_by_rename(path, partial(_with_settings, source, card))
    if rows:
        write_by_rename(run / "images.csv", partial(_write_rows, rows))
    write_card(run, card)
    log(f"{path}: {path.stat().st_size / 1e6:.1f} MB; try it: salus segment IMAGE -o OUT --network {path}")
    return path


def _for_final(run: Path, wanted: Wanted) -> Wanted:
    """How the final network is trained."""
    if wanted.final_steps is None:
        return wanted
    recipe = replace(wanted.recipe, steps=wanted.final_steps, early_steps=0)
    return replace(wanted, start_from=str(run / "fold-1" / NETWORK), recipe=recipe)


def _make(folder: Path, pool: Pool, training: np.ndarray, wanted: Wanted, log: Log, crew: Crew) -> None:
    """Train one network and export it, unless that is done."""
    path = folder / NETWORK
    if crew.decide(path.exists):
        return
    first = None if wanted.start_from is None else Path(wanted.start_from)
    images = pool.images[training]
    model = train_segmenter(images, pool.masks[training], wanted.recipe, folder, log, first, crew)
    if not crew.leads:
        return
    spread = np.unique(np.linspace(0, len(images) - 1, KNOWN_IMAGES).round().astype(int))
    known = with_strangeness(model, images[spread])
    write_by_rename(path, lambda to: export_segmenter(known, to, {"name": wanted.name, "size": wanted.recipe.size}))


def _with_settings(source: Path, card: dict[str, Any], path: Path) -> None:
    """A copy of a network file whose settings are the card's, beside the notes that are in it."""
    import onnx

    from salus.engine import SETTINGS

    graph = onnx.load(source)
    inside = {prop.key: prop.value for prop in graph.metadata_props}
    settings = json.loads(inside.get(SETTINGS, "{}")) | card["settings"] | {"card": card}
    onnx.helper.set_model_props(graph, {SETTINGS: json.dumps(settings)})
    onnx.save(graph, path)


def _write_rows(rows: list[dict[str, Any]], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
