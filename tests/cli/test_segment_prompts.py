"""`salus segment` with points, boxes and files of prompts, on a network whose answer is known."""

import json

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnx")

from tests.prompts.networks import write_prompt_network
from tests.segmentation.test_segmenter import write_network

from salus.cli import main
from salus.read.image import read_mask

LEFT, RIGHT = (20, 8, 12, 12), (20, 40, 12, 12)
"""Boxes of the two lesions: top, left, height, width."""

AROUND_LEFT, AROUND_RIGHT = "5,18,22,34", "38,18,54,34"


@pytest.fixture
def scans(tmp_path):
    """Three images with two dark squares each."""
    folder = tmp_path / "scans"
    folder.mkdir()
    image = np.full((64, 64), 255, np.uint8)
    image[20:32, 8:20] = image[20:32, 40:52] = 0
    for name in "abc":
        Image.fromarray(image).save(folder / f"{name}.png")
    return folder


@pytest.fixture
def command(tmp_path):
    """Run the command with a network that takes prompts, into OUT; its exit code."""
    network = write_prompt_network(tmp_path / "pointed.onnx")

    def call(*arguments, out="out"):
        options = ["-o", str(tmp_path / out), "--network", str(network), "--no-overlay"]
        return main(["segment", *map(str, arguments), *options])

    return call


def records(tmp_path, out="out"):
    content = json.loads((tmp_path / out / "lesions.json").read_text())
    return {record["name"]: record for record in content["images"]}


def boxes(record):
    return [tuple(lesion["box"]) for lesion in record["lesions"]]


def test_one_image_with_points_and_a_box(command, scans, tmp_path):
    assert command(scans / "a.png", "--box", AROUND_LEFT, "--point", "46,26", "--not-point", "14.5,26") == 0
    record = records(tmp_path)["a"]
    assert record["prompt"] == {
        "points": [[46, 26]], "not_points": [[14.5, 26]], "boxes": [[5, 18, 22, 34]],
    }  # fmt: skip
    mask = read_mask(tmp_path / "out" / "masks" / "a.png")
    assert mask[26, 46]
    assert not mask[26, 14]


def test_without_prompts_no_key_tells_of_them(command, scans, tmp_path):
    assert command(scans) == 0
    assert '"prompt"' not in (tmp_path / "out" / "lesions.json").read_text()
    assert '"prompt"' not in (tmp_path / "out" / "journal.jsonl").read_text()
    assert boxes(records(tmp_path)["a"]) == []


def test_a_file_of_prompts_for_a_folder(command, scans, tmp_path, capsys):
    (tmp_path / "p.csv").write_text("image,x0,y0,x1,y1\na.png,5,18,22,34\nscans/b,38,18,54,34\nd.png,1,1,2,2\n")
    assert command(scans, "--prompts", tmp_path / "p.csv") == 0
    found = records(tmp_path)
    assert (boxes(found["a"]), boxes(found["b"]), boxes(found["c"])) == ([LEFT], [RIGHT], [])
    assert "prompt" not in found["c"]
    assert "prompts for d.png are left out" in capsys.readouterr().err


def test_the_same_prompts_in_csv_json_labelme_and_as_maps_give_the_same_masks(command, scans, tmp_path):
    (tmp_path / "p.csv").write_text("image,x0,y0,x1,y1\na.png,5,18,22,34\n")
    (tmp_path / "p.json").write_text(json.dumps({"a.png": {"box": [5, 18, 22, 34]}}))
    shape = {"label": "lesion", "shape_type": "rectangle", "points": [[22, 34], [5, 18]]}
    (tmp_path / "labelme").mkdir()
    (tmp_path / "labelme" / "a.json").write_text(json.dumps({"shapes": [shape], "imagePath": "a.png"}))
    heat = np.zeros((64, 64), np.uint8)
    heat[18:34, 5:22] = 255
    (tmp_path / "maps").mkdir()
    Image.fromarray(heat).save(tmp_path / "maps" / "a.png")
    for name in ("p.csv", "p.json", "labelme", "maps"):
        assert command(scans, "--prompts", tmp_path / name, out=name + "-out") == 0
        found = records(tmp_path, name + "-out")
        assert (boxes(found["a"]), boxes(found["b"])) == ([LEFT], [])


