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


def test_speed_shares_ratios_and_marks_are_computed_from_the_medians():
    import segment_speed

    names = ("keras-float32", "openvino-bfloat16")
    times = {names[0]: [100.0, 300.0, 200.0], names[1]: [50.0, 50.0, 51.0], "gemm": [20.0, 10.0, 30.0]}
    lines = segment_speed.engine_table(times, dict(zip(names, (0.0, 0.01), strict=True)), {"network": 20.0}, 1000.0)
    assert lines[2] == "| Keras predict, float32 | 200.0 | 100.0 – 300.0 | 1.00 | 100 | 10% | 0.0e+00 |"
    assert lines[3] == "| OpenVINO, bfloat16 | 50.0 | 50.0 – 51.0 | 4.00 | 400 | 40% | 1.0e-02 |"
    assert "peak of bfloat16 matrix products 1000 GFLOP/s (best of 3 rounds" in lines[-1]
    assert segment_speed.mark("a", 41, 40)[2:] == ["≤ 40", "MISSED"]
    assert segment_speed.mark("b", 25, 25, at_least=True)[2:] == ["≥ 25", "met"]
    middle = {"keras-float32": 590.0, "keras-bfloat16": 180.0, "openvino-bfloat16": 100.0}
    assert segment_speed.engine_marks(middle, {"network": 20.0}, 300.0) == [
        ["times as fast as Keras predict, float32", "5.9", "≥ 6", "MISSED"],
        ["times as fast as Keras predict, mixed_bfloat16", "1.8", "≥ 1.7", "met"],
        ["share of the bfloat16 peak", "0.6667", "≥ 0.65", "met"],
    ]


def test_speed_reads_importtime_and_measures_processes():
    import sys

    import segment_speed

    said = "import time: self [us] | cumulative | imported package\nimport time:  1500 |  9000 |   numpy.linalg\n"
    said += "import time:   500 |   500 | numpy\nother\nimport time:   700 |   700 | salus\n"
    assert segment_speed.imports(said) == [("numpy", 2.0), ("salus", 0.7)]
    seconds, processor, peak = segment_speed.measured([sys.executable, "-c", "x = bytearray(80_000_000)"])
    assert 80 < peak < 120
    assert 0 < processor <= seconds * 8
    with pytest.raises(SystemExit, match="ended with a kill"):
        segment_speed.measured([sys.executable, "-c", "import time; time.sleep(60)"], limit=0.5)


def test_scale_takes_the_rate_from_when_shards_appear():
    import ray_throughput

    # Two cores, a shard of 50 images every 2 s each after a start of 100 s: 50 images a second.
    times = [100 + 2 * (1 + i // 2) for i in range(20)]
    assert ray_throughput.steady_rate(times, 50, 2) == pytest.approx(50)
    assert ray_throughput.costs(10, 2000, 0.05, (36_000_000,)) == ["| 36 million | 1,000 | 10 h | 50 | 72 GB |"]


def test_pytorch_carries_the_network_out_as_keras_does():
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
    told = model.predict(images, verbose=0)
    weights = segment_gpu.Parameters(model, "cpu")
    found = segment_gpu.run(model, torch.from_numpy(images).permute(0, 3, 1, 2), weights.of, training=False)
    for name in OUTPUTS:
        values = found[name].detach().numpy()
        values = values.transpose(0, 2, 3, 1) if values.ndim == 4 else values
        assert np.abs(values - told[name]).max() < 1e-2 * np.ptp(told[name])  # the two images differ
    for one, other in zip(weights.to_keras(weights.row), model.get_weights(), strict=True):
        assert np.array_equal(one, other)


def test_networks_trained_side_by_side_are_those_that_train_makes(tmp_path, monkeypatch):
    """With a small network in place of the real one: what is tested is loss, schedule, optimiser and both sizes."""
    pytest.importorskip("torch", reason="only tools/segment_gpu.py needs PyTorch")
    from dataclasses import replace

    import segment_gpu
    from salus.lab.segmentation.train import FINISHED, train_segmenter
    from tests.lab.segmentation.test_run import SMALL, discs, tiny_net

    monkeypatch.setattr("salus.lab.networks.segment_net.segment_net", tiny_net)
    images, masks = discs(12, free=2)
    recipe = replace(SMALL, early_size=SMALL.size // 2, steps=12, early_steps=12, dropout=0.0, learning_rate=1e-2)
    model = train_segmenter(images, masks, recipe, tmp_path / "a", lambda line: None)
    told = model.get_weights()
    parts = {"final": np.arange(12), "fold-1": np.arange(4, 12)}
    segment_gpu.train_all(images, masks, parts, recipe, tmp_path / "b", 0)

    def apart(name):
        model.load_weights(tmp_path / "b" / name / FINISHED)
        return max(float(np.abs(one - other).max()) for one, other in zip(told, model.get_weights(), strict=True))

    assert apart("final") < 1e-4
    assert apart("fold-1") > 1e-3
