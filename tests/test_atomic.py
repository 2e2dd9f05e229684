"""Atomic writes: a file is whole or absent."""

from pathlib import Path

import pytest
from PIL import Image

from salus.atomic import write_json, write_picture, write_rows, write_whole


def test_a_file_is_replaced_and_no_temporary_file_is_left(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    write_whole(path, lambda p: p.write_text("new"))
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("x"), KeyboardInterrupt()])
def test_a_failed_write_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def fail(temporary):
        temporary.write_text("half")
        raise error

    with pytest.raises(type(error)) as raised:
        write_whole(path, fail)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    if isinstance(error, OSError):
        assert (raised.value.errno, raised.value.filename, raised.value.strerror) == (28, str(path), error.strerror)


def test_errors_name_the_file_and_not_the_temporary_one(tmp_path):
    with pytest.raises(FileNotFoundError) as error:
        write_whole(tmp_path / "absent" / "a.txt", lambda p: p.write_text(""))
    assert error.value.filename == str(tmp_path / "absent" / "a.txt")


@pytest.mark.parametrize("name", ["n" * 251 + ".png", "n." + "n" * 249 + ".png", "ü" * 120 + ".weights.h5"])
def test_names_of_up_to_255_bytes_are_written(tmp_path, name):
    write_picture(tmp_path / name, Image.new("L", (3, 3)), "PNG")
    assert Image.open(tmp_path / name).size == (3, 3)


@pytest.mark.parametrize("name", ["model.weights.h5", "mask.nii.gz", "a.b.c.nii.gz", "maps.npz"])
def test_the_temporary_file_is_hidden_and_keeps_the_suffixes(tmp_path, name):
    names = []

    def write(temporary):
        names.append(temporary.name)
        temporary.write_text("")

    write_whole(tmp_path / name, write)
    assert names[0].startswith(".")
    assert names[0].endswith("".join(Path(name).suffixes[-2:]))


def test_rows_are_written_as_csv(tmp_path):
    path = tmp_path / "a.csv"
    write_rows(path, [{"name": "ü, 1", "value": 0.5}, {"name": "b", "value": ""}])
    assert path.read_bytes().decode("utf-8-sig") == 'name,value\r\n"ü, 1",0.5\r\nb,\r\n'
    write_rows(path, [])
    assert path.read_bytes() == b""
    write_rows(path, [], ("name",))
    assert path.read_bytes() == b"name\r\n"


def test_rows_are_written_through_a_link_and_replace_a_file(tmp_path):
    write_rows(tmp_path / "a.csv", [{"a": 1}])
    (tmp_path / "link.csv").symlink_to("a.csv")
    write_rows(tmp_path / "link.csv", [{"b": 2}])
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "a.csv").read_bytes() == b"b\r\n2\r\n"


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no /dev/full here")
def test_a_full_device_is_an_error_that_names_it():
    with pytest.raises(OSError, match="No space left on device: '/dev/full'"):
        write_rows(Path("/dev/full"), [{"a": 1}])


def test_json_is_written_indented(tmp_path):
    write_json(tmp_path / "a.json", {"a": [1]})
    assert (tmp_path / "a.json").read_text() == '{\n "a": [\n  1\n ]\n}\n'
