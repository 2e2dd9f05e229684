"""`salus evaluate PREDICTIONS TRUTH`: scores of a folder of masks or probability maps, and its mistakes."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from salus.cli import main
from salus.evaluation.summary import read_rows


def test_scores_are_printed_and_a_bad_file_costs_one_line(published, tmp_path, capsys):
    """The truth against itself is perfect; a damaged prediction costs one line and exit code 3, not the others."""
    predictions = tmp_path / "predictions"
    predictions.mkdir()
    for path in (published / "masks").iterdir():
        (predictions / path.name).write_bytes(path.read_bytes())
    assert main(["evaluate", str(predictions), str(published), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["native"]["scores"]["dice"] == {"mean": 1.0, "n": 12}

    (predictions / "003.png").write_bytes(b"no image")
    Image.fromarray(np.zeros((40, 48), np.uint8)).save(predictions / "004.png")
    table = tmp_path / "scores.csv"
    assert main(["evaluate", str(predictions), str(published), "--json", "-o", str(table)]) == 3
    out, err = capsys.readouterr()
    assert "003.png" in err
    assert err.count("\n") == 1
    assert json.loads(out)["native"]["scores"]["dice"] == {"mean": pytest.approx(10 / 11), "n": 11}
    assert len(table.read_text().splitlines()) == 1 + 2 * 11


def test_the_table_is_written_through_a_link_and_not_over_a_folder(published, tmp_path):
    link, target = tmp_path / "link.csv", tmp_path / "scores.csv"
    link.symlink_to(target)
    assert main(["evaluate", str(published / "masks"), str(published), "-o", str(link)]) == 0
    assert link.is_symlink()
    assert target.read_text().startswith("network,fold,case")
    before = sorted(tmp_path.iterdir())
    assert main(["evaluate", str(published / "masks"), str(published), "-o", str(published)]) == 2
    assert sorted(tmp_path.iterdir()) == before


def test_a_data_set_without_masks_is_refused(published, capsys):
    assert main(["evaluate", str(published / "masks"), str(published / "images")]) == 2
    assert "no image in it has a truth" in capsys.readouterr().err


def test_one_prediction_does_not_match_two_images(tmp_path, capsys):
    for name in ("x/1.png", "y/1.png", "masks/1.png"):
        (tmp_path / name).parent.mkdir()
        Image.fromarray(np.eye(20, dtype=np.uint8) * 255).save(tmp_path / name)
    (tmp_path / "manifest.csv").write_text("image,mask\nx/1.png,masks/1.png\ny/1.png,masks/1.png\n")
    assert main(["evaluate", str(tmp_path / "masks"), str(tmp_path)]) == 2
    assert "no prediction for 2 of 2 cases, e.g. x_1, y_1" in capsys.readouterr().err


@pytest.mark.parametrize("scale", [np.float32(1), np.float32(-0.01), np.int32(400)])
def test_values_outside_a_probabilitys_range_are_one_line_each(scale, published, tmp_path, capsys):
    folder = tmp_path / "predictions"
    folder.mkdir()
    for mask in (published / "masks").iterdir():
        values = np.arange(40 * 48).reshape(40, 48).astype(scale.dtype) * scale
        Image.fromarray(values).save(folder / f"{mask.stem}.tif")
    assert main(["evaluate", str(folder), str(published)]) == 3
    assert capsys.readouterr().err.count("are no probability") == 12


def test_a_probability_map_with_a_masks_values_is_told_by_the_other_files(published, tmp_path, capsys):
    """One file of a folder has the values of a mask; the others tell that all are probabilities."""
    folder = tmp_path / "predictions"
    folder.mkdir()
    names = sorted(path.name for path in (published / "masks").iterdir())
    for name in names:
        graded = np.where(np.arange(40 * 48).reshape(40, 48) % 2, 1, 0).astype(np.uint8)
        if name != names[0]:
            graded[0, 0] = 200
        Image.fromarray(graded).save(folder / name)
    assert main(["evaluate", str(folder), str(published), "-o", str(tmp_path / "s.csv")]) == 0
    areas = {r["case"]: r["area_predicted"] for r in read_rows(tmp_path / "s.csv") if r["resolution"] == "native"}
    assert areas.pop(Path(names[0]).stem) == 0
    assert set(areas.values()) == {1}
    capsys.readouterr()
    for name in names[1:]:
        (folder / name).write_bytes((folder / names[0]).read_bytes())
    assert main(["evaluate", str(folder), str(published), "-o", str(tmp_path / "m.csv")]) == 0
    assert {r["area_predicted"] for r in read_rows(tmp_path / "m.csv") if r["resolution"] == "native"} == {40 * 48 / 2}


def test_empty_predictions_are_warned_of(published, tmp_path, capsys):
    folder = tmp_path / "predictions"
    folder.mkdir()
    for mask in (published / "masks").iterdir():
        Image.fromarray((np.arange(40 * 48) % 3).astype(np.uint8).reshape(40, 48)).save(folder / mask.name)
    assert main(["evaluate", str(folder), str(published)]) == 0
    assert "every prediction is empty" in capsys.readouterr().err
