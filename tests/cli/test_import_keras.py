"""`salus import-keras`: the authors' file becomes a network of Salus."""

from salus.cli import main


def test_import_keras_makes_a_network(tmp_path, capsys):
    from salus.lab.networks.originals import original

    original("unet", 32).save(tmp_path / "theirs.keras")
    assert main(["import-keras", str(tmp_path / "theirs.keras"), "--size", "32"]) == 0
    assert "unet, 717,313 parameters" in capsys.readouterr().out
    assert {p.name for p in (tmp_path / "theirs").iterdir()} == {"network.json", "model.weights.h5", "network.onnx"}
