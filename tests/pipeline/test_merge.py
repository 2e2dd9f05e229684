"""A run shared out over parts equals the run in one piece."""

import csv
import json

import pytest
from PIL import Image
from tests.segmentation.test_segmenter import image_of, write_network

from salus.cli import main
from salus.read.image import read_mask


@pytest.fixture
def network(tmp_path):
    return write_network(tmp_path / "dark.onnx")


@pytest.fixture
def scans(tmp_path):
    """Nine images, one of them damaged."""
    folder = tmp_path / "scans"
    folder.mkdir()
    for i in range(8):
        Image.fromarray(image_of((10 + i, 50 + i, 30, 90), shape=(100, 128))).save(folder / f"{i}.png")
    (folder / "bad.png").write_bytes(b"no image")
    return folder


@pytest.fixture
def command(network):
    def call(*arguments):
        return main([*map(str, arguments), *(["--network", str(network)] if arguments[0] == "segment" else [])])

    return call


def figures(path):
    """lesions.csv without what differs from run to run."""
    with path.open(newline="", encoding="utf-8") as file:
        return sorted(tuple(row.items()) for row in csv.DictReader(file))


def test_parts_merged_equal_one_run(scans, tmp_path, command, capsys):
    whole, shared = tmp_path / "whole", tmp_path / "shared"
    assert command("segment", scans, "-o", whole) == 3
    for part in (1, 2, 3):
        assert command("segment", scans, "-o", shared, "--num-parts", 3, "--part", part, "--preview") in (0, 3)
    assert "salus merge OUT --coco --preview makes them" in capsys.readouterr().err
    assert not (shared / "lesions.csv").exists()
    assert command("merge", shared, "--preview") == 3
    assert figures(shared / "lesions.csv") == figures(whole / "lesions.csv")
    masks = [{p.name: p.read_bytes() for p in (one / "masks").iterdir()} for one in (whole, shared)]
    assert masks[0] == masks[1]
    assert len(masks[0]) == 8
    assert all(read_mask(p).any() for p in (shared / "masks").iterdir())
    assert (shared / "preview.jpg").is_file()
    assert "9 images, 1 failed" in capsys.readouterr().out
    shares = [len(json.loads((shared / f"lesions-{i}-of-3.json").read_text())["images"]) for i in (1, 2, 3)]
    assert sum(shares) == 9
    assert max(shares) < 9


def test_what_is_not_through_is_named(scans, tmp_path, command, capsys):
    out = tmp_path / "out"
    for part in (1, 3):
        command("segment", scans, "-o", out, "--num-parts", 3, "--part", part)
    assert command("merge", out) == 2
    assert "not through yet: 2" in capsys.readouterr().err
    command("segment", scans, "-o", out, "--num-parts", 3, "--part", 2)
    journal = out / "journal-3-of-3.jsonl"
    text = journal.read_text()
    journal.write_text(text[: text.rindex('{"end"')])  # as a killed run leaves it
    assert command("merge", out) == 2
    assert "not through yet: 3" in capsys.readouterr().err
    assert command("segment", scans, "-o", out, "--num-parts", 3, "--part", 3, "--resume") in (0, 3)
    assert command("merge", out) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--num-parts", 3), "go together"),
        (("--num-parts", 3, "--part", 4), "part 4 of 3"),
        (("--num-parts", 3, "--part", 0), "part 0 of 3"),
    ],
)
def test_no_such_part(arguments, said, scans, tmp_path, command, capsys):
    assert command("segment", scans, "-o", tmp_path / "out", *arguments) == 2
    assert said in capsys.readouterr().err


def test_parts_of_different_settings_are_refused(scans, tmp_path, command, capsys):
    out = tmp_path / "out"
    command("segment", scans, "-o", out, "--num-parts", 2, "--part", 1)
    command("segment", scans, "-o", out, "--num-parts", 2, "--part", 2, "--threshold", 0.4)
    assert command("merge", out) == 2
    assert "threshold" in capsys.readouterr().err


def test_a_folder_without_parts(tmp_path, capsys):
    assert main(["merge", str(tmp_path)]) == 2
    assert "holds no parts" in capsys.readouterr().err
