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
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from salus.errors import SalusError
from salus.train.crew import ALONE, Crew
from salus.train.pool import Pool, hold_to, read_pool
from salus.train.run import FOLDS, RUN_FILE, read_json, write_by_rename, write_json
from salus.train.segment import SegmentRecipe, recipe_json, train_segmenter
from salus.train.segment_export import export_segmenter, with_strangeness

Log = Callable[[str], None]

NETWORK = "network.onnx"
RAW = "raw.npz"
FINAL = "final"
KNOWN_IMAGES = 600
"""Training images, spread over all, from which strangeness is told."""


@dataclass(frozen=True)
class Wanted:
    """What a run was asked to do.

    Attributes:
        data: folders of data sets.
        name: of the network.
        folds: into how many parts patients are dealt.
        judged: how many of them are held out in turn, each with a training of its own; 0 judges nothing.
        final: train once more, on every image, and make that the result.
        final_steps: of that training, which then goes on from the first fold's network at its own size; None trains
            from the beginning.
        start_from: a network file to fine-tune; None starts from ImageNet's weights.
        limit: images of each set at most; None takes all.
        skip_bad: leave out what cannot be read.
        tta: the network is judged and calibrated, and by itself used, on the mean of an image and its mirror.
        recipe: how each is trained.
    """

    data: tuple[str, ...]
    name: str = "mine"
    folds: int = 5
    judged: int = 1
    final: bool = False
    final_steps: int | None = None
    start_from: str | None = None
    limit: int | None = None
    skip_bad: bool = False
    tta: bool = True
    recipe: SegmentRecipe = field(default_factory=SegmentRecipe)


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
    from salus.train.segment_card import seen_before

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
    from salus.segmenter import SHIPPED

    if not SHIPPED.is_file():
        raise SalusError(f"{SHIPPED}: is not in this copy of Salus; name a network file, or leave out --start-from")
    return SHIPPED


def load(run: Path) -> tuple[Wanted, dict[str, str]]:
    """What a run was asked to do, and the fingerprints of its data."""
    from salus.train.augment import Augmentation

    content = read_json(run / RUN_FILE)
    prints = content.pop("fingerprint", {})
    try:
        told = content.pop("recipe")
        ranges: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in told.pop("augmentation").items()
        }
        recipe = SegmentRecipe(**told, augmentation=Augmentation(**ranges))
        return Wanted(**{**content, "data": tuple(content["data"]), "recipe": recipe}), prints
    except (KeyError, TypeError) as error:
        raise SalusError(f"{run / RUN_FILE}: is of another version or damaged ({error}); start a new run") from None


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
    from salus.train.segment_card import calibrate, make_card, write_card

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


@dataclass(frozen=True, eq=False)
class Raw:
    """What the judged folds' networks said of their test images, before any calibration.

    Attributes:
        place: (n,) of each image in the pool.
        fold: (n,) which network.
        logit: (n, s, s) float16, of the outline.
        presence: (n,) in [0, 1].
        strangeness: (n,).
    """

    place: np.ndarray
    fold: np.ndarray
    logit: np.ndarray
    presence: np.ndarray
    strangeness: np.ndarray


def write_raw(folder: Path, pool: Pool, test: np.ndarray, tta: bool, log: Log) -> None:
    """Ask a fold's network for its test images, and keep what it said."""
    from salus.engine import open_network
    from salus.outline import to_logit
    from salus.segment_network import ask

    network = open_network(folder / NETWORK)
    logit = np.empty((len(test), *pool.images.shape[1:]), np.float16)
    others = np.empty((2, len(test)))
    for index, place in enumerate(test):
        found = ask(network, pool.images[place][None, ..., None] / np.float32(255), tta)
        logit[index] = to_logit(found["probability"][0, ..., 0])
        others[:, index] = found["presence"].item(), found["strangeness"].item()
        if (index + 1) % 200 == 0:
            log(f"  {index + 1} of {len(test)} held-out images")

    def write(path: Path) -> None:
        with path.open("wb") as file:
            np.savez_compressed(
                file, allow_pickle=False, place=test, logit=logit, presence=others[0], strangeness=others[1]
            )

    write_by_rename(folder / RAW, write)


def read_raw(run: Path, folds: range, pool: Pool) -> Raw | None:
    """The held-out outputs of the judged folds; None without any."""
    parts = []
    for fold in folds:
        with np.load(run / f"fold-{fold}" / RAW, allow_pickle=False) as file:
            parts.append({name: file[name] for name in file.files} | {"fold": np.full(len(file["place"]), fold)})
    if not parts:
        return None
    if max(int(part["place"].max()) for part in parts) >= len(pool.names):
        raise SalusError(f"{run}: its outputs are of other images; start a new run")
    return Raw(**{name: np.concatenate([part[name] for part in parts]) for name in parts[0]})


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
