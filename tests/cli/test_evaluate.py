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


@pytest.mark.parametrize("scale", [np.float32(1.5), np.float32(-0.01), np.int32(-400)])
def test_values_outside_a_probabilitys_range_are_one_line_each(scale, published, tmp_path, capsys):
    folder = tmp_path / "predictions"
    folder.mkdir()
    for mask in (published / "masks").iterdir():
        values = np.arange(40 * 48).reshape(40, 48).astype(scale.dtype) * scale
        Image.fromarray(values).save(folder / f"{mask.stem}.tif")
    assert main(["evaluate", str(folder), str(published)]) == 3
    assert capsys.readouterr().err.count("are no mask and no probability") == 12


def test_each_file_is_read_by_its_own_values_and_it_is_said_how(published, tmp_path, capsys):
    """A graded file among masks changes nothing for the others; --mask-values forces a reading."""
    folder = tmp_path / "predictions"
    folder.mkdir()
    paths = sorted((published / "masks").iterdir())
    for path in paths:
        (folder / path.name).write_bytes(path.read_bytes())
    truth = np.asarray(Image.open(paths[1])) > 0
    Image.fromarray((truth * 190 + np.arange(48) % 7).astype(np.uint8)).save(folder / paths[1].name)
    assert main(["evaluate", str(folder), str(published), "--json"]) == 0
    out, err = capsys.readouterr()
    summary = json.loads(out)
    assert summary["native"]["scores"]["dice"] == {"mean": 1.0, "n": 12}
    assert summary["read"][0] == "truth: 12 files read as mask of 0 and one value"
    assert "1 file read as probability or soft edges" in summary["read"][1]
    assert "6 files of 0 and 1 among probabilities" in err

    table = tmp_path / "s.csv"
    assert main(["evaluate", str(folder), str(published), "--mask-values", "predictions=half", "-o", str(table)]) == 0
    areas = {r["case"]: r["area_predicted"] for r in read_rows(table) if r["resolution"] == "native"}
    assert [areas[path.stem] > 0 for path in paths] == [False, True] * 6  # the masks of 0 and 1 are below one half
    assert "predictions: 12 files read as --mask-values half says" in capsys.readouterr().out


def test_what_cannot_be_decided_is_refused_with_the_way_out(published, tmp_path, capsys):
    folder = tmp_path / "predictions"
    folder.mkdir()
    for path in (published / "masks").iterdir():
        mask = np.asarray(Image.open(path)) > 0
        wide = (
            np.where(np.arange(48) > np.nonzero(mask)[1].mean(), 127, 255) * mask
        )  # two labels, or half a probability?
        Image.fromarray(wide.astype(np.uint8)).save(folder / path.name)
    assert main(["evaluate", str(folder), str(published)]) == 3
    assert capsys.readouterr().err.count("say it with --mask-values") == 12
    assert main(["evaluate", str(folder), str(published), "--mask-values", "predictions=127,255", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["native"]["scores"]["dice"]["mean"] == 1.0
    assert main(["evaluate", str(folder), str(published), "--mask-values", "white"]) == 2
    assert "white: no way to read masks" in capsys.readouterr().err


def test_empty_predictions_are_warned_of(published, tmp_path, capsys):
    folder = tmp_path / "predictions"
    folder.mkdir()
    faint = np.tile(np.arange(48) + 30, (40, 1)).astype(np.uint8)
    for mask in (published / "masks").iterdir():
        Image.fromarray(faint).save(folder / mask.name)
    assert main(["evaluate", str(folder), str(published)]) == 0
    assert "every prediction is empty" in capsys.readouterr().err


def test_a_table_that_cannot_be_written_is_named_before_anything_is_scored(published, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("salus.evaluation.scoring.evaluate", lambda *rest, **options: pytest.fail("it was scored"))
    table = tmp_path / "absent" / "scores.csv"
    assert main(["evaluate", str(published / "masks"), str(published), "-o", str(table)]) == 2
    assert f"{table.parent}: no such folder for the scores" in capsys.readouterr().err
    assert main(["evaluate", str(published / "masks"), str(published), "-o", str(tmp_path)]) == 2
    assert f"{tmp_path}: is a folder; name a file for the scores" in capsys.readouterr().err


def test_a_network_that_was_trained_on_the_images_is_warned_of(published, tmp_path, capsys, monkeypatch):
    """By the digests in its card: of the images, or in cards of before of the whole set."""
    from salus.data.fingerprint import fingerprint, image_digests
    from salus.data.layouts import read_data_set

    cases = read_data_set(published).labelled
    by_set = {"data": {"published": {"sha256": fingerprint(cases)["sha256"]}}, "trained_on": "every image"}
    by_image = {"data": {"other": {"sha256": "0", "image_sha256": sorted(image_digests(cases[:5]))}}}
    for card, text in ((by_set, "every image of published"), (by_image, "trained on 5 of these 12"), ({}, None)):
        network = write_network(tmp_path / "net.onnx", card)
        assert main(["evaluate", "--network", str(network), str(published)]) == 0
        err = capsys.readouterr().err
        assert ("not of unseen patients" in err) is (text is not None)
        assert text is None or text in err


def write_network(path: Path, card: dict) -> Path:
    """Write the shipped network with another card."""
    import onnx

    from salus.weights import SHIPPED_NETWORK

    model = onnx.load(SHIPPED_NETWORK)
    settings = json.loads(model.metadata_props[0].value)
    model.metadata_props[0].value = json.dumps(settings | {"card": card})
    onnx.save(model, path)
    return path
