"""The table of a reviewed folder, which people and spreadsheets change as well."""

import pytest
from tests.serve.test_outlines import drawn, open_work_image

from salus.spreadsheet import read_rows


@pytest.fixture
def scans(tmp_path, png):
    (tmp_path / "a.png").write_bytes(png)
    return tmp_path


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("name,patient,case,file,label,comment\na,Meier,a,a.png,malignant,biopsy\n", "utf-8"),
        ("name;patient;case;file;label;comment;\r\na;Meier;a;a.png;malignant;biopsy;\r\n", "utf-8-sig"),
        ("name,case,file,label,comment\na,a,a.png,malignant,biopsy\n", "utf-8"),
    ],
)
def test_columns_that_a_person_adds_to_the_table_stay(serve, scans, png, phantom, content, encoding):
    (scans / "b.png").write_bytes(png)
    client = serve(folder=scans)
    for number, frames in ((1, [20]), (2, [20, 60]), (1, [60])):
        frame, _ = open_work_image(client, number)
        for top in frames:
            saved = client.put(f"{frame}/mask", content=drawn(phantom.image.shape, top, 20))
            assert saved.status_code == 200, saved.text
        table = scans / "reviewed" / "manifest.csv"
        if number == 1 and frames == [20]:
            table.write_bytes(content.encode(encoding))
    client.put("/v1/session", json={"patient_pattern": "{patient}.png"})
    rows = read_rows(table)
    assert [(row["label"], row["comment"], row["file"]) for row in rows] == [
        ("malignant", "biopsy", "a.png"),
        ("", "", "b.png"),
    ]
    assert client.get("/v1/worklist").json()["done"] == 2


@pytest.mark.parametrize("content", ["name,patient\na,Meier\n".encode("utf-16"), b"patient,label\nMeier,benign\n"])
def test_a_table_that_cannot_be_read_is_named(serve, scans, phantom, content):
    client = serve(folder=scans)
    frame, _ = open_work_image(client)
    client.put(f"{frame}/mask", content=drawn(phantom.image.shape, 20, 20))
    (scans / "reviewed" / "manifest.csv").write_bytes(content)
    for answer in (client.get("/v1/worklist"), client.put(f"{frame}/mask", content=drawn(phantom.image.shape, 60, 20))):
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith("reviewed/manifest.csv: ")
    assert (scans / "reviewed" / "manifest.csv").read_bytes() == content
