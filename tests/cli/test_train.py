"""Tests of the options of `salus train`: each reaches the recipe of the run."""

from __future__ import annotations

from pathlib import Path

import pytest

from salus.cli import main


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
