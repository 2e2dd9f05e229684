"""The life of a run's folder: start in an unused one, resume on the same data and folds, name what is damaged."""

import json

import pytest

from salus.errors import SalusError
from salus.lab.training.run_folder import (
    check_same_data,
    check_unused,
    read_history,
    read_settings,
    start_run,
)

FOLDS = {"test": {"set/a": 1, "set/b": 2}, "groups": {"set/a": "p", "set/b": "q"}}
FINGERPRINTS = {"set": "0123"}


@pytest.fixture
def run(tmp_path):
    start_run(tmp_path / "run", {"name": "x"}, FINGERPRINTS, FOLDS)
    return tmp_path / "run"


def test_a_started_run_is_read_back_and_not_started_twice(run):
    assert read_settings(run) == ({"name": "x"}, FINGERPRINTS)
    with pytest.raises(SalusError, match=r"holds a run already; continue it with: salus train --resume"):
        check_unused(run, "salus train")
    check_unused(run.parent / "other", "salus train")


def test_a_folder_with_anything_else_in_it_takes_no_run(run):
    (run / "run.json").unlink()
    (run / "fold-1").mkdir()
    with pytest.raises(SalusError, match="holds other files; name a new folder"):
        check_unused(run, "salus train")


def test_a_run_killed_before_its_settings_were_written_starts_with_new_folds(run):
    (run / "run.json").unlink()
    check_unused(run, "salus train")
    start_run(run, {}, FINGERPRINTS, {"test": {}, "groups": {}})
    assert json.loads((run / "folds.json").read_text()) == {"test": {}, "groups": {}}


def test_a_run_resumes_only_on_the_same_data_and_folds(run):
    check_same_data(run, FINGERPRINTS, FINGERPRINTS, FOLDS)
    with pytest.raises(SalusError, match="the data have changed since"):
        check_same_data(run, FINGERPRINTS, {"set": "4567"}, FOLDS)
    with pytest.raises(SalusError, match="patients or near-duplicates are not those"):
        check_same_data(run, FINGERPRINTS, FINGERPRINTS, {**FOLDS, "groups": {"set/a": "p", "set/b": "p"}})


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SalusError, match="cannot be made"):
        start_run(tmp_path / "file" / "run", {}, {}, {})


@pytest.mark.parametrize(("content", "message"), [("[]", "holds no settings but a list"), ("{", "unreadable")])
def test_damaged_settings_are_named(run, content, message):
    (run / "run.json").write_text(content)
    with pytest.raises(SalusError, match=message):
        read_settings(run)


def test_a_missing_run_is_named(tmp_path):
    with pytest.raises(SalusError, match="no such file"):
        read_settings(tmp_path)


def test_history_without_a_needed_column_is_refused(tmp_path):
    assert read_history(tmp_path) == []
    (tmp_path / "history.csv").write_text("epoch,seconds,loss,val_loss\n1,0.5,0.4,0.3\n")
    assert read_history(tmp_path) == [{"epoch": 1.0, "seconds": 0.5, "loss": 0.4, "val_loss": 0.3}]
    (tmp_path / "history.csv").write_text("epoch,seconds,loss\n1,0.5,0.4\n")
    with pytest.raises(SalusError, match="no column val_loss"):
        read_history(tmp_path)
