"""What a language model may read and write: what the user named, and nothing that a link or `..` leads to."""

import pytest

from salus.errors import SalusError
from salus.mcp_server.folders import Folders


@pytest.fixture
def places(tmp_path):
    for name in ("scans", "more", "secret", "out"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.png").write_bytes(b"")
    return tmp_path


@pytest.fixture
def folders(places):
    return Folders([places / "scans", places / "more"], places / "out")


def test_files_of_the_named_folders_are_found(places, folders):
    for name in ("scans", "more", "out"):
        for path in (f"{name}.png", str(places / name / f"{name}.png"), f"../{name}/{name}.png"):
            assert folders.readable_path(path).samefile(places / name / f"{name}.png")
    assert folders.readable_path(".") == places / "scans"


def attempts(places):
    (places / "scans" / "file-link.png").symlink_to(places / "secret" / "secret.png")
    (places / "scans" / "folder-link").symlink_to(places / "secret")
    (places / "scans" / "loop").symlink_to(places / "scans" / "loop")
    (places / "scans2").mkdir()  # begins like a folder that is allowed
    (places / "scans2" / "x.png").write_bytes(b"")
    return [
        "../secret/secret.png", str(places / "secret" / "secret.png"), "file-link.png", "folder-link",
        "folder-link/secret.png", "folder-link/../secret/secret.png", "../scans2/x.png", str(places), "..", "/",
        "/etc/passwd", "loop", str(places / "scans" / ".." / "secret"), str(places / "nowhere" / "x.png"),
    ]  # fmt: skip


def test_nothing_else_is_read(places, folders):
    for path in attempts(places):
        with pytest.raises(SalusError, match="outside the folders"):
            folders.readable_path(path)
    with pytest.raises(SalusError, match=r"absent\.png: no such file"):
        folders.readable_path("absent.png")


def test_links_in_a_tree_are_followed_before_it_is_judged(places, folders):
    (places / "scans" / "deep").mkdir()
    (places / "scans" / "deep" / "near").symlink_to(places / "more" / "more.png")
    folders.require_tree_inside(places / "scans")
    (places / "scans" / "deep" / "far").symlink_to(places / "secret")
    with pytest.raises(SalusError, match="far: lies outside"):
        folders.require_tree_inside(places / "scans")


def test_results_are_written_in_their_folder_alone(places, folders):
    assert folders.writable_path("run 1") == places / "out" / "run 1"
    assert folders.writable_path(str(places / "out" / "a" / "b")) == places / "out" / "a" / "b"
    (places / "out" / "link").symlink_to(places / "secret")
    for path in ("../scans", str(places / "scans"), "link", "link/run", "/tmp"):
        with pytest.raises(SalusError, match="written inside"):
            folders.writable_path(path)
    with pytest.raises(SalusError, match="--out"):
        Folders([places / "scans"]).writable_path("run")


def test_a_folder_that_is_not_there_is_told(places):
    with pytest.raises(SalusError, match="nowhere: no such folder"):
        Folders([places / "nowhere"])
