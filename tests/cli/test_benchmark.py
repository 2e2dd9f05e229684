"""Tests of the options of `salus benchmark`."""

from __future__ import annotations

from pathlib import Path

import pytest

from salus.atomic import write_json
from salus.cli import main


def test_two_folders_of_predictions_of_one_name_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folders = ["--predictions", "Reader=a", "--predictions", "Reader=b"]
    assert main(["benchmark", str(tmp_path), "-o", str(tmp_path / "run"), *folders]) == 2
    assert "--predictions Reader=b: Reader is named twice" in capsys.readouterr().err


def test_settings_beside_resume_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command, options, named in (
        ("benchmark", ["DATA", "-o", "COPY"], "DATA, -o"),
        (
            "benchmark",
            ["--epochs", "3", "--skip-bad", "--allow-leakage", "--threads", "1"],
            "--epochs, --allow-leakage, --skip-bad",
        ),
        ("saliency-benchmark", ["DATA", "--methods", "prior", "--backend", "jax"], "DATA, --methods"),
    ):
        assert main([command, "--resume", str(tmp_path), *options]) == 2
        assert f"takes the rest from the run; leave out {named}\n" in capsys.readouterr().err


def test_an_interrupted_command_says_how_to_go_on_as_soon_as_there_is_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def start(folder: Path, *rest: object, **options: object) -> None:
        if folder.name == "begun":
            write_json(folder / "run.json", {})
        raise KeyboardInterrupt

    monkeypatch.setattr("salus.lab.benchmark.run.start", start)
    (tmp_path / "begun").mkdir()
    for name, text in (("begun", f"continue with: salus benchmark --resume {tmp_path / 'begun'}"), ("new", "again")):
        assert main(["benchmark", str(tmp_path), "-o", str(tmp_path / name)]) == 130
        err = capsys.readouterr().err
        assert text in err
        assert ("--resume" in err) is (name == "begun")
