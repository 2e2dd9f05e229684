"""`salus saliency-benchmark` from the command line."""

import csv

import pytest
from tests.conftest import make_published

from salus.cli import main


def test_a_run_and_its_resume(tmp_path, capsys):
    data = make_published(tmp_path / "data", 8)
    arguments = ["saliency-benchmark", str(data), "--methods", "prior,constant", "--folds", "2", "--size", "32"]
    assert main([*arguments, "-o", str(tmp_path / "run")]) == 0
    assert "brightest pixel in tumour" in capsys.readouterr().out
    assert (tmp_path / "run" / "report.html").is_file()
    assert main(["saliency-benchmark", "--resume", str(tmp_path / "run")]) == 0
    assert "fold 1" not in capsys.readouterr().out  # nothing is fitted again


def test_mask_values_say_what_is_lesion_and_a_resumed_run_keeps_them(tmp_path, capsys):
    data, run = make_published(tmp_path / "data", 8), tmp_path / "run"
    arguments = ["saliency-benchmark", str(data), "--methods", "prior", "--folds", "2", "--size", "32"]
    assert main([*arguments, "--mask-values", "77", "-o", str(run)]) == 0  # no pixel has the value 77
    assert "--mask-values 77 says" in capsys.readouterr().out
    tumours = [line["tumour"] for line in csv.DictReader((run / "scores.csv").open(newline=""))]
    assert tumours == ["0"] * 8
    assert main(["saliency-benchmark", "--resume", str(run)]) == 0
    assert "--mask-values 77 says" in capsys.readouterr().out
    assert main([*arguments, "--mask-values", "most", "-o", str(tmp_path / "other")]) == 2
    assert "most: no way to read masks" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name data sets"),
        (["DATA", "-o", "RUN", "--methods", ""], "at least one of --methods"),
        (["DATA", "-o", "RUN", "--folds", "1"], "2 or more --folds"),
        (["DATA", "-o", "RUN", "--methods", "magic"], "unknown saliency 'magic'"),
        (["absent", "-o", "RUN"], "absent"),
    ],
)
def test_a_mistake_is_an_error_of_one_line(tmp_path, capsys, arguments, message):
    data = make_published(tmp_path / "data", 4)
    places = {"DATA": str(data), "RUN": str(tmp_path / "run")}
    assert main(["saliency-benchmark", *(places.get(word, word) for word in arguments)]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
