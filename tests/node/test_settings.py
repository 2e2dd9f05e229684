"""A node's TOML file: what is wrong is said in one line that names the file."""

import pytest
from tests.segmentation.test_segmenter import write_network

from salus.errors import SalusError
from salus.node.settings import read_settings
from salus.node.work import make_segmenter

RIGHT = """
folder = "queue"
[listen]
allowed = ["SCANNER"]
[segment]
outputs = ["seg"]
threshold = 1
[[destination]]
name = "archive"
ae_title = "ARCHIVE"
host = "archive.example"
port = 104
"""


def read(folder, text):
    (folder / "node.toml").write_text(text)
    return read_settings(folder / "node.toml")


def test_settings_are_read_and_the_folder_is_meant_from_the_files_own(tmp_path):
    settings = read(tmp_path, RIGHT)
    assert settings.folder == tmp_path / "queue"
    assert (settings.listen.ae_title, settings.listen.allowed, settings.segment.outputs) == (
        "SALUS",
        ["SCANNER"],
        ["seg"],
    )
    assert (settings.destinations[0].host, settings.segment.threshold) == ("archive.example", 1.0)


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ('folder = "queue"', "", "folder is missing"),
        ('folder = "queue"', 'folder = "queue"\nfoldr = 1', "'foldr' is not known"),
        ("[listen]", "[listen]\nprt = 1", r"'prt' is not known in \[listen\]; there are allowed"),
        ("[listen]", "[listen]\nport = true", "port in .listen. is True; give a whole number"),
        ("[listen]", '[listen]\nport = "104"', "give a whole number"),
        ("[listen]", "[listen]\nport = 99999", "up to 65535"),
        ("[listen]", "[listen]\nremember_days = -1", "or 0 to remember for ever"),
        ("[listen]", "[listen]\nremember_days = inf", "or 0 to remember for ever"),
        ("[listen]", "[listen]\nmax_mb = 0", "max_mb is 0; give 1 or more"),
        ('allowed = ["SCANNER"]', "", "allowed is missing"),
        ('allowed = ["SCANNER"]', "allowed = []", "allowed in .listen. is empty"),
        ('allowed = ["SCANNER"]', 'allowed = ["A NAME THAT IS TOO LONG"]', "is no AE title"),
        ('["seg"]', '["seg", "mask"]', "output 'mask' is not known; there are seg, sr, capture"),
        ("threshold = 1", "deidentify = true\nwhole_image = true", "leave out one of them"),
        ("[[destination]]", "[destination]", "there is no destination"),
        ('ae_title = "ARCHIVE"', "", "'archive': give a url"),
        ('ae_title = "ARCHIVE"', 'ae_title = "ARCHIVE"\nurl = "http://a"', "'archive': give a url"),
        ('host = "archive.example"', "", "give its host"),
        ('name = "archive"', 'name = "../archive"', "a name has up to 32 letters"),
        ('name = "archive"', 'name = "archive"\nuser = "me"', "give the user and the environment variable"),
        ('name = "archive"', 'name = "archive"\ntoken_env = "NOT_SET"', "NOT_SET is not set"),
        ('name = "archive"', 'name = "archive"\nca = "no.pem"', "no.pem: no such file"),
        ("port = 104", 'port = 104\n[[destination]]\nname = "archive"\nurl = "http://a"', "two destinations"),
        ("[listen]", "[retry]\nfirst = 0\n[listen]", "first in .retry. must be above 0"),
        ("[listen]", "[listen", "is no TOML"),
    ],
)
def test_mistakes_are_named(tmp_path, old, new, part):
    assert old in RIGHT
    with pytest.raises(SalusError, match=part) as caught:
        read(tmp_path, RIGHT.replace(old, new, 1))
    assert str(caught.value).startswith(f"{tmp_path / 'node.toml'}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(SalusError, match="no such file"):
        read_settings(tmp_path / "absent.toml")


def test_the_restraint_of_the_settings_is_the_segmenters(tmp_path):
    limits, right = {"balanced": 0.3, "strict": 0.6}, RIGHT.replace("threshold = 1", "threshold = 0")
    write_network(tmp_path / "mine.onnx", presence=0.1, restraint=limits)
    for restraint, limit in {"": 0.1, "none": 0.0, **limits}.items():
        lines = f'[segment]\nnetwork = "{tmp_path / "mine.onnx"}"\nrestraint = "{restraint}"'
        settings = read(tmp_path, right.replace("[segment]", lines)).segment
        assert make_segmenter(settings).settings.presence == limit
    with pytest.raises(SalusError, match="choose one of none, balanced, strict"):
        make_segmenter(read(tmp_path, right.replace("[segment]", '[segment]\nrestraint = "some"')).segment)
