"""`salus saliency` as a user meets it."""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from salus.cli import saliency as command
from salus.data.layouts import read_data_set
from salus.errors import SalusError
from salus.saliency import registry
from salus.saliency.estimate import estimate_saliency
from salus.saliency.methods.prior import PriorSaliency


@pytest.fixture(autouse=True)
def weights(tmp_path, monkeypatch):
    """The only shipped file is a prior."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setattr(registry, "SHIPPED_WEIGHTS", folder)
    prior = PriorSaliency()
    masks = np.zeros((1, 32, 32), bool)
    masks[:, 8:16, 10:20] = True
    prior.fit(np.zeros((1, 32, 32), np.uint8), masks)
    prior.save(folder / "prior.npz")
    for cached in (registry.get_method, registry.get_confidence, registry.get_prior):
        cached.cache_clear()


def salus(*arguments):
    """Run the command; its exit code."""
    top = argparse.ArgumentParser()
    command.add_parser(top.add_subparsers())
    return command.run(top.parse_args(["saliency", *map(str, arguments)]))


def listing(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_maps_load_back_as_the_published_layout(published, capsys):
    assert salus(published / "images", "-o", published / "saliency", "--method", "prior", "--preview") == 0
    assert "12 maps made by prior" in capsys.readouterr().out
    data = read_data_set(published)
    assert (data.layout, data.remarks) == ("published", ())
    for case in data.cases:
        wanted = estimate_saliency(case.image, "prior").values
        assert np.abs(case.read_saliency().pixels - wanted).max() <= 0.5 / 255 + 1e-6
        with Image.open(published / "saliency" / "previews" / f"{case.name}_preview.jpg") as picture:
            assert picture.height == wanted.shape[0]
            assert picture.width > 2 * wanted.shape[1]


def test_a_bad_file_costs_one_line_and_the_others_go_on(published, tmp_path, capsys):
    (published / "images" / "003.png").write_bytes(b"no image")
    (published / "images" / "004.png").write_bytes((published / "images" / "005.png").read_bytes()[:200])
    Image.new("L", (4, 4)).save(published / "images" / "006.png")
    absent = tmp_path / "absent.png"
    assert salus(published / "images", absent, "-o", tmp_path / "out", "--method", "prior", "--json") == 3
    out, err = capsys.readouterr()
    rows = json.loads(out)
    assert err.count("\n") == 4
    for name in ("003.png", "004.png", "006.png", "absent.png"):
        assert f"{name}: " in err
    assert [row["status"] for row in rows].count("made") == 9
    failed = [row for row in rows if row["status"] == "failed"]
    assert [row["map"] for row in failed] == [None] * 4
    assert len(listing(tmp_path / "out")) == 9


def test_what_exists_is_kept_and_a_broken_off_run_goes_on(published, tmp_path, capsys):
    out = tmp_path / "out"
    one = [published / "images" / "002.png", "-o", out, "--method", "prior"]
    every = [published / "images", "-o", out, "--method", "prior"]
    assert salus(*one) == 0
    stamp = (out / "002.png").stat().st_mtime_ns
    capsys.readouterr()
    assert salus(*every) == 0
    assert "11 maps made by prior, 1 there already" in capsys.readouterr().out
    assert (out / "002.png").stat().st_mtime_ns == stamp
    content = (out / "002.png").read_bytes()
    (out / "002.png").write_bytes(b"")
    assert salus(*every, "--overwrite") == 0
    assert (out / "002.png").read_bytes() == content
    (out / "005.png").unlink()  # with previews, a map without its picture is made again and the other way round
    assert salus(*every, "--preview") == 0
    assert "12 maps made" in capsys.readouterr().out.splitlines()[-1]


def test_maps_of_other_settings_are_not_taken_for_these(published, tmp_path):
    every = [published / "images", "-o", tmp_path / "out", "--method", "prior"]
    assert salus(*every) == 0
    with pytest.raises(SalusError, match="other settings; give --overwrite"):
        salus(*every, "--one-contour")
    assert salus(*every, "--one-contour", "--overwrite") == 0
    with pytest.raises(SalusError, match="other settings"):
        salus(*every)


def test_an_input_is_never_overwritten(published):
    images = published / "images"
    before = {p.name: p.read_bytes() for p in images.iterdir()}
    for extra in ([], ["--overwrite"]):
        with pytest.raises(SalusError, match="would be replaced"):
            salus(images, "-o", images, "--method", "prior", *extra)
    link = published / "link"
    link.symlink_to(images)
    with pytest.raises(SalusError, match="would be replaced"):
        salus(images / "001.png", "-o", link, "--method", "prior", "--overwrite")
    with pytest.raises(SalusError, match="read from"):
        salus(images / "001.png", "-o", published / "masks", "--maps-from", published / "masks", "--overwrite")
    assert {p.name: p.read_bytes() for p in images.iterdir()} == before


def test_equal_names_are_told_apart_as_by_salus_segment(tmp_path):
    """The first keeps its name, one beside it takes its suffix, one elsewhere its folder."""
    for name in ("one/a.jp2", "one/a.gif", "one/a.png", "one/in/b.png", "one/in/b.bmp", "two/A.png", "two/in/b.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (20, 20)).save(tmp_path / name)
    out, options = tmp_path / "out", ["--method", "prior", "--preview", "-r"]
    assert salus(tmp_path / "one", tmp_path / "two", "-o", out, *options) == 0
    maps = ["a.gif.png", "a.jp2.png", "a.png", "in/b.bmp.png", "in/b.png", "two/A.png", "two/in/b.png"]
    assert [name for name in listing(out) if not name.startswith("previews")] == maps
    assert len(listing(out)) == 14
    twice = [tmp_path / "one" / "a.png"] * 2  # one file named twice is one file
    assert salus(*twice, "-o", tmp_path / "once", *options[:2]) == 0
    assert listing(tmp_path / "once") == ["a.png"]


def test_a_map_of_another_image_of_the_name_is_not_kept_for_this(tmp_path):
    for folder, grey in (("one", 10), ("two", 20)):
        (tmp_path / folder).mkdir()
        Image.new("L", (20, 20), grey).save(tmp_path / folder / "a.png")
    assert salus(tmp_path / "one", "-o", tmp_path / "out", "--method", "prior") == 0
    with pytest.raises(SalusError, match="made of another image; give --overwrite"):
        salus(tmp_path / "two", "-o", tmp_path / "out", "--method", "prior")
    assert salus(tmp_path / "two", "-o", tmp_path / "out", "--method", "prior", "--overwrite") == 0


def test_maps_within_the_input_are_no_images_of_a_second_run(published, capsys):
    command = [published / "images", "-r", "-o", published / "images" / "maps", "--method", "prior"]
    assert salus(*command) == 0
    capsys.readouterr()
    assert salus(*command) == 0
    out, err = capsys.readouterr()
    assert "0 maps made by prior, 12 there already" in out
    assert "lies in the folder of the maps" in err


def test_masks_beside_their_images_get_no_map(tmp_path):
    for name in ("a.png", "a_mask.png", "a_mask_1.png", "b (1).png", "b (1)_mask.png", "c_mask.png", ".hidden.png"):
        Image.new("L", (20, 20)).save(tmp_path / name)
    assert salus(tmp_path, "-o", tmp_path / "out", "--method", "prior") == 0
    assert listing(tmp_path / "out") == ["a.png", "b (1).png", "c_mask.png"]


def test_maps_from_a_folder(published, tmp_path, capsys):
    given = tmp_path / "given"
    given.mkdir()
    for path in sorted((published / "masks").iterdir())[1:]:
        Image.fromarray((np.asarray(Image.open(path)) > 0).astype(np.uint8) * 200).save(given / path.name)
    assert salus(published / "images", "-o", tmp_path / "out", "--maps-from", given, "--one-contour", "soft") == 3
    out, err = capsys.readouterr()
    assert "wanted 000.png" in err
    assert "11 maps made by file, 1 failed" in out
    np.testing.assert_array_equal(Image.open(tmp_path / "out" / "004.png"), Image.open(given / "004.png"))


def test_mistakes_are_told_before_work_starts(published, tmp_path):
    images, out = published / "images", tmp_path / "out"
    with pytest.raises(SalusError, match=r"its images lie in .*images"):
        salus(published, "-o", out, "--method", "prior")
    with pytest.raises(SalusError, match=r"saliency\.onnx"):
        salus(images, "-o", out)
    with pytest.raises(SalusError, match="--maps-from"):
        salus(images, "-o", out, "--method", "file")
    with pytest.raises(SalusError, match="--maps-from"):
        salus(images, "-o", out, "--method", "prior", "--maps-from", images)
    with pytest.raises(SalusError, match="gate"):
        salus(images, "-o", out, "--method", "prior", "--gate")
    assert not out.exists()


def test_a_full_disk_leaves_no_half_file(published, tmp_path, monkeypatch):
    def full(self, content):
        with self.open("wb") as file:
            file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        salus(published / "images", "-o", tmp_path / "out", "--method", "prior", "--preview")
    assert listing(tmp_path / "out") == []


def test_it_needs_no_laboratory(published, tmp_path):
    script = f"""
