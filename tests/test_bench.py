"""The scripts of bench/ that turn runs into tables."""

import csv

import numpy as np
import pytest


def test_worth_pairs_each_map_with_the_constant_one(tmp_path):
    import saliency_worth

    rng = np.random.default_rng(0)
    base = rng.random(60) * 0.5 + 0.2
    scores = {"unet": base, "sa-unet@constant": base, "sa-unet@learned": base + 0.1, "sa-unet@prior": base[::-1]}
    for run, shift in (("a", -0.01), ("b", 0.01)):  # two seeds, whose mean is meant
        (tmp_path / run).mkdir()
        with (tmp_path / run / "scores.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["network", "case", "patient", "resolution", "area_true", "dice"])
            for name, values in scores.items():
                writer.writerows([name, f"c{i}", f"p{i}", "native", 5, v + shift] for i, v in enumerate(values))
                writer.writerow([name, "free", "p", "native", 0, 1.0])
    found = {
        r["name"]: r for r in saliency_worth.rows(*saliency_worth.read([tmp_path / "a", tmp_path / "b"], "native"))
    }
    learned = found["sa-unet@learned"]
    assert learned["against"] == "sa-unet@constant"
    assert learned["gain"] == pytest.approx(0.1)
    assert learned["p"] < 0.001
    assert learned["n"] == 60  # without the tumour-free image
    assert found["sa-unet@prior"]["p"] > 0.05
    assert "gain" not in found["sa-unet@constant"]
    assert "+10.0 [+10.0, +10.0]" in saliency_worth.table(list(found.values()))
