"""The queue on disk: whatever moment a node is killed at, each object is done once and nothing is left of it."""

import os
import shutil
from pathlib import Path

import pytest

from salus.errors import SalusError
from salus.node.object_queue import MAX_TRIES, ObjectQueue, key_of

KEY = key_of("1.2.3")


class Killed(BaseException):
    """Stands for SIGKILL: nothing after it runs, but what is on disk stays."""


class Archive:
    """A destination that keeps objects by their content, which stands for the SOP Instance UID."""

    def __init__(self):
        self.objects = set()


def open_queue(folder, destinations=("a", "b")):
    queue = ObjectQueue(folder, destinations)
    with queue.locked():
        pass
    return queue


def receive(queue):
    """As the receiver does; the sender sends again until it is told that all went well."""
    path = queue.incoming / "tmp.dcm"
    path.write_bytes(b"object")
    is_new = queue.add(KEY, path)
    path.unlink(missing_ok=True)
    return is_new


def work(queue, made, archives):
    """Segment and send whatever there is; results are new objects each time they are made."""
    if (key := queue.take(0)) is not None:
        queue.begin(key)
        files = []
        for number in range(2):
            files.append(queue.incoming / f"{number}.dcm")
            made.append(f"{len(made)}")
            files[-1].write_text(made[-1])
        queue.store(key, files)
    for name, archive in archives.items():
        for key in queue.unsent(name):
            archive.objects |= {path.read_text() for path in queue.results(key)}
            queue.mark_sent(key, name)


def kill_at(monkeypatch, moment):
    """Have the node killed before its file operation of that number; return a function that undoes this."""
    calls = 0

    def killing(operation):
        def wrapper(*args, **kwargs):
            nonlocal calls
            calls += 1
            if calls == moment:
                raise Killed
            return operation(*args, **kwargs)

        return wrapper

    for owner, name in (
        (os, "replace"), (os, "fsync"), (os, "unlink"), (shutil, "move"), (shutil, "rmtree"),
        (Path, "touch"), (Path, "unlink"), (Path, "mkdir"),
    ):  # fmt: skip
        monkeypatch.setattr(owner, name, killing(getattr(owner, name)))
    return monkeypatch.undo


def test_wherever_it_is_killed_each_destination_has_the_results_of_one_segmentation(tmp_path, monkeypatch):
    killed, moment = True, 0
    while killed:
        moment += 1
        folder, made, archives = tmp_path / str(moment), [], {"a": Archive(), "b": Archive()}
        queue, killed, told = open_queue(folder), False, False
        undo = kill_at(monkeypatch, moment)
        try:
            receive(queue)
            told = True
            work(queue, made, archives)
        except Killed:
            killed = True
        finally:
            undo()
        queue = open_queue(folder)
        if not told:
            receive(queue)  # the sender had no answer
        work(queue, made, archives)
        assert len(archives["a"].objects) == 2, f"killed at operation {moment}"
        assert archives["a"].objects == archives["b"].objects
        assert not receive(queue), "an object that is done is known"
        left = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
        assert left == [".lock", f"done/{KEY}"]
        assert not list((folder / "results").iterdir())
    assert moment > 15


def test_one_node_works_in_a_folder(tmp_path):
    pytest.importorskip("fcntl")
    with (
        ObjectQueue(tmp_path, ["a"]).locked(),
        pytest.raises(SalusError, match="another node works there"),
        ObjectQueue(tmp_path, ["a"]).locked(),
    ):
        pass


def test_an_object_that_was_set_aside_is_tried_again_when_it_is_sent_again(tmp_path):
    queue = open_queue(tmp_path)
    receive(queue)
    queue.set_aside(queue.take(0), "its pixel data are damaged")
    assert (queue.counts()["failed"], queue.take(0)) == (1, None)
    queue = open_queue(tmp_path)
    assert (queue.counts()["failed"], queue.take(0)) == (1, None)
    assert receive(queue)
    assert (queue.counts()["failed"], queue.take(0)) == (0, KEY)


def test_tries_are_counted_over_restarts(tmp_path):
    receive(open_queue(tmp_path))
    counts = []
    for _ in range(MAX_TRIES + 1):
        queue = open_queue(tmp_path)
        counts.append(queue.begin(queue.take(0)))
    assert counts == [1, 2, 3, 4]
    queue.put_back(KEY, 0)
    assert queue.begin(queue.take(0)) == 1, "an error of the disk is not the object's"


def test_a_destination_that_is_added_gets_what_is_not_done_and_one_that_is_removed_holds_nothing_up(tmp_path):
    queue = open_queue(tmp_path, ["a", "b"])
    receive(queue)
    (file := queue.incoming / "1.dcm").write_text("1")
    queue.store(queue.take(0), [file])
    queue.mark_sent(KEY, "a")
    queue = open_queue(tmp_path, ["a", "b", "c"])
    assert [queue.unsent(name) for name in "abc"] == [[], [KEY], [KEY]]
    queue = open_queue(tmp_path, ["a"])
    assert (queue.unsent("a"), queue.results(KEY), queue.knows(KEY)) == ([], [], True)


def test_an_object_without_results_is_done_and_no_destination_waits_for_it(tmp_path):
    queue = open_queue(tmp_path)
    receive(queue)
    queue.store(queue.take(0), [])
    assert [queue.unsent(name) for name in "ab"] == [[], []]
    assert queue.counts() == {"waiting": 0, "segmenting": 0, "sending": 0, "failed": 0}
    assert queue.knows(KEY)
    left = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert left == [".lock", f"done/{KEY}"]


def test_objects_that_were_done_long_ago_are_forgotten_and_no_others(tmp_path):
    queue = open_queue(tmp_path, ())
    for name, age in (("old", 3 * 86400), ("new", 3600)):
        path = tmp_path / "done" / name
        path.touch()
        os.utime(path, (path.stat().st_atime - age, path.stat().st_mtime - age))
    assert queue.forget_done(2 * 86400) == 1
    assert (queue.knows("old"), queue.knows("new")) == (False, True)
    assert queue.forget_done(2 * 86400) == 0
