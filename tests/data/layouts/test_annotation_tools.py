"""Files that look like those of an annotation tool and are none."""

import pytest
from tests.data.layouts.annotated import picture

from salus.data.layouts import detect


# All of them
@pytest.mark.parametrize("name", ["a.json", "annotations.xml", "dataset.json", "x.dcm"])
def test_files_that_are_something_else_are_no_layout(tmp_path, name):
    picture(tmp_path / "a.png")
    for content in (b"", b"{", b"[1, 2]", b'{"images": 3, "shapes": {}}', b"\xff\xfe\x00", b"[" * 100_000):
        (tmp_path / name).write_bytes(content)
        assert detect(tmp_path) == "images"
