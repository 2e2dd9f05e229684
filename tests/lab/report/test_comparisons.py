"""Sentences that follow from the numbers, whichever way these fall."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from salus.lab.report.comparisons import compare, findings
from salus.lab.report.material import Material, read_material
from salus.lab.report.setting_tables import machine
from salus.metrics.statistics import holm


@pytest.fixture(scope="module")
def material(plain_run: Path) -> Material:
    return read_material(plain_run)


def with_dice(material: Material, dice: np.ndarray) -> Material:
    """The second network's DSC replaced by the first one's plus `dice`."""
    scores = dict(material.scores)
    first, second = scores["unet", "network"], scores["sa-unet", "network"]
    values = {**second.values, "dice": first.values["dice"] + np.resize(dice, len(first))}
    scores["sa-unet", "network"] = replace(second, values=values)
    return replace(material, scores=scores)


def ends(said: str, direction: str) -> list[float]:
    """The amount and the interval of a sentence."""
    pattern = rf"SA-U-Net scored ([\d.]+) DSC points {direction} than U-Net \(95% interval ([\d.]+) to ([\d.]+), p = \."
    found = re.match(pattern, said)
    assert found, said
    return [float(number) for number in found.groups()]


def test_a_better_network(material: Material) -> None:
    changed = with_dice(material, np.asarray([0.01, 0.01, 0.03, 0.03]))  # two images a patient
    (said,) = findings(changed, compare(changed))
    amount, low, high = ends(said, "more")
    assert 0 < low < amount < high < 5
    assert ": a difference on these images" in said


def test_a_worse_network_turns_the_interval_with_it(material: Material) -> None:
    changed = with_dice(material, -np.asarray([0.01, 0.01, 0.03, 0.03]))
    (said,) = findings(changed, compare(changed))
    amount, low, high = ends(said, "less")
    assert 0 < low < amount < high < 5


def test_no_difference(material: Material) -> None:
    changed = with_dice(material, np.asarray([-0.1, 0.1]))
    (said,) = findings(changed, compare(changed))
    assert said.endswith("no difference shown.")


def test_images_and_patients_are_counted(material: Material) -> None:
    (said,) = findings(material, compare(material))
    part = material.scores["unet", "network"].lesions()
    assert f"{len(part)} images of {len(set(part.groups))} patients" in said
    assert len(set(part.groups)) < len(part)


def test_holm_over_the_pairs_of_a_score(rich_run: Path) -> None:
    comparisons = compare(read_material(rich_run))
    dice = [c for c in comparisons if c.score == "dice"]
    assert [c.title for c in dice] == ["SA-U-Net − U-Net", "radiologist − U-Net", "radiologist − SA-U-Net"]
    adjusted = holm([c.difference.p_permutation for c in dice])
    assert [c.p_permutation for c in dice] == pytest.approx(adjusted.tolist())
    assert any(c.p_permutation > c.difference.p_permutation for c in dice)


def test_pairs_are_compared_on_the_images_both_have(rich_run: Path) -> None:
    material = read_material(rich_run)
    by_title = {c.title: c for c in compare(material) if c.score == "dice"}
    fewer = len(material.scores["sa-unet", "network"].lesions())
    assert by_title["SA-U-Net − U-Net"].difference.n == fewer
    assert by_title["radiologist − U-Net"].difference.n > fewer
    assert by_title["SA-U-Net − U-Net"].over_folds is None
    assert by_title["radiologist − U-Net"].over_folds is not None


def test_one_network_alone(make_run: Callable[..., Path]) -> None:
    material = read_material(make_run(n=6, networks=("unet",)))
    (said,) = findings(material, compare(material))
    assert said.startswith("U-Net scored a mean DSC of ")


def test_the_machine_names_its_gpu(material: Material) -> None:
    noted = {"processor": "One", "cores": "2", "system": "Linux", "python": "3.11"}
    with_gpu, without = (
        machine(replace(material, environment=told)) for told in (noted | {"gpu": "NVIDIA H200"}, noted)
    )
    assert with_gpu == "One, 2 cores, NVIDIA H200, Linux, python 3.11"
    assert without == "One, 2 cores, Linux, python 3.11"
