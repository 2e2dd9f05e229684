"""Comparisons of methods, and the sentences that describe them."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from salus.lab.report.comparisons import compare_methods, describe_findings
from salus.lab.report.run_data import RunData, read_run_data
from salus.lab.report.setting_tables import describe_machine
from salus.metrics.statistics import holm


@pytest.fixture(scope="module")
def run_data(plain_run: Path) -> RunData:
    return read_run_data(plain_run)


def with_dice(run_data: RunData, dice: np.ndarray) -> RunData:
    """Replace the second network's DSC by the first one's plus `dice`."""
    scores = dict(run_data.scores)
    first, second = scores["unet", "network"], scores["sa-unet", "network"]
    values = {**second.values, "dice": first.values["dice"] + np.resize(dice, len(first))}
    scores["sa-unet", "network"] = replace(second, values=values)
    return replace(run_data, scores=scores)


def numbers_in(sentence: str, direction: str) -> list[float]:
    """Return the amount and the interval in a sentence."""
    pattern = rf"SA-U-Net scored ([\d.]+) DSC points {direction} than U-Net \(95% interval ([\d.]+) to ([\d.]+), p = \."
    match = re.match(pattern, sentence)
    assert match, sentence
    return [float(number) for number in match.groups()]


def test_better_network(run_data: RunData) -> None:
    changed = with_dice(run_data, np.asarray([0.01, 0.01, 0.03, 0.03]))  # two images a patient
    (sentence,) = describe_findings(changed, compare_methods(changed))
    amount, low, high = numbers_in(sentence, "more")
    assert 0 < low < amount < high < 5
    assert ": a difference on these images" in sentence


def test_worse_network_mirrors_the_interval(run_data: RunData) -> None:
    changed = with_dice(run_data, -np.asarray([0.01, 0.01, 0.03, 0.03]))
    (sentence,) = describe_findings(changed, compare_methods(changed))
    amount, low, high = numbers_in(sentence, "less")
    assert 0 < low < amount < high < 5


def test_no_difference(run_data: RunData) -> None:
    changed = with_dice(run_data, np.asarray([-0.1, 0.1]))
    (sentence,) = describe_findings(changed, compare_methods(changed))
    assert sentence.endswith("no difference shown.")


def test_images_and_patients_are_counted(run_data: RunData) -> None:
    (sentence,) = describe_findings(run_data, compare_methods(run_data))
    scores = run_data.scores["unet", "network"].with_lesion()
    assert f"{len(scores)} images of {len(set(scores.groups))} patients" in sentence
    assert len(set(scores.groups)) < len(scores)


def test_p_values_are_adjusted_over_the_pairs_of_a_score(rich_run: Path) -> None:
    comparisons = compare_methods(read_run_data(rich_run))
    dice = [c for c in comparisons if c.score == "dice"]
    assert [c.title for c in dice] == ["SA-U-Net − U-Net", "radiologist − U-Net", "radiologist − SA-U-Net"]
    adjusted = holm([c.difference.p_permutation for c in dice])
    assert [c.p_permutation for c in dice] == pytest.approx(adjusted.tolist())
    assert any(c.p_permutation > c.difference.p_permutation for c in dice)


def test_pairs_are_compared_on_the_images_both_have(rich_run: Path) -> None:
    run_data = read_run_data(rich_run)
    by_title = {c.title: c for c in compare_methods(run_data) if c.score == "dice"}
    fewer = len(run_data.scores["sa-unet", "network"].with_lesion())
    assert by_title["SA-U-Net − U-Net"].difference.n == fewer
    assert by_title["radiologist − U-Net"].difference.n > fewer
    assert by_title["SA-U-Net − U-Net"].over_folds is None
    assert by_title["radiologist − U-Net"].over_folds is not None


def test_single_network_is_described_by_its_mean(make_run: Callable[..., Path]) -> None:
    run_data = read_run_data(make_run(n=6, networks=("unet",)))
    (sentence,) = describe_findings(run_data, compare_methods(run_data))
    assert sentence.startswith("U-Net scored a mean DSC of ")


def test_the_machine_names_every_backend(run_data: RunData) -> None:
    assert "torch 2.9" in describe_machine(replace(run_data, environment={"torch": "2.9"}))


def test_the_machine_names_its_gpu(run_data: RunData) -> None:
    environment = {"processor": "One", "cores": "2", "system": "Linux", "python": "3.11"}
    with_gpu = describe_machine(replace(run_data, environment=environment | {"gpu": "NVIDIA H200"}))
    without = describe_machine(replace(run_data, environment=environment))
    assert with_gpu == "One, 2 cores, NVIDIA H200, Linux, python 3.11"
    assert without == "One, 2 cores, Linux, python 3.11"