def test_resume_segments_anew_where_the_prompt_is_another(command, scans, tmp_path, capsys):
    file = tmp_path / "p.csv"
    file.write_text("image,x0,y0,x1,y1\na.png,5,18,22,34\nb.png,5,18,22,34\n")
    assert command(scans, "--prompts", file) == 0
    assert command(scans, "--prompts", file, "--resume") == 0
    assert "3 of them kept" in capsys.readouterr().out
    file.write_text("image,x0,y0,x1,y1\na.png,5,18,22,34\nb.png,38,18,54,34\n")
    assert command(scans, "--prompts", file, "--resume") == 0
    assert "2 of them kept" in capsys.readouterr().out
    assert boxes(records(tmp_path)["b"]) == [RIGHT]
    assert command(scans, "--resume") == 0
    assert "1 of them kept" in capsys.readouterr().out
    assert boxes(records(tmp_path)["a"]) == []


def test_a_prompt_outside_its_image_fails_that_image_alone(command, scans, tmp_path, capsys):
    (tmp_path / "p.csv").write_text("image,x,y\na.png,64,3\nb.png,46,26\n")
    assert command(scans, "--prompts", tmp_path / "p.csv") == 3
    assert "a.png: the point 64,3 lies outside the image of 64 x 64 pixels" in capsys.readouterr().err
    assert records(tmp_path)["b"]["prompt"] == {"points": [[46, 26]]}


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["--point", "46"], "--point 46: give X,Y as in 213,140"),
        (["--point", "46,x"], "give X,Y"),
        (["--not-point", "46,inf"], "--not-point 46,inf: give X,Y"),
        (["--box", "1,2,3"], "give X0,Y0,X1,Y1"),
        (["--box", "9,9,3,3"], "upper left and then its lower right"),
        (["--point", "1,2"], "a prompt names no image, and there are 3"),
        (["--prompts", "absent.csv"], "absent.csv: no such file"),
        (["--prompts", "other.csv"], "no prompt is for an image of this run"),
    ],
)
def test_mistakes_are_told_in_one_line_before_anything_is_written(
    command, scans, tmp_path, capsys, monkeypatch, options, part
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other.csv").write_text("image,x,y\nz.png,1,2\n")
    assert command(scans, *options) == 2
    error = capsys.readouterr().err
    assert part in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_name_that_fits_two_images_is_refused(command, scans, tmp_path, capsys):
    (tmp_path / "more").mkdir()
    (scans / "a.png").rename(tmp_path / "more" / "b.png")
    (tmp_path / "p.csv").write_text("image,x,y\nb.png,1,2\n")
    assert command(scans, tmp_path / "more", "--prompts", tmp_path / "p.csv") == 2
    assert "name its folder too" in capsys.readouterr().err
    (tmp_path / "p.csv").write_text("image,x,y\nmore/b.png,1,2\n")
    assert command(scans, tmp_path / "more", "--prompts", tmp_path / "p.csv") == 0


def test_a_network_without_prompts_and_a_cluster_refuse_them_at_once(scans, tmp_path, capsys):
    network = str(write_network(tmp_path / "dark.onnx"))
    command = ["segment", str(scans / "a.png"), "-o", str(tmp_path / "out"), "--point", "1,2"]
    assert main([*command, "--network", network]) == 2
    assert "the network dark takes no prompts" in capsys.readouterr().err
    assert main([*command, "--engine", "ray"]) == 2
    assert "--point: not with --engine ray" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_frames_of_a_cine_have_prompts_of_their_own(command, tmp_path):
    nrrd = pytest.importorskip("nrrd")
    frames = np.full((64, 64, 3), 255, np.uint8)
    frames[20:32, 8:20] = frames[20:32, 40:52] = 0
    nrrd.write(str(tmp_path / "cine.nrrd"), frames.transpose(1, 0, 2))
    (tmp_path / "p.csv").write_text(
        "image,frame,x0,y0,x1,y1\ncine.nrrd,1,5,18,22,34\ncine.nrrd,3,38,18,54,34\ncine.nrrd,9,1,1,2,2\n"
    )
    assert command(tmp_path / "cine.nrrd", "--prompts", tmp_path / "p.csv") == 0
    found = records(tmp_path)
    assert [boxes(found[f"cine/000{n}"]) for n in (1, 2, 3)] == [[LEFT], [], [RIGHT]]
    assert command(tmp_path / "cine.nrrd", "--box", AROUND_RIGHT, "--frames", "2-3", out="every") == 0
    assert [boxes(record) for record in records(tmp_path, "every").values()] == [[RIGHT], [RIGHT]]
