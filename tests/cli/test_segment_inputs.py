"""What `salus segment` reads of folders, patterns and named files, and what it says of the rest."""

import csv
import os

import numpy as np
import pytest
from PIL import Image
from tests.read.wrap import wrap_dicom
from tests.segmentation.test_segmenter import image_of, write_network

from salus.cli import main

SCAN = image_of((20, 60, 30, 90), shape=(100, 128))


@pytest.fixture
def command(tmp_path, capsys):
    """Run the command on inputs in the folder "in"; its exit code, what it said, and the images of its table."""
    network = write_network(tmp_path / "dark.onnx")

    def call(*arguments):
        code = main(["segment", *map(str, arguments), "-o", str(tmp_path / "out"), "--network", str(network)])
        with (tmp_path / "out" / "lesions.csv").open(newline="", encoding="utf-8-sig") as file:
            images = [row["image"] for row in csv.DictReader(file)]
        return code, capsys.readouterr().err, images

    return call


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in" / "ward").mkdir(parents=True)
    for name in ("a.png", "a_lesion.png", "ward/b.png"):
        Image.fromarray(SCAN).save(tmp_path / "in" / name)
    for name in ("notes.txt", *(f"{n}.mp4" for n in range(5))):
        (tmp_path / "in" / name).write_text("text")
    return tmp_path / "in"


def test_what_a_folder_holds_besides_is_said_in_a_line_each(folder, command):
    code, said, images = command(folder)
    assert code == 0
    assert images == [str(folder / "a.png")]
    lines = said.splitlines()
    assert len(lines) == 3
    for part in ("a_lesion.png was left out", "ward was left out", "0.mp4 and 4 more were left out"):
        assert any(part in line for line in lines)
    assert "notes.txt" not in said


def test_all_is_named_and_folders_within_are_searched_where_asked(folder, command):
    code, said, images = command(folder, "--recursive", "--verbose")
    assert code == 0
    assert images == [str(folder / "a.png"), str(folder / "ward" / "b.png")]
    assert said.count(".mp4 was left out") == 5


def test_a_named_file_is_never_left_out(folder, command):
    names = [folder / name for name in ("a.png", "a_lesion.png", "notes.txt", "0.mp4")]
    code, said, images = command(*names)
    assert code == 3  # texts are named as failures
    assert images == list(map(str, names))
    assert "left out" not in said


def test_a_file_that_is_named_beside_its_folder_is_not_left_out(folder, command):
    code, said, images = command(folder, folder / "a_lesion.png")
    assert (code, sorted(images)) == (0, [str(folder / "a.png"), str(folder / "a_lesion.png")])
    assert "a_lesion" not in said


def test_dicom_by_any_name_and_every_page_has_a_result(tmp_path, folder, command):
    wrap_dicom(folder / "1.2.840.113619.2.55.3.1", SCAN)
    wrap_dicom(folder / "1.2.840.113619.2.55.3.2", SCAN)
    pages = [Image.fromarray(np.roll(SCAN, 9 * n, axis=0)) for n in range(3)]
    for name in ("stack.tif", "cine.gif"):
        pages[0].save(folder / name, save_all=True, append_images=pages[1:])
    code, _, images = command(folder, "--output", "png,csv,nifti,coco,labelme")
    assert code == 0
    assert [os.path.basename(image) for image in images] == [
        "1.2.840.113619.2.55.3.1", "1.2.840.113619.2.55.3.2", "a.png", *["cine.gif"] * 3, *["stack.tif"] * 3,
    ]  # fmt: skip
    masks = sorted(
        str(path.relative_to(tmp_path / "out" / "masks")) for path in (tmp_path / "out").rglob("masks/**/*.png")
    )
    assert masks[:3] == ["1.2.840.113619.2.55.3.1.png", "1.2.840.113619.2.55.3.2.png", "a.png"]
    assert len(masks) == 9


@pytest.mark.parametrize("name", [b"tab\there.png", b"line\nbreak.png", b"caf\xe9.png"])
def test_names_of_any_bytes_have_a_result(name, tmp_path, command):
    (tmp_path / "in").mkdir()
    Image.fromarray(SCAN).save(tmp_path / "in" / os.fsdecode(name))
    code, said, images = command(tmp_path / "in")
    assert (code, said, len(images)) == (0, "", 1)
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 1
