"""`salus evaluate --network`: a network whose answer is known, on images whose truth is known."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from salus.cli import main
from salus.segmentation import loading

onnx = pytest.importorskip("onnx")
helper = pytest.importorskip("onnx.helper")

SIDE = 16
SQUARE = np.s_[8:24, 8:24]  # of 32 x 48 pixels


def write(path, limit=0.0):
    """Write a network that takes dark pixels for tumour: probability = 1 - image, presence 1, strangeness 0."""
    numbers = {"one": 1.0, "zero": 0.0, "minus": -1.0}
    fixed = [helper.make_tensor(name, 1, [1], [value]) for name, value in numbers.items()]
    fixed += [helper.make_tensor("pixels", 7, [2], [1, 2])]
    nodes = [
        helper.make_node("Mul", ["image", "minus"], ["negative"]),
        helper.make_node("Add", ["negative", "one"], ["probability"]),
        helper.make_node("Identity", ["probability"], ["saliency"]),
        helper.make_node("ReduceMax", ["probability", "pixels"], ["darkest"], keepdims=0),
        helper.make_node("Mul", ["darkest", "zero"], ["strangeness"]),
        helper.make_node("Add", ["strangeness", "one"], ["presence"]),
    ]
    maps = [helper.make_tensor_value_info(n, 1, ["n", SIDE, SIDE, 1]) for n in ("image", "probability", "saliency")]
    flat = [helper.make_tensor_value_info(n, 1, ["n", 1]) for n in ("presence", "strangeness")]
    graph = helper.make_graph(nodes, "g", maps[:1], [*maps[1:], *flat], fixed)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    settings = {"name": "dark", "size": SIDE, "presence": limit}
    helper.set_model_props(model, {"salus": json.dumps(settings)})
    onnx.save(model, path)
    return path


@pytest.fixture
def data(tmp_path):
    """32 x 48: a dark square that is the truth, one that is half of it; tumour-free, one without and one with it."""
    root = tmp_path / "data"
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    wide = np.s_[8:24, 8:40]
    for name, dark, truth in (("a", SQUARE, SQUARE), ("b", SQUARE, wide), ("free", None, None), ("odd", SQUARE, None)):
        image, mask = np.full((32, 48), 255, np.uint8), np.zeros((32, 48), np.uint8)
        if dark is not None:
            image[dark] = 0
        if truth is not None:
            mask[truth] = 255
        Image.fromarray(image).save(root / "images" / f"{name}.png")
        Image.fromarray(mask).save(root / "masks" / f"{name}.png")
    return root


@pytest.fixture
def native(data, tmp_path):
    """Run the command; give the exit code, the rows at the images' own size by case, and all rows."""

    def run(*options):
        table = tmp_path / "scores.csv"
        code = main(["evaluate", "--network", str(tmp_path / "dark.onnx"), str(data), "-o", str(table), *options])
        rows = list(csv.DictReader(table.open()))
        return code, {r["case"]: r for r in rows if r["resolution"] == "native"}, rows

    write(tmp_path / "dark.onnx")
    return run


def test_scores_are_those_of_the_outline(native, capsys):
    code, by_case, rows = native("--json")
    assert code == 0
    assert len(rows) == 8
    assert {row["network"] for row in rows} == {"dark"}
    a, b = by_case["a"], by_case["b"]
    area = float(a["area_predicted"])
    assert area == pytest.approx(256, abs=16)  # 16 x 16 on a grid of 16 x 16 that is drawn out to 32 x 48
    assert float(a["dice"]) == pytest.approx(2 * min(area, 256) / (area + 256), abs=0.02)
    assert float(b["dice"]) == pytest.approx(2 * 256 / (256 + 512), abs=0.02)
    assert float(b["tpr"]) == pytest.approx(0.5, abs=0.02)
    summary = json.loads(capsys.readouterr().out)["native"]
    assert summary["lesion_images"] == 2
    assert summary["scores"]["dice"]["mean"] == pytest.approx((float(a["dice"]) + float(b["dice"])) / 2)
    assert summary["tumour_free"] == {"images": 2, "left_empty": 1}
    assert (by_case["free"]["dice"], by_case["odd"]["dice"]) == ("1.0", "0.0")


def test_the_mask_is_the_segmenters_not_the_probability_at_one_half(data, tmp_path, native):
    """A network that leaves everything empty for want of presence scores 0, though its probabilities are high."""
    write(tmp_path / "dark.onnx", limit=1.5)
    _, by_case, rows = native()
    assert {row["area_predicted"] for row in rows} == {"0"}
    assert by_case["a"]["dice"] == "0.0"
    assert float(by_case["a"]["auc"]) > 0.99


def test_a_bad_image_is_one_line_and_exit_code_three(native, data, capsys):
    (data / "images" / "a.png").write_bytes(b"no image")
    Image.new("L", (9, 9)).save(data / "masks" / "b.png")
    code, by_case, _ = native()
    out, err = capsys.readouterr()
    assert code == 3
    assert set(by_case) == {"free", "odd"}
    assert err.count("\n") == 2
    assert "a.png" in err
    assert "b.png: the mask is 9 x 9" in err
    assert "2 tumour-free images, 1 left empty" in out


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--network", "absent.onnx", "data"], "absent.onnx: no such file"),
        (["--network", "data/images/a.png", "data"], "a.png: cannot be read as a network"),
        (["--network", "dark.onnx", "absent"], "absent: no such folder"),
        (["--network", "dark.onnx", "data/images"], "no image in it has a truth"),
        (["--network", "dark.onnx", "data", "data"], "salus evaluate --network FILE TRUTH"),
        (["data"], "salus evaluate PREDICTIONS TRUTH"),
        (["--network", "shipped", "data"], "gone.onnx: no such file"),
    ],
)
def test_wrong_arguments_are_reported_in_one_line(arguments, part, data, tmp_path, monkeypatch, capsys):
    write(tmp_path / "dark.onnx")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "SHIPPED_NETWORK", tmp_path / "gone.onnx")
    assert main(["evaluate", *arguments]) == 2
    error = capsys.readouterr().err
    assert part in error
    assert error.count("\n") == 1


def test_shipped_is_the_network_in_the_package(data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(loading, "SHIPPED_NETWORK", write(tmp_path / "dark.onnx"))
    assert main(["evaluate", str(data), "--network", "shipped"]) == 0
    assert "2 images with a lesion" in capsys.readouterr().out
