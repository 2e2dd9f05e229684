"""The selection of images for panels, their outlines, and the pixels counted for curves."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from salus.lab.report.image_data import read_image_data
from salus.lab.report.panels import draw_panels, outline_path, select_cases
from salus.lab.report.run_data import read_run_data


def test_best_median_and_worst_by_mean_dsc(plain_run: Path) -> None:
    run_data = read_run_data(plain_run)
    selection = select_cases(run_data)
    assert selection is not None
    scores = [run_data.scores[name, "network"].with_lesion() for name in ("unet", "sa-unet")]
    mean = dict(zip(scores[0].cases, (scores[0].values["dice"] + scores[1].values["dice"]) / 2, strict=True))
    order = sorted(mean, key=lambda name: -mean[name])
    assert selection.kinds["best"] == order[:3]
    assert selection.kinds["worst"] == order[-3:]
    distances = [order.index(name) - (len(order) - 1) / 2 for name in selection.kinds["median"]]
    assert max(map(abs, distances)) <= 1.5
    assert len(set(selection.names)) == 9


def test_outline_encloses_the_mask() -> None:
    mask = np.zeros((20, 30))
    mask[5:10, 12:20] = 1
    x, y = np.asarray(re.findall(r"([\d.]+) ([\d.]+)", outline_path(mask, 0.5)), float).T
    assert (x.min(), x.max(), y.min(), y.max()) == (12, 20, 5, 10)


def test_outline_is_closed_at_the_image_edge() -> None:
    path = outline_path(np.ones((4, 6)), 0.5)
    assert path.startswith("M")
    assert path.endswith("Z")
    assert {"6.0", "4.0"} <= set(re.findall(r"[\d.]+", path))


def test_panels_hold_every_network_with_its_dsc(rich_run: Path) -> None:
    run_data = read_run_data(rich_run)
    selection = select_cases(run_data)
    assert selection is not None
    image_data = read_image_data(run_data, selection.names, print)
    panels = [panel for kind in draw_panels(run_data, image_data, selection).values() for panel in kind]
    assert [panel.name for panel in panels] == selection.names
    assert [panel.number for panel in panels] == list(range(1, len(panels) + 1))
    for panel in panels:
        assert [o.method.name for o in panel.outlines] == ["unet", "sa-unet", "radiologist"]
        for outline in panel.outlines:
            scores = run_data.scores[outline.method.name, "network"]
            value = scores.values["dice"][scores.cases.index(panel.name)]
            assert float(outline.dice) == pytest.approx(value, abs=5e-4)
        assert panel.saliency.startswith("data:image/jpeg")
        assert (panel.width, panel.height) == (60, 48)


def test_curves_count_every_test_pixel(plain_run: Path) -> None:
    run_data = read_run_data(plain_run)
    image_data = read_image_data(run_data, [], print)
    for network in ("unet", "sa-unet"):
        counts = image_data.curves[network]
        assert counts.positives.sum() + counts.negatives.sum() == 18 * 32**2
        assert counts.positives.sum() == image_data.pairs.masks.sum()
