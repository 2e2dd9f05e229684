"""Which images are shown, and what is drawn on them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from salus.lab.report.evidence import gather
from salus.lab.report.material import read_material
from salus.lab.report.panels import choose, draw, outline


def test_best_median_and_worst_by_mean_dsc(plain_run: Path) -> None:
    material = read_material(plain_run)
    choice = choose(material)
    assert choice is not None
    parts = [material.scores[name, "network"].lesions() for name in ("unet", "sa-unet")]
    mean = dict(zip(parts[0].cases, (parts[0].values["dice"] + parts[1].values["dice"]) / 2, strict=True))
    order = sorted(mean, key=lambda name: -mean[name])
    assert choice.kinds["best"] == order[:3]
    assert choice.kinds["worst"] == order[-3:]
    middle = [order.index(name) - (len(order) - 1) / 2 for name in choice.kinds["median"]]
    assert max(map(abs, middle)) <= 1.5
    assert len(set(choice.names)) == 9


def test_outline_encloses_the_mask() -> None:
    mask = np.zeros((20, 30))
    mask[5:10, 12:20] = 1
    x, y = np.asarray(re.findall(r"([\d.]+) ([\d.]+)", outline(mask, 0.5)), float).T
    assert (x.min(), x.max(), y.min(), y.max()) == (12, 20, 5, 10)


def test_outline_is_closed_at_the_image_edge() -> None:
    path = outline(np.ones((4, 6)), 0.5)
    assert path.startswith("M")
    assert path.endswith("Z")
    assert {"6.0", "4.0"} <= set(re.findall(r"[\d.]+", path))


def test_panels_hold_every_network_with_its_dsc(rich_run: Path) -> None:
    material = read_material(rich_run)
    choice = choose(material)
    assert choice is not None
    evidence = gather(material, choice.names, print)
    panels = [panel for kind in draw(material, evidence, choice).values() for panel in kind]
    assert [panel.name for panel in panels] == choice.names
    for panel in panels:
        assert [o.entrant.name for o in panel.outlines] == ["unet", "sa-unet", "radiologist"]
        for drawn in panel.outlines:
            part = material.scores[drawn.entrant.name, "network"]
            value = part.values["dice"][part.cases.index(panel.name)]
            assert float(drawn.dice) == pytest.approx(value, abs=5e-4)
        assert panel.saliency.startswith("data:image/jpeg")
        assert (panel.width, panel.height) == (60, 48)


def test_curves_count_every_test_pixel(plain_run: Path) -> None:
    material = read_material(plain_run)
    evidence = gather(material, [], print)
    for network in ("unet", "sa-unet"):
        counts = evidence.curves[network]
        assert counts.positives.sum() + counts.negatives.sum() == 18 * 32**2
        assert counts.positives.sum() == evidence.pairs.masks.sum()
