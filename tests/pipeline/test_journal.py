"""The journal of a run keeps what was added, whatever ends the run."""

import json
from dataclasses import asdict, replace

import pytest

from salus.errors import SalusError
from salus.pipeline.journal import Journal, read_journal
from salus.segmentation.result import NONE
from salus.write.tables import FAILED, Record

FIRST = Record("a.png", "a", NONE, height=9, width=9, spacing=(0.1, 0.2), presence=0.3, confidence=0.7, flags=("x",))
SECOND = Record("b.png", "b", FAILED, "b.png: no such file")


def test_the_journal_keeps_what_was_added_and_forgets_what_was_broken_off(tmp_path):
    path = tmp_path / "j.jsonl"
    with Journal(path, {"threshold": 0.5}, [FIRST]) as journal:
        journal.add(SECOND)
    assert read_journal(path) == ({"threshold": 0.5}, {"a": FIRST, "b": SECOND})
    for rest in ('{"image": "d.png", "na', "{}", "[]", "3", '{"lesions": 3}', json.dumps(asdict(SECOND))[:-9]):
        with path.open("a") as file:
            file.write(rest + "\n")
    assert set(read_journal(path)[1]) == {"a", "b"}
    with path.open("a") as file:
        file.write(json.dumps(asdict(replace(SECOND, presence=0.1))))
    assert read_journal(path)[1]["b"].presence == 0.1


@pytest.mark.parametrize("content", ["", "{", "[]", "{}\n", "3"])
def test_a_damaged_journal_is_reported_with_what_to_do(tmp_path, content):
    (tmp_path / "j").write_text(content)
    with pytest.raises(SalusError, match="--overwrite"):
        read_journal(tmp_path / "j")
