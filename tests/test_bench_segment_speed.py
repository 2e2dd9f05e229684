"""bench/segment_int8.py and bench/segment_others.py: what they count, compare and print."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

SIDE, INPUTS, OUTPUTS, KERNEL = 192, 1, 4, 3


@pytest.fixture
def network_file(tmp_path):
    """A network of one convolution, on images (n, s, s, 1) like Salus's."""
    weights = np.ones((OUTPUTS, INPUTS, KERNEL, KERNEL), np.float32)
    nodes = [
        helper.make_node("Transpose", ["image"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["planes", "attention8_weights"], ["maps"], name="maps", pads=[1] * 4),
        helper.make_node("Relu", ["maps"], ["answer"], name="answer"),
    ]
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", SIDE, SIDE, INPUTS])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["n", OUTPUTS, SIDE, SIDE])],
        [onnx.numpy_helper.from_array(weights, "attention8_weights")],
    )
    path = tmp_path / "one.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def test_operations_are_counted_as_the_convolution_s_definition_says(network_file):
    import segment_others

    expected = 2 * SIDE * SIDE * OUTPUTS * INPUTS * KERNEL * KERNEL / 1e9
    assert segment_others.count_gflop(network_file) == pytest.approx(expected)


def test_layers_are_found_by_the_name_of_their_weights(network_file):
    import openvino

    import segment_int8

    model = openvino.Core().read_model(network_file)
    types = {op.get_friendly_name(): op.get_type_name() for op in model.get_ops()}
    spared = [types[name] for name in segment_int8.layers_named(model, segment_int8.ATTENTION)]
    assert "Convolution" in spared
    assert "Relu" not in spared
    assert segment_int8.layers_named(model, "") == []


def test_calibration_has_each_image_with_its_mirror_without_and_with_its_own_answer():
    import segment_int8
    from salus import Segmenter, make_phantom

    segmenter = Segmenter(threads=1)
    without, with_map = segment_int8.calibration_inputs(segmenter, [make_phantom(0).image])
    np.testing.assert_array_equal(without["image"][0], without["image"][1][:, ::-1])
    assert not without["prompt"].any()
    answer = segmenter.network.run(without)["probability"]
    np.testing.assert_allclose(with_map["prompt"], answer, atol=1e-5)


def test_a_precision_meets_the_mark_by_outlines_or_by_the_truth():
    import segment_int8

    times = dict.fromkeys(("float32", "same", "as good", "worse"), (10.0, 40.0)) | {"fast": (5.0, 10.0)}
    near = {"float32": 1.0, "same": 0.9985, "as good": 0.97, "worse": 0.97, "fast": 0.97}
    held = {
        "A": {"float32": 0.9, "same": 0.5, "as good": 0.8985, "worse": 0.9, "fast": 0.95},
        "B": {"float32": 0.8, "same": 0.5, "as good": 0.81, "worse": 0.797, "fast": 0.95},
    }
    rows = dict(line.strip("| ").split(" | ", 1) for line in segment_int8.table(times, near, held)[2:])
    assert rows["same"].endswith("met")
    assert rows["as good"].endswith("met")
    assert rows["worse"].endswith("0.9000 | 0.7970 | missed")
    assert rows["fast"].startswith("5.0 | 2.00 | 10.0 | 4.00 | 0.9700")
    judged_by_outlines_alone = segment_int8.table(times, near, {})
    assert judged_by_outlines_alone[-1].endswith("| 0.9700 | missed |")


def test_two_empty_outlines_agree_and_one_does_not():
    import segment_int8

    empty, full = np.zeros((2, 2), bool), np.ones((2, 2), bool)
    assert segment_int8.dice(empty, empty) == 1
    assert segment_int8.dice(empty, full) == 0


def test_contestants_are_compared_with_the_first_of_their_table():
    import segment_others

    def rounds(*clock):
        return [{"clock": ms, "processor": 2 * ms, "gflop": 1.5} for ms in clock]

    results = {"salus": rounds(10, 30, 20), "nnunet": rounds(200, 100, 300)}
    lines = segment_others.table(segment_others.WHOLE, results)
    assert lines[-1] == (
        "| nnU-Net v2, 4 mirrorings | 200.0 | 100.0 – 300.0 | 10.00 | 400.0 | 200.0 – 600.0 | 10.00 | 1.50 |"
    )
    assert len(lines) == 4
