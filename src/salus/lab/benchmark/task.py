"""TODO."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from salus.data.folds import Folds, last_part, validation_part
from salus.data.prepare import Pairs
from salus.evaluation import rows_of, write_rows
from salus.lab.benchmark.config import Settings, part_folder, parted
from salus.lab.saliency.source import Parting, base_maps, changed, parse_source
from salus.lab.training.backend import set_up
from salus.lab.training.process_group import Crew
from salus.lab.training.progress import Log
from salus.lab.training.run_folder import (
    OUTPUTS,
    SCORES,
    SUMMARY,
    write_by_rename,
    write_json,
)


@dataclass(frozen=True)
class Part:
    """One entrant on one fold."""

    network: str
    fold: int

    def __str__(self) -> str:
        """As progress tells of it."""
        return f"{self.network}, fold {self.fold}"


@dataclass(frozen=True, eq=False)
class Bench:
    """A run with its data at hand."""

    run: Path
    settings: Settings
    folds: Folds
    pairs: Pairs
    log: Log
    crew: Crew


def parting_of(bench: Bench, fold: int) -> Parting:
    """Who is fitted, validated and tested on in one fold."""
    place = {case.name: i for i, case in enumerate(bench.pairs.cases)}
    protocol, groups = bench.settings.protocol, bench.folds.groups
    training, test = bench.folds.split(fold)
    if bench.folds.rule == "by-image":
        fitting, validation = last_part(training, protocol.validation)
    else:
        fitting, validation = validation_part(training, groups, protocol.validation, protocol.seed)
    own, checked, held = ([place[name] for name in names] for names in (fitting, validation, test))
    return Parting(own, checked, held, groups, protocol.seed)


def source_of(bench: Bench, entrant: str) -> str | None:
    """Where an entrant's saliency comes from; None where its network takes none."""
    from salus.lab.networks.registry import build_network, takes_saliency

    network, named = parted(entrant)
    takes = takes_saliency(build_network(network, bench.settings.protocol.size))
    return (named or bench.settings.saliency) if takes else None


def one_part(bench: Bench, part: Part, threads: int | None) -> None:
    """Train one entrant on one fold and test it; a training that was cut off goes on."""
    import keras

    from salus.lab.benchmark.fit import Split, fit, predict
    from salus.lab.networks.flops import flops
    from salus.lab.networks.registry import build_network

    protocol, pairs, entrant, fold = bench.settings.protocol, bench.pairs, part.network, part.fold
    folder = part_folder(bench.run, entrant, fold)
    network, _ = parted(entrant)
    parting = parting_of(bench, fold)
    fitting, validation, test = (list(p) for p in (parting.fitting, parting.validation, parting.test))
    source = source_of(bench, entrant)
    maps = bench.crew.share(lambda: {"maps": maps_of(bench, source, fold, parting)})["maps"] if source else None

    keras.utils.clear_session()  # an estimator may have trained networks of its own
    precision = set_up(protocol.seed + fold, protocol.precision, threads)

    def split(chosen: list[int]) -> Split:
        return Split(pairs.images[chosen], pairs.masks[chosen], None if maps is None else maps[chosen])

    with bench.crew.scope():
        model = build_network(network, protocol.size)
        history = fit(model, split(fitting), split(validation), protocol, folder, bench.log, bench.crew)
    if not bench.crew.leads:
        return
    model = bench.crew.local(model, lambda: build_network(network, protocol.size))
    both_sizes = protocol.batch + len(test) % protocol.batch
    predict(model, split(test[:both_sizes]), protocol.batch)  # the first call of each size compiles
    began = time.monotonic()
    probability = predict(model, split(test), protocol.batch)
    seconds = time.monotonic() - began
    rows = rows_of(entrant, fold, [pairs.cases[i] for i in test], pairs.masks[test], probability, protocol.threshold)
    write_rows(folder / SCORES, rows)
    outputs = {"names": np.asarray([pairs.cases[i].name for i in test]), "probability": probability.astype(np.float16)}
    if maps is not None:
        outputs["saliency"] = maps[test]
    np.savez_compressed(folder / OUTPUTS, allow_pickle=False, **outputs)
    summary = {
        "network": entrant,
        "fold": fold,
        "saliency": source,
        "parameters": model.count_params(),
        "gflop": flops(model) / 1e9,
        "precision": precision,
        "backend": keras.backend.backend(),
        "fitted_on": len(fitting),
        "validated_on": len(validation),
        "tested_on": len(test),
        "epochs": len(history),
        "train_seconds": sum(r["seconds"] for r in history),
        "train_ms_per_image": 1e3 * float(np.median([r["seconds"] for r in history])) / len(fitting),
        "predict_ms_per_image": 1e3 * seconds / len(test),
    }
    write_json(folder / SUMMARY, summary)
    own = [r["dice"] for r in rows if r["resolution"] == "network" and r["area_true"]]
    bench.log(f"  test DSC {np.mean(own):.4f} over {len(own)} lesion images" if own else "  no lesion in the test part")


def maps_of(bench: Bench, source: str, fold: int, parting: Parting) -> np.ndarray:
    """Saliency of every case as (n, s, s) uint8; maps of a base are estimated once a fold, for all that take them."""
    wanted = parse_source(source)
    path = bench.run / "saliency" / wanted.base.replace(":", ".") / f"fold-{fold}.npz"
    if path.is_file():
        with np.load(path, allow_pickle=False) as content:
            maps = content["maps"]
    else:
        bench.log(f"  saliency: {wanted.base}")
        maps = base_maps(wanted.base, bench.pairs, parting)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_by_rename(path, lambda temporary: _save_maps(temporary, maps))
    return changed(maps, wanted, bench.pairs, parting)


def _save_maps(path: Path, maps: np.ndarray) -> None:
    with path.open("wb") as file:  # a file keeps its name, where np.savez would add .npz
        np.savez_compressed(file, allow_pickle=False, maps=maps)
