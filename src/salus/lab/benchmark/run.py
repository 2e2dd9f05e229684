"""The benchmark: every network on the same folds and seeds, tested image by image, resumable at any moment."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

from salus.data.case import DataSet
from salus.data.folds import Folds
from salus.data.layouts import read_data_set
from salus.data.prepare import Pairs, prepare
from salus.data.split import deal_folds
from salus.errors import SalusError
from salus.evaluation import are_graded, matched, prediction_rows, write_rows
from salus.lab.benchmark.config import Settings, part_folder, parted
from salus.lab.benchmark.task import Bench, Part, one_part
from salus.lab.saliency.source import AUTO, FILES, parse_source
from salus.lab.training.backend import environment
from salus.lab.training.process_group import ALONE, Crew
from salus.lab.training.progress import Log
from salus.lab.training.run_folder import (
    DATA,
    ENVIRONMENT,
    FOLDS,
    RUN_FILE,
    SCORES,
    SUMMARY,
    fingerprint,
    read_json,
    write_json,
)
from salus.ray_cluster import LOCAL, RAY

STARTED = (FOLDS, DATA, ENVIRONMENT)
"""What a run killed in its first moments leaves; it starts anew."""


def start(
    run: Path,
    settings: Settings,
    log: Log = print,
    *,
    folds_file: Path | None = None,
    threads: int | None = None,
    crew: Crew = ALONE,
    engine: str = LOCAL,
    address: str | None = None,
) -> None:
    """Start a benchmark in a new folder and carry it through; `salus.lab.report.build` then makes the report.

    Args:
        run: the folder; must not hold a run yet.
        settings: what to do.
        log: called with each line of progress.
        folds_file: folds saved earlier; None makes them by the protocol's rule.
        threads: that the backend uses.
        crew: who trains together.
        engine: LOCAL, one part after another here; or RAY, see `salus.lab.benchmark.ray_tasks`.
        address: of the Ray cluster.

    Raises:
        SalusError: the folder holds a run, the data do not fit, or folds leak.
    """
    crew.check_batch(settings.protocol.batch)
    if (run / RUN_FILE).exists():
        raise SalusError(f"{run}: holds a run already; continue it with: salus benchmark --resume {run}")
    if run.is_dir() and {p.name for p in run.iterdir()} - set(STARTED):
        raise SalusError(f"{run}: holds other files; name a new folder")
    run, log = crew.mirror(run), crew.log(log)
    crew.agree("the options", json.dumps(asdict(settings)))
    data = read_data_set(settings.data, settings.layout)
    log(f"{settings.data}: {len(data.labelled)} labelled images, layout {data.layout}")
    pairs = _prepared(data, settings, log)
    settings = _checked(replace(settings, layout=data.layout), pairs)
    folds = _folds(data, pairs, settings, folds_file, log)
    settings = replace(settings, protocol=settings.protocol.change(folds=len(folds.numbers)))
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SalusError(f"{run}: cannot be made ({error.strerror})") from None
    folds.save(run / FOLDS)
    prints = fingerprint(data.labelled)
    crew.agree(f"{settings.data}: images", prints["sha256"])
    write_json(run / DATA, prints)
    write_json(run / ENVIRONMENT, environment())
    settings.save(run)  # last: a folder with run.json can be resumed
    _carry_through(Bench(run, settings, folds, pairs, log, crew), threads, engine, address)


def resume(
    run: Path,
    log: Log = print,
    *,
    threads: int | None = None,
    crew: Crew = ALONE,
    engine: str = LOCAL,
    address: str | None = None,
) -> None:
    """Carry an interrupted run through; what is finished is not done again. Arguments are those of `start`.

    Raises:
        SalusError: no run there, or its data have changed since.
    """
    run, log = crew.mirror(run), crew.log(log)
    settings = Settings.load(run)
    crew.check_batch(settings.protocol.batch)
    data = read_data_set(settings.data, settings.layout)
    if fingerprint(data.labelled)["sha256"] != read_json(run / DATA)["sha256"]:
        raise SalusError(f"{settings.data}: has changed since {run} was started; start a new run")
    folds = Folds.from_json(read_json(run / FOLDS), run / FOLDS)
    pairs = _prepared(data, settings, log)
    _carry_through(Bench(run, settings, folds, pairs, log, crew), threads, engine, address)


def _prepared(data: DataSet, settings: Settings, log: Log) -> Pairs:
    """Read everything; what cannot be read stops the run, or is named and left out where the settings say so."""
    bad: list[str] = []
    pairs = prepare(data.labelled, settings.protocol.size, bad=bad)
    if bad and not settings.skip_bad:
        raise SalusError(f"{len(bad)} cases cannot be used, e.g. {bad[0]}; mend them, or go on without: --skip-bad")
    for line in bad:
        log(f"left out: {line}")
    return pairs


def _checked(settings: Settings, pairs: Pairs) -> Settings:
    """Find what cannot work before hours are spent on it; decide "auto" saliency."""
    from salus.lab.networks.registry import build_network, takes_saliency

    saliency = settings.saliency
    if saliency == AUTO:
        saliency = FILES if pairs.saliency is not None else "prior"
    if not settings.networks and not settings.predictions:
        raise SalusError("nothing to compare: name --networks or --predictions NAME=FOLDER")
    twice = [name for name in settings.networks if settings.networks.count(name) > 1]
    if twice:
        raise SalusError(f"{twice[0]}: is named twice among the networks")
    sources = {saliency}
    for entrant in settings.networks:
        network, source = parted(entrant)
        if source is not None and not takes_saliency(build_network(network, settings.protocol.size)):
            raise SalusError(f"{entrant}: this network takes no saliency map; name it without @{source}")
        build_network(network, settings.protocol.size)
        sources |= {source} if source else set()
    for source in sources:
        if parse_source(source).base == FILES and pairs.saliency is None:
            raise SalusError(f"{settings.data}: not every image has a map in saliency/; use --saliency prior")
    for name, folder in settings.predictions.items():
        if name in settings.networks:
            raise SalusError(f"--predictions {name}: a network has this name; choose another")
        matched(Path(folder), pairs.cases)
    return replace(settings, saliency=saliency)


def _folds(data: DataSet, pairs: Pairs, settings: Settings, folds_file: Path | None, log: Log) -> Folds:
    protocol = settings.protocol
    folds = deal_folds(data, pairs, protocol.fold_rule, protocol.folds, protocol.seed, folds_file)
    leaks = folds.leaks()
    log(
        f"{len(folds.numbers)} folds ({folds.rule}) of {len(set(folds.groups.values()))} independent patients or images"
    )
    if leaks and not settings.allow_leakage:
        group, names = next(iter(leaks.items()))
        raise SalusError(
            f"{len(leaks)} patients or near-duplicate clusters sit on both sides of a fold, e.g. {group}: "
            f"{', '.join(names[:3])}; use --fold-rule grouped, or --allow-leakage to reproduce the literature"
        )
    if leaks:
        log(f"LEAKAGE: {len(leaks)} patients or near-duplicate clusters sit on both sides of a fold")
    return folds


def _carry_through(bench: Bench, threads: int | None, engine: str, address: str | None) -> None:
    settings, folds = bench.settings, bench.folds
    parts = [Part(network, fold) for fold in folds.numbers for network in settings.networks]
    titles = {p: f"[{count}/{len(parts)}] {p} of {len(folds.numbers)}" for count, p in enumerate(parts, 1)}
    done = [p for p in parts if bench.crew.decide((part_folder(bench.run, p.network, p.fold) / SUMMARY).exists)]
    todo = [p for p in parts if p not in done]
    for part in done:
        bench.log(f"{titles[part]}: done before")
    if engine == RAY and todo:
        from salus.lab.benchmark.ray_tasks import run_parts

        run_parts(bench, {part: titles[part] for part in todo}, threads, address)
    for part in todo if engine == LOCAL else ():
        bench.log(titles[part])
        one_part(bench, part, threads)
    if not bench.crew.leads:
        return
    for name, folder in settings.predictions.items():
        bench.log(f"{name}: masks from {folder}")
        _external(bench, name, Path(folder))


def _external(bench: Bench, name: str, folder: Path) -> None:
    """Score masks made elsewhere on the same folds."""
    cases, folds = bench.pairs.cases, bench.folds
    paths = matched(folder, cases)
    graded = are_graded(paths)
    rows = [
        row
        for case, path in zip(cases, paths, strict=True)
        for row in prediction_rows(name, folds.test[case.name], case, path, bench.pairs.size, graded=graded)
    ]
    for fold in folds.numbers:
        target = part_folder(bench.run, name, fold)
        target.mkdir(parents=True, exist_ok=True)
        write_rows(target / SCORES, [row for row in rows if row["fold"] == fold])