import sys, argparse
from pathlib import Path
for name in ("keras", "tensorflow", "jax", "torch", "pandas", "matplotlib", "sklearn", "h5py", "jinja2"):
    sys.modules[name] = None
from salus.saliency import registry
registry.SHIPPED_WEIGHTS = Path({str(registry.SHIPPED_WEIGHTS)!r})
from salus.cli import saliency
top = argparse.ArgumentParser()
saliency.add_parser(top.add_subparsers())
raise SystemExit(saliency.run(top.parse_args(
    ["saliency", {str(published / "images")!r}, "-o", {str(tmp_path / "out")!r}, "--method", "prior", "--preview"])))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_folders_that_are_none_are_told_before_work_starts(tmp_path):
    image = tmp_path / "a.png"
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(image)
    with pytest.raises(SalusError, match=r"a\.png: is a file; name a folder"):
        salus(image, "-o", image, "--method", "prior")
    with pytest.raises(SalusError, match="absent: no such folder of maps"):
        salus(image, "-o", tmp_path / "out", "--maps-from", tmp_path / "absent")
    assert not (tmp_path / "out").exists()


def test_folders_within_clinical_files_and_what_is_left_out(tmp_path, capsys):
    from tests.read.wrap import wrap_dicom

    grey = (np.indices((40, 64)).sum(axis=0) * 2).astype(np.uint8)
    folder, maps = tmp_path / "in", tmp_path / "maps"
    (folder / "ward").mkdir(parents=True)
    Image.fromarray(grey).save(folder / "a.png")
    Image.fromarray(grey).save(folder / "ward" / "a.png")
    wrap_dicom(folder / "1.2.840.1", grey)
    wrap_dicom(folder / "1.2.840.2", np.stack([grey, grey]))
    (folder / "cine.mp4").write_bytes(b"video")
    assert salus(folder, "-o", maps, "--method", "prior", "--recursive") == 0
    found = sorted(str(path.relative_to(maps)) for path in maps.rglob("*.png"))
    assert found == ["1.2.840.1.png", "1.2.840.2.png", "a.png", "ward/a.png"]
    said = capsys.readouterr().err
    assert "cine.mp4 was left out" in said
    assert "1.2.840.2: holds 2 frames; the map is of the first" in said


def test_a_misspelt_input_costs_a_line_and_all_misspelt_write_nothing(tmp_path, capsys):
    image, maps = tmp_path / "a.png", tmp_path / "maps"
    Image.fromarray((np.indices((40, 64)).sum(axis=0) * 2).astype(np.uint8)).save(image)
    with pytest.raises(SalusError, match=r"b\.png: no such file, nor 1 more; nothing was written"):
        salus(tmp_path / "b.png", tmp_path / "c*.png", "-o", maps, "--method", "prior")
    assert not maps.exists()
    assert salus(image, tmp_path / "b.png", "-o", maps, "--method", "prior") == 3
    assert [path.name for path in maps.iterdir()] == ["a.png"]
    said = capsys.readouterr().err
    assert "b.png: no such file" in said
    assert said.count("\n") == 1
