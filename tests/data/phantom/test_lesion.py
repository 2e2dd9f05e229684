"""The tumours of phantoms, by label."""

from __future__ import annotations

import numpy as np

from salus.data.phantom.lesion import draw_lesion


def test_benign_outlines_are_wider_than_tall_and_smoother() -> None:
    rough: dict[str, list[float]] = {}
    ratio: dict[str, list[float]] = {}
    for label in ("benign", "malignant"):
        for seed in range(50):
            lesion = draw_lesion(np.random.default_rng(seed), label, depth=40.0, width=38.0, zone=(8.0, 28.0))
            rough.setdefault(label, []).append(float(np.abs(np.diff(lesion.outline)).sum()))
            ratio.setdefault(label, []).append(lesion.axes[0] / lesion.axes[1])
            assert abs(lesion.outline[0] - lesion.outline[-1]) < 0.02, "the outline does not close"
    assert max(ratio["benign"]) < 1.0 < max(ratio["malignant"])
    assert np.median(rough["malignant"]) > 2.0 * np.median(rough["benign"])
