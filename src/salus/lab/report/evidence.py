"""The data set behind a run, read again for the report: truth for the pooled curves, scans for the panels."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from salus.data.case import Case, DataSet
from salus.data.layouts import read_data_set
from salus.data.phantom.make import COLUMNS
from salus.data.prepare import Pairs, prepare
from salus.errors import SalusError
from salus.evaluation import are_graded, matched, read_prediction
from salus.lab.benchmark.config import part_folder
from salus.lab.report.material import Material
from salus.lab.saliency.source import FILES
from salus.lab.training.progress import Log
from salus.lab.training.run_folder import OUTPUTS, fingerprint
from salus.metrics.curves import CurveCounts


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a run's tables do not hold.

    Attributes:
        pairs: every image with its truth at the networks' size.
        place: where a case lies in `pairs`.
        phantoms: whether the data are made up, so that scans may be shown to anyone.
        left_out: how many images of the data set the run left out because they cannot be read.
        curves: pixels of each class by probability, for each trained network.
        probability: (height, width) by network and case, for the cases asked for.
        saliency: (s, s) uint8 by case, likewise; empty where no network takes maps.
    """

    pairs: Pairs
    place: dict[str, int]
    phantoms: bool
    left_out: int
    curves: dict[str, CurveCounts] = field(default_factory=dict)
    probability: dict[tuple[str, str], np.ndarray] = field(default_factory=dict)
    saliency: dict[str, np.ndarray] = field(default_factory=dict)

    def case(self, name: str) -> Case:
        """A case by name."""
        return self.pairs.cases[self.place[name]]


def gather(material: Material, chosen: list[str], log: Log) -> Evidence:
    """Read the data set and the networks' outputs.

    Args:
        material: the run.
        chosen: the cases whose maps are kept.
        log: told what is left out.

    Raises:
        SalusError: the data set is gone, or is not the one that was trained on.
    """
    settings = material.settings
    data = read_data_set(settings.data, settings.layout)
    if fingerprint(data.labelled)["sha256"] != material.fingerprint:
        raise SalusError(f"{settings.data}: has changed since the run was started")
    cases = [case for case in data.labelled if case.name in material.folds.test]  # less what the run left out
    pairs = prepare(cases, settings.protocol.size)
    place = {case.name: i for i, case in enumerate(pairs.cases)}
    evidence = Evidence(pairs, place, is_phantoms(data), len(data.labelled) - len(cases))
    for entrant in material.tested:
        if entrant.trained:
            evidence.curves[entrant.name] = _one_network(material, entrant.name, chosen, evidence, log)
        else:
            _elsewhere(entrant.name, Path(settings.predictions[entrant.name]), chosen, evidence, log)
    if not evidence.saliency and pairs.saliency is not None and settings.saliency == FILES:
        evidence.saliency.update({name: pairs.saliency[place[name]] for name in chosen})
    return evidence


def outputs(material: Material, network: str) -> Iterator[tuple[Path, list[str], np.ndarray, np.ndarray | None]]:
    """Each finished fold's outputs: the file, n names, probabilities (n, s, s), saliency (n, s, s) uint8 or None.

    Raises:
        SalusError: a file is missing or damaged.
    """
    for fold in material.finished_folds(next(e for e in material.tested if e.name == network)):
        path = part_folder(material.run, network, fold) / OUTPUTS
        try:
            with np.load(path, allow_pickle=False) as content:
                names = [str(name) for name in content["names"]]
                probability = content["probability"].astype(np.float32)
                maps = content["saliency"] if "saliency" in content.files else None
        except OSError as error:
            raise SalusError(f"{path}: unreadable ({error})") from None
        except (ValueError, KeyError, EOFError, BadZipFile, zlib.error):
            raise SalusError(f"{path}: unreadable, the file is damaged") from None
        yield path, names, probability, maps


def _one_network(material: Material, network: str, chosen: list[str], evidence: Evidence, log: Log) -> CurveCounts:
    counts = CurveCounts()
    wanted = set(chosen)
    try:
        for _, names, probability, maps in outputs(material, network):
            for i, name in enumerate(names):
                counts.add(evidence.pairs.masks[evidence.place[name]], probability[i])
                if name in wanted:
                    evidence.probability[network, name] = probability[i]
                    if maps is not None:
                        evidence.saliency.setdefault(name, maps[i])
    except SalusError as error:
        log(f"{error}: no curves of {network}")
        return CurveCounts()
    return counts


def _elsewhere(name: str, folder: Path, chosen: list[str], evidence: Evidence, log: Log) -> None:
    try:
        paths = matched(folder, evidence.pairs.cases)
        graded = are_graded(paths)
        for case_name in chosen:
            place = evidence.place[case_name]
            probability, mask = read_prediction(paths[place], evidence.pairs.shapes[place], graded)
            evidence.probability[name, case_name] = mask.astype(np.float32) if probability is None else probability
    except SalusError as error:
        log(f"{error}: {name} is left out of the panels")


def is_phantoms(data: DataSet) -> bool:
    """Whether these are this package's phantoms: their manifest, and their names."""
    path = data.root / "manifest.csv"
    if not path.is_file() or not all(case.name.startswith("phantom_") for case in data.cases):
        return False
    with path.open(newline="", encoding="utf-8-sig") as file:
        return tuple(next(csv.reader(file), ())) == COLUMNS
