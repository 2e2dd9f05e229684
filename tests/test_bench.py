"""The scripts of bench/ and tools/: their tables, their timing, and training on PyTorch."""

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


def test_network_in_pytorch_gives_the_outputs_of_keras():
    torch = pytest.importorskip("torch", reason="only tools/segment_gpu.py needs PyTorch")
    import keras

    import segment_gpu
    from salus.lab.networks.efficientnet_lite import IMAGENET
    from salus.lab.networks.segment_net import OUTPUTS, segment_net

    rng = np.random.default_rng(0)
    keras.utils.set_random_seed(0)
    model = segment_net(64, IMAGENET)
    model.set_weights([w + rng.normal(0, 0.01, w.shape).astype(w.dtype) for w in model.get_weights()])
    images = rng.random((2, 64, 64, 1), np.float32) ** np.array([1, 5], np.float32)[:, None, None, None]
    expected = model.predict(images, verbose=0)
    weights = segment_gpu.Parameters(model, "cpu")
    found = segment_gpu.run_network(model, torch.from_numpy(images).permute(0, 3, 1, 2), weights.by_id, training=False)
    for name in OUTPUTS:
        values = found[name].detach().numpy()
        values = values.transpose(0, 2, 3, 1) if values.ndim == 4 else values
        assert np.abs(values - expected[name]).max() < 1e-2 * np.ptp(expected[name])  # the two images differ
    for one, other in zip(weights.to_keras(weights.vector), model.get_weights(), strict=True):
        assert np.array_equal(one, other)


def test_networks_trained_side_by_side_equal_those_of_train(tmp_path, monkeypatch):
    """With a small network in place of the real one: what is tested is loss, schedule, optimiser and both sizes."""
    pytest.importorskip("torch", reason="only tools/segment_gpu.py needs PyTorch")
    from dataclasses import replace

    import segment_gpu
    from salus.lab.segmentation.train import train_segmenter
    from salus.lab.training.loop import FINAL_WEIGHTS
    from tests.lab.segmentation.small_training import SMALL, discs, tiny_net

    monkeypatch.setattr("salus.lab.networks.segment_net.segment_net", tiny_net)
    images, masks = discs(12, free=2)
    recipe = replace(SMALL, early_size=SMALL.size // 2, steps=12, early_steps=12, dropout=0.0, learning_rate=1e-2)
    model = train_segmenter(images, masks, recipe, tmp_path / "a", lambda line: None)
    expected = model.get_weights()
    parts = {"final": np.arange(12), "fold-1": np.arange(4, 12)}
    segment_gpu.train_all(images, masks, parts, recipe, tmp_path / "b", 0)

    def largest_difference(name):
        model.load_weights(tmp_path / "b" / name / FINAL_WEIGHTS)
        return max(float(np.abs(one - other).max()) for one, other in zip(expected, model.get_weights(), strict=True))

    assert largest_difference("final") < 1e-4
    assert largest_difference("fold-1") > 1e-3
