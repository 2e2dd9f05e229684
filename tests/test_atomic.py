"""Files are whole or absent."""

import pytest
from PIL import Image

from salus.atomic import write_picture, write_whole


def test_a_file_is_replaced_at_once_and_nothing_is_left_over(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    write_whole(path, lambda p: p.write_text("new"))
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("x"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file(tmp_path, error):
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


def test_names_of_the_greatest_length_are_written(tmp_path):
    path = tmp_path / ("n" * 251 + ".png")
    write_picture(path, Image.new("L", (3, 3)), "PNG")
    assert Image.open(path).size == (3, 3)
