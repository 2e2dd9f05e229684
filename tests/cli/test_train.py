"""Tests of the options of `salus train`: each reaches the recipe of the run."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import keras
import pytest

from salus.cli import main
from salus.lab.segmentation.config import TrainingConfig
from salus.lab.training.run_folder import write_settings


@pytest.mark.parametrize("share", ["-0.1", "1.5", "half"])
def test_share_outside_zero_to_one_is_refused(share: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["train", "DATA", "-o", "RUN", f"--prompted={share}"])
    assert stop.value.code == 2
    assert f"'{share}' is no number from 0 to 1" in capsys.readouterr().err


def test_options_reach_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configs = []
    monkeypatch.setattr("salus.lab.segmentation.run.start", lambda run, config, *rest: configs.append(config))
    options = ["--steps", "7", "--early-steps", "3", "--batch", "4", "--learning-rate", "0.5", "--seed", "9"]
    assert (
        main(["train", str(tmp_path), "-o", str(tmp_path / "run"), "--prompted", "0", "--paired", "0.5", *options]) == 0
    )
    recipe = configs[0].recipe
    assert (recipe.steps, recipe.early_steps, recipe.batch, recipe.learning_rate, recipe.seed) == (7, 3, 4, 0.5, 9)
    assert (recipe.prompted, recipe.paired) == (0, 0.5)
    assert recipe.early_rate == 1.0  # twice the rate, as without the option
    assert configs[0].backend == keras.backend.backend()


def test_a_run_goes_on_with_the_backend_that_it_was_started_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen: list[str | None] = []
    monkeypatch.setattr("salus.lab.training.backend.use_backend", chosen.append)
    monkeypatch.setattr("salus.lab.segmentation.run.resume", lambda *rest, **options: None)
    write_settings(tmp_path, asdict(TrainingConfig(("data",), backend="torch")), {})
    assert main(["train", "--resume", str(tmp_path)]) == 0
    assert main(["train", "--resume", str(tmp_path), "--backend", "jax"]) == 0
    assert chosen == ["torch", "jax"]


def test_settings_beside_resume_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["DATA", "--steps", "5000", "--seed", "9", "--no-tta", "--judge", "2", "--final", "--threads", "1"]
    assert main(["train", "--resume", str(tmp_path), *options]) == 2
    assert "leave out DATA, --steps, --seed, --no-tta\n" in capsys.readouterr().err


def test_an_interrupted_command_says_how_to_go_on_as_soon_as_there_is_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def start(run: Path, *rest: object) -> None:
        if run.name == "begun":
            write_settings(run, {}, {})
        raise KeyboardInterrupt

    monkeypatch.setattr("salus.lab.segmentation.run.start", start)
    (tmp_path / "begun").mkdir()
    for name, text in (("begun", f"continue with: salus train --resume {tmp_path / 'begun'}"), ("new", "again")):
        assert main(["train", str(tmp_path), "-o", str(tmp_path / name)]) == 130
        err = capsys.readouterr().err
        assert text in err
        assert ("--resume" in err) is (name == "begun")
