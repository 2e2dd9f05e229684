"""A small finished benchmark, made without training: a data set and a run's folder."""

from __future__ import annotations

import csv
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from salus.atomic import write_json, write_rows
from salus.data.fingerprint import fingerprint
from salus.data.folds import Folds
from salus.data.layouts import read_data_set
from salus.data.prepare import prepare
from salus.evaluation.scoring import score_cases, score_prediction
from salus.lab.benchmark.config import BenchmarkConfig, fold_folder
from salus.lab.benchmark.protocol import Protocol

SIZE = 32
ODD_NAME = "<script>a|b*"


def write_data(root: Path, n: int = 12, free: int = 3, seed: int = 0) -> None:
    """Write images of speckle with a dark disc; the last `free` images have none. Two images a patient."""
    rng = np.random.default_rng(seed)
    for part in ("images", "masks"):
        (root / part).mkdir(parents=True)
    y, x = np.mgrid[:48, :60]
    rows = []
    for i in range(n):
        name = ODD_NAME if i == 0 else f"case_{i:03d}"
        centre, radius = rng.uniform([16, 20], [32, 40]), rng.uniform(5, 13)
        mask = np.hypot(y - centre[0], x - centre[1]) < radius
        if i >= n - free:
            mask[:] = False
        image = np.clip(rng.gamma(2, 40, mask.shape) * np.where(mask, 0.3, 1.0), 0, 255).astype(np.uint8)
        Image.fromarray(image).save(root / "images" / f"{name}.png")
        Image.fromarray(mask.astype(np.uint8) * 255).save(root / "masks" / f"{name}.png")
        rows.append({"name": name, "label": "benign" if i % 3 else "malignant", "patient": f"patient-{i // 2}"})
    with (root / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def make_probabilities(masks: np.ndarray, noise_level: float, rng: np.random.Generator) -> np.ndarray:
    """Make probabilities (n, s, s) float16 that resemble the truth, the less the higher the noise."""
    shifted = np.stack([np.roll(m, rng.integers(-2, 3, 2), (0, 1)) for m in masks]).astype(float)
    noise = rng.normal(0, noise_level, masks.shape)
    return (1 / (1 + np.exp(-(4 * shifted - 2 + noise)))).astype(np.float16)


def write_external(root: Path, folder: Path) -> None:
    """Write masks made elsewhere: the truth moved by three pixels."""
    folder.mkdir(parents=True)
    for path in (root / "masks").iterdir():
        Image.fromarray(np.roll(np.asarray(Image.open(path)), 3, axis=1)).save(folder / path.name)


def write_run(
    folder: Path,
    *,
    n: int = 12,
    free: int = 3,
    leaks: bool = False,
    external: bool = False,
    unfinished: tuple[tuple[str, int], ...] = (),
    networks: tuple[str, ...] = ("unet", "sa-unet"),
    folds: int = 2,
) -> Path:
    """Write a data set and a run about it under `folder`, and return the run's folder."""
    root, run, rng = folder / "data", folder / "run", np.random.default_rng(1)
    write_data(root, n, free)
    predictions = {}
    if external:
        write_external(root, folder / "radiologist")
        predictions = {"radiologist": str(folder / "radiologist")}
    protocol = Protocol(size=SIZE, folds=folds, fold_rule="by-image" if leaks else "grouped", epochs=4)
    config = BenchmarkConfig(
        data=str(root),
        layout="published",
        networks=networks,
        saliency="prior",
        predictions=predictions,
        protocol=protocol,
        allow_leakage=leaks,
        skip_bad=True,
        backend="tensorflow",
    )
    data = read_data_set(root, "published")
    names = [case.name for case in data.cases]
    groups = {case.name: str(case.patient) for case in data.cases}
    fold_of = {patient: i % folds + 1 for i, patient in enumerate(sorted(set(groups.values())))}
    test = {name: i % folds + 1 if leaks else fold_of[groups[name]] for i, name in enumerate(names)}
    assignment = Folds(test, groups, protocol.fold_rule, 1)
    run.mkdir()
    assignment.save(run / "folds.json")
    write_json(run / "data.json", fingerprint(data.labelled))
    write_json(run / "environment.json", {"python": "3.11", "processor": "Abacus", "cores": "2", "salus": "0.1.0"})
    config.save(run)
    pairs = prepare(data.labelled, SIZE)
    for index, network in enumerate(networks):
        for fold in assignment.numbers:
            target = fold_folder(run, network, fold)
            target.mkdir(parents=True)
            _history(target / "history.csv", fold)
            if (network, fold) in unfinished:
                continue
            chosen = [i for i, name in enumerate(names) if test[name] == fold]
            probability = make_probabilities(pairs.masks[chosen], 0.7 + 0.3 * index, rng)
            cases = [pairs.cases[i] for i in chosen]
            rows = score_cases(network, fold, cases, pairs.masks[chosen], probability.astype(np.float32))
            write_rows(target / "scores.csv", rows)
            saliency = {"saliency": np.full((len(chosen), SIZE, SIZE), 90, np.uint8)} if index else {}
            held = np.asarray([names[i] for i in chosen])
            np.savez_compressed(target / "outputs.npz", names=held, probability=probability, **saliency)
            write_json(target / "summary.json", _summary(network, fold, len(chosen), index))
    for name, masks in predictions.items():
        scored = [
            score_prediction(name, test[case.name], case, Path(masks) / case.image.name, SIZE) for case in pairs.cases
        ]
        for fold in assignment.numbers:
            target = fold_folder(run, name, fold)
            target.mkdir(parents=True)
            write_rows(target / "scores.csv", [row for rows in scored for row in rows if row["fold"] == fold])
    return run


def _history(path: Path, fold: int) -> None:
    rows = ["epoch,seconds,dsc,loss,val_dsc,val_loss"]
    rows += [f"{e},1.5,{0.2 * e},{1 - 0.2 * e},{0.18 * e},{abs(e - 2 - fold / 4)}" for e in range(1, 5)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def _summary(network: str, fold: int, tested: int, index: int) -> dict[str, object]:
    return {
        "network": network,
        "fold": fold,
        "parameters": 717_313 * (1 + index),
        "gflop": 0.5 * (1 + index),
        "precision": "float32",
        "backend": "tensorflow",
        "fitted_on": 4,
        "validated_on": 2,
        "tested_on": tested,
        "epochs": 4,
        "train_seconds": 6.0,
        "train_ms_per_image": 12.5,
        "predict_ms_per_image": 3.25,
    }


MakeRun = Callable[..., Path]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """`write_run` in a temporary folder."""
    return lambda **settings: write_run(tmp_path, **settings)


@pytest.fixture(scope="session")
def plain_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of two networks with its report, for tests that only read."""
    return _with_report(write_run(tmp_path_factory.mktemp("plain"), n=18))


@pytest.fixture(scope="session")
def rich_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with leakage, masks made elsewhere, and a fold of one network still in training."""
    folder = tmp_path_factory.mktemp("rich")
    return _with_report(write_run(folder, leaks=True, external=True, unfinished=(("sa-unet", 2),)))


def _with_report(run: Path) -> Path:
    from salus.lab.report.build import build_report

    build_report(run, lambda line: None)
    return run


class Page(HTMLParser):
    """The contents of a page: tables by id (rows of stripped cells), ids, addresses, text, and errors of nesting."""

    VOID = frozenset({"meta", "link", "br", "hr", "img", "input", "col", "wbr"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.bold: dict[str, set[str]] = {}
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.labels: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.errors: list[str] = []
        self.text = ""
        self._open: list[str] = []
        self._table = ""
        self._small = 0
        self.feed(html)
        self.close()
        self.errors += [f"<{tag}> is never closed" for tag in self._open]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._add_tag(tag, dict(attrs))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._add_tag(tag, dict(attrs))
        if tag not in self.VOID:
            self._open.append(tag)

    def _add_tag(self, tag: str, attributes: dict[str, str | None]) -> None:
        self.tags.append((tag, attributes))
        self.ids += [attributes["id"]] if attributes.get("id") else []
        self.addresses += [str(attributes[a]) for a in ("src", "href", "xlink:href", "action") if a in attributes]
        self.labels += str(attributes.get("aria-labelledby") or "").split()
        if tag == "figure" and "table" in str(attributes.get("class")):
            self._table = str(attributes["id"])
            self.tables[self._table], self.bold[self._table] = [], set()
        elif tag == "tr":
            self.tables[self._table].append([])
        elif tag in ("td", "th"):
            self.tables[self._table][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            self.errors.append(f"</{tag}> in the wrong place, line {self.getpos()[0]}")

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            return
        self.text += data
        if "tr" in self._open and "small" not in self._open:
            self.tables[self._table][-1][-1] += data.strip()
            if "strong" in self._open:
                self.bold[self._table].add(data.strip())


@pytest.fixture
def read_page() -> Callable[[Path], Page]:
    """Return a function that parses a run's report.html."""
    return lambda run: Page((run / "report.html").read_text(encoding="utf-8"))
