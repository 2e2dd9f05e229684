"""The scripts of bench/: their tables and their timing."""

import csv

import numpy as np
import pytest


def test_saliency_worth_pairs_each_map_with_the_constant_one(tmp_path):
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
    rows = saliency_worth.compare(*saliency_worth.read([tmp_path / "a", tmp_path / "b"], "native"))
    row_of = {row["name"]: row for row in rows}
    learned = row_of["sa-unet@learned"]
    assert learned["against"] == "sa-unet@constant"
    assert learned["gain"] == pytest.approx(0.1)
    assert learned["p"] < 0.001
    assert learned["n"] == 60  # without the tumour-free image
    assert row_of["sa-unet@prior"]["p"] > 0.05
    assert "gain" not in row_of["sa-unet@constant"]
    assert "+10.0 [+10.0, +10.0]" in saliency_worth.table(rows)


def write_run(run, folds, networks):
    """Write the scores.csv of a run: {network: {case: DSC}}, and a tumour-free image that does not count."""
    run.mkdir()
    with (run / "scores.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        scores = ["dice", "jaccard", "tpr", "fpr", "precision", "accuracy", "auc"]
        writer.writerow(["network", "fold", "case", "patient", "resolution", "area_true", *scores])
        for name, by_case in networks.items():
            for case, dice in by_case.items():
                others = [dice / (2 - dice), dice, 0.5, dice, 0.9, ""]
                writer.writerow([name, folds[case], case, "", "network", 5, dice, *others])
            writer.writerow([name, 1, "free", "", "network", 0, 1.0, *[1.0] * 6])
    return run


def test_published_rows_join_runs_over_the_same_folds(tmp_path):
    import published_rows

    rng = np.random.default_rng(0)
    cases = [f"c{i:02}" for i in range(40)]
    folds = {case: 1 + i % 4 for i, case in enumerate(cases)}
    base = dict(zip(cases, rng.uniform(0.4, 0.6, 40), strict=True))

    def shifted(by):
        return {case: value + by for case, value in base.items()}

    part = dict.fromkeys(cases[:7], 0.5)
    first = write_run(tmp_path / "a", folds, {"unet-wide": base, "sa-unet@learned": shifted(0.08)})
    second = write_run(tmp_path / "b", folds, {"sa-unet@learned": shifted(0.12), "sa-unet@anatomy": part})
    scored, remarks = published_rows.drop_unfinished(published_rows.read([first, second], "network"))
    assert remarks == ["left out: sa-unet@anatomy, tested on 7 of 40 images"]
    table = published_rows.score_table(scored)
    means = [np.mean([base[case] for case in cases if folds[case] == fold]) for fold in (1, 2, 3, 4)]
    row = f"| U-Net (wide) | 1 | {np.mean(means):.3f} ± {np.std(means, ddof=1):.3f} |".replace("0.", ".")
    assert table[2].startswith(row)
    assert table[2].endswith("| .500 | " + f"{np.mean(means):.3f}".lstrip("0") + " | .900 | – |")
    assert table[3].startswith("| SA-U-Net, learned | 2 | ")
    differences = published_rows.difference_table(scored, "unet-wide")
    assert differences[3].endswith("| +10.0 [+10.0, +10.0] | < .001 | < .001 |")  # the mean of 8 and 12 points
    with pytest.raises(SystemExit, match="--against unet"):
        published_rows.difference_table(scored, "unet")
    moved = dict.fromkeys(cases, 1)
    with pytest.raises(SystemExit, match="another run in 2"):
        published_rows.read([first, write_run(tmp_path / "c", moved, {"unet": base})], "network")


def test_speed_shares_ratios_and_targets_are_computed_from_the_medians():
    import segment_speed

    names = ("keras-float32", "openvino-bfloat16")
    times = {names[0]: [100.0, 300.0, 200.0], names[1]: [50.0, 50.0, 51.0], "gemm": [20.0, 10.0, 30.0]}
    lines = segment_speed.engine_table(times, dict(zip(names, (0.0, 0.01), strict=True)), {"network": 20.0}, 1000.0)
    assert lines[2] == "| Keras predict, float32 | 200.0 | 100.0 – 300.0 | 1.00 | 100 | 10% | 0.0e+00 |"
    assert lines[3] == "| OpenVINO, bfloat16 | 50.0 | 50.0 – 51.0 | 4.00 | 400 | 40% | 1.0e-02 |"
    assert "peak of bfloat16 matrix products 1000 GFLOP/s (best of 3 rounds" in lines[-1]
    assert segment_speed.target_row("a", 41, 40)[2:] == ["≤ 40", "MISSED"]
    assert segment_speed.target_row("b", 25, 25, at_least=True)[2:] == ["≥ 25", "met"]
    median = {"keras-float32": 590.0, "keras-bfloat16": 180.0, "openvino-bfloat16": 100.0}
    assert segment_speed.engine_targets(median, {"network": 20.0}, 300.0) == [
        ["times as fast as Keras predict, float32", "5.9", "≥ 6", "MISSED"],
        ["times as fast as Keras predict, mixed_bfloat16", "1.8", "≥ 1.7", "met"],
        ["share of the bfloat16 peak", "0.6667", "≥ 0.65", "met"],
    ]


def test_importtime_is_summed_up_by_package():
    import segment_speed

    text = "import time: self [us] | cumulative | imported package\nimport time:  1500 |  9000 |   numpy.linalg\n"
    text += "import time:   500 |   500 | numpy\nother\nimport time:   700 |   700 | salus\n"
    assert segment_speed.slowest_imports(text) == [("numpy", 2.0), ("salus", 0.7)]


def test_processes_are_timed_and_ended_at_the_limit():
    import sys

    import measurement

    seconds, processor, peak = measurement.time_process([sys.executable, "-c", "x = bytearray(80_000_000)"])
    assert 80 < peak < 120
    assert 0 < processor <= seconds * 8
    with pytest.raises(SystemExit, match="ended with a kill"):
        measurement.time_process([sys.executable, "-c", "import time; time.sleep(60)"], limit=0.5)


def test_ray_rate_is_computed_from_the_times_of_shards():
    import ray_throughput

    # Two cores, a shard of 50 images every 2 s each after a start of 100 s: 50 images a second.
    times = [100 + 2 * (1 + i // 2) for i in range(20)]
    assert ray_throughput.steady_rate(times, 50, 2) == pytest.approx(50)
    assert ray_throughput.costs(10, 2000, 0.05, (36_000_000,)) == ["| 36 million | 1,000 | 10 h | 50 | 72 GB |"]


def test_the_simulated_reader_of_the_page_points_at_the_lesion_and_then_at_the_largest_error():
    import page_count

    truth, mask = np.zeros((2, 40, 60), bool)
    truth[5:16, 10:21] = mask[20:35, 30:45] = True
    assert page_count.dice(mask, truth) == 0
    assert page_count.place_to_point_at(mask, truth, 0) == (15.5, 10.5, False)  # the middle of the lesion
    assert page_count.place_to_point_at(mask, truth, 1) == (37.5, 27.5, True)  # the middle of what is too much
    assert page_count.place_to_point_at(mask, np.zeros_like(truth), 0) == (37.5, 27.5, True)  # there is no lesion
    assert page_count.dice(truth, truth) == page_count.dice(np.zeros_like(mask), np.zeros_like(mask)) == 1


def test_kernels_of_onednn_are_summed_by_kind_for_each_step():
    import train_step

    text = "onednn_verbose,v1,info,cpu,runtime:threadpool\n"
    text += "onednn_verbose,v1,primitive,exec,cpu,convolution,brg:avx2,forward_training,src,attr,alg,mb2_ic3oc8,1.5\n"
    text += "onednn_verbose,v1,primitive,exec,cpu,convolution,brg:avx2,backward_data,src,attr,alg,g8mb2_ic8oc8_ih9,4\n"
    text += "onednn_verbose,v1,primitive,exec,cpu,convolution,jit,forward_training,src,attr,alg,mb2_ic3oc8,2.5\n"
    assert train_step.sum_kernels(text + "clock 9\n", 2) == [
        ("convolution forward training", 2.0),
        ("depthwise convolution backward data", 2.0),
    ]


def test_thresholds_compare_each_rule_with_the_first_image_by_image():
    import thresholds

    truth = np.zeros((32, 32), bool)
    truth[8:16, 8:16] = True
    sure = np.where(truth, 6.0, -6.0)
    assert set(thresholds.dice_by_rule(sure, truth, (1.0, 1.7)).values()) == {1.0}
    unsure = np.where(truth, -1.0, -6.0)  # a fixed .5 leaves it empty, its own threshold finds it
    found = thresholds.dice_by_rule(unsure, truth, (1.0,))
    assert found["largest expected Dice, T = 1"] == 1.0
    assert found[thresholds.FIXED] == 0.0
    two = np.where(truth, 3.0, -6.0)
    two[24:30, 2:30] = 0.0  # another place, of which the network is less sure
    rules = thresholds.dice_by_rule(two, truth, (1.0,))
    assert rules["T = 1, at least 0.8 of the surest"] == 1.0 > rules["largest expected Dice, T = 1"]
    lines = list(thresholds.table({"A": [{"one": 0.5, "two": 0.6}, {"one": 0.7, "two": 0.6}]}))
    assert lines[2] == "| one | 0.6000 | +0.00 ± 0.00 | 0.0% |"
    assert lines[3] == "| two | 0.6000 | +0.00 ± 10.00 | 0.0% |"  # points: +10 and -10, standard error 14.14 / √2


def test_maps_are_cut_at_the_grey_level_of_the_largest_mean_dice():
    import maps_as_masks

    masks = np.zeros((2, 8, 8), bool)
    masks[0, :4], masks[1, :, :2] = True, True
    maps = np.where(masks, 200, 90).astype(np.uint8)
    maps[0, 0, 0] = 100
    assert maps_as_masks.best_grey_level(maps, masks) == 95  # the lowest level at which both are exact
