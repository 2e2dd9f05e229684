"""Read back what salus segment wrote."""

import csv
import json


def listing(folder):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def table(folder):
    with (folder / "lesions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def written(folder):
    return json.loads((folder / "lesions.json").read_text())["images"]


def fails(command, capsys, *arguments):
    assert command(*arguments) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error
