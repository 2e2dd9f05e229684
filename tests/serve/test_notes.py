"""Readers' notes: words of the lexicon, matched to lesions, in every JSON, and never replaced unseen."""

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from tests.read.wrap import region, wrap_dicom
from tests.serve.conftest import png_of, upload
from tests.write.dciodvfy import faults

from salus.measure.lesions import measure_lesions
from salus.serve.notes import LEXICON, make_notes, match_lesions, propose_descriptors


def open_case(client, content):
    key = upload(client, content).json()["key"]
    return f"/v1/cases/{key}", client.get(f"/v1/cases/{key}/frames/1").json()


def measured(mask):
    return measure_lesions(mask, mask.astype(float))


def test_descriptors_comment_and_mark_stand_in_every_json(serve, png):
    client = serve()
    client.put("/v1/session", json={"reader": "Ann"})
    case, answer = open_case(client, png)
    assert answer["notes"] is None
    assert answer["proposals"] == [{"shape": "oval", "orientation": "parallel"}]
    words = {name: known[0] for name, known in LEXICON.items()}
    body = {"mark": "unsure", "comment": "Zyste?", "lesions": [{"box": answer["lesions"][0]["box"], **words}]}
    noted = client.put(f"{case}/frames/1/notes", json=body)
    assert noted.status_code == 200, noted.text
    notes = client.get(f"{case}/frames/1").json()["notes"]
    assert (notes["mark"], notes["comment"], notes["reader"]) == ("unsure", "Zyste?", "Ann")
    (image,) = client.get(f"{case}/lesions.json").json()["images"]
    assert image["notes"] == {"mark": "unsure", "comment": "Zyste?", "reader": "Ann", "saved": notes["saved"]}
    assert [lesion["descriptors"] for lesion in image["lesions"]] == [words]
    assert client.get(f"{case}/frames/1").json()["described"] == [0]
    client.put(f"{case}/frames/1/mask", content=client.get(f"{case}/frames/1/mask.png").content)
    archive = zipfile.ZipFile(io.BytesIO(client.get("/v1/export.zip").content))
    (name,) = (name for name in archive.namelist() if "/notes/" in name)
    assert json.loads(archive.read(name))["lesions"][0]["shape"] == "oval"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"mark": "BI-RADS 4"}, "unsure, skipped, poor image"),
        ({"lesions": [{"box": [0, 0, 9, 9], "shape": "lobular"}]}, "oval, round, irregular"),
        ({"lesions": [{"shape": "oval"}]}, "box"),
        ({"comment": "x" * 2001}, "2000"),
    ],
)
def test_other_words_are_refused_and_told_which_are_right(serve, png, body, told):
    client = serve()
    case, _ = open_case(client, png)
    refused = client.put(f"{case}/frames/1/notes", json=body)
    assert refused.status_code == 422
    assert told in refused.json()["detail"]
    assert client.get(f"{case}/frames/1").json()["notes"] is None


def test_a_description_follows_its_lesion_when_the_outline_and_the_numbers_change():
    mask = np.zeros((100, 100), bool)
    mask[10:20, 10:30] = mask[50:60, 50:60] = True
    first, second = measured(mask)
    lesions = [
        {"box": first.box, "shape": "oval"},
        {"box": second.box, "shape": "round"},
    ]
    notes = make_notes({"lesions": lesions}, "", "")
    mask[48:75, 45:75] = True  # the second is the larger one now
    changed = measured(mask)
    assert match_lesions(notes, changed) == (1, 0)
    mask[10:20, 10:30] = False
    mask[80:90, 5:15] = True
    assert match_lesions(notes, measured(mask)) == (1, None)
    assert match_lesions(None, changed) == (None, None)


def test_shape_and_orientation_are_proposed_from_measurements():
    rows, columns = np.mgrid[:200, :200]

    def ellipse(high, wide):
        return ((rows - 100) / high) ** 2 + ((columns - 100) / wide) ** 2 <= 1

    def proposed(mask):
        return propose_descriptors(measured(mask)[0])

    assert proposed(ellipse(20, 50)) == {"shape": "oval", "orientation": "parallel"}
    assert proposed(ellipse(50, 20)) == {"shape": "oval", "orientation": "not parallel"}
    assert proposed(ellipse(40, 41))["shape"] == "round"
    star = ellipse(20, 80) | ellipse(80, 20)
    assert proposed(star)["shape"] == "irregular"
    assert propose_descriptors(replace(measured(star)[0], at_border=True)) == {}


def test_a_worklist_keeps_notes_for_all_readers_and_marked_images_need_no_outline(serve, png, phantom, tmp_path):
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).write_bytes(png)
    ann, ben = serve(folder=tmp_path), serve(folder=tmp_path)
    cases = {}
    for client, name in ((ann, "Ann"), (ben, "Ben")):
        client.put("/v1/session", json={"reader": name})
        cases[name] = f"/v1/cases/{client.post('/v1/worklist/1').json()['key']}/frames/1"
        client.get(cases[name])
    assert ann.put(f"{cases['Ann']}/notes", json={"mark": "skipped", "replaced": ""}).status_code == 200
    refused = ben.put(f"{cases['Ben']}/notes", json={"mark": "unsure", "replaced": ""})
    assert refused.status_code == 409
    assert "Ann" in refused.json()["detail"]
    seen = ben.get(cases["Ben"]).json()["notes"]
    assert (seen["reader"], seen["mark"]) == ("Ann", "skipped")
    items = ben.get("/v1/worklist").json()["items"]
    assert [(item["done"], item["mark"]) for item in items] == [(True, "skipped"), (False, ""), (False, "")]
    assert ben.put(f"{cases['Ben']}/notes", json={"mark": "unsure", "replaced": seen["saved"]}).status_code == 200
    items = ann.get("/v1/worklist").json()["items"]
    assert [(item["done"], item["mark"]) for item in items] == [(False, "unsure"), (False, ""), (False, "")]
    mask = np.zeros(phantom.image.shape, np.uint8)
    mask[100:140, 50:90] = 255
    ann.put(f"{cases['Ann']}/mask", content=png_of(mask))
    assert ann.get("/v1/worklist").json()["items"][0]["done"]
    log = [json.loads(line) for line in (tmp_path / "reviewed" / "audit.jsonl").read_text().splitlines()]
    assert [(line["action"], line["reader"]) for line in log] == [("noted", "Ann"), ("noted", "Ben"), ("saved", "Ann")]


def open_dicom(client, phantom, path):
    """Have Ann Lee open the phantom as a calibrated DICOM file; the client, the address of the case and its lesion."""
    height, width = phantom.image.shape
    wrap_dicom(path, phantom.image, regions=[region(0, 0, height, width, (0.1, 0.1))])
    client.put("/v1/session", json={"reader": "Ann Lee"})
    case = f"/v1/cases/{upload(client, path.read_bytes(), 'a.dcm').json()['key']}"
    (lesion,) = client.get(f"{case}/frames/1").json()["lesions"]
    return client, case, lesion


def test_descriptors_and_comment_are_in_the_dicom_report_of_a_download(serve, phantom, tmp_path):
    highdicom = pytest.importorskip("highdicom", reason="the extra dicom is not installed")
    client, case, lesion = open_dicom(serve(), phantom, tmp_path / "a.dcm")
    described = {"box": lesion["box"], "shape": "oval", "margin": "spiculated"}
    client.put(f"{case}/frames/1/notes", json={"comment": "Grew since May.", "lesions": [described]})
    (tmp_path / "sr.dcm").write_bytes(client.get(f"{case}/sr.dcm").content)
    report = highdicom.sr.srread(tmp_path / "sr.dcm")
    (group,) = report.content.get_planar_roi_measurement_groups()
    stated = {one.name.meaning: one.value.meaning for one in group.get_qualitative_evaluations()}
    assert (stated["Shape"], stated["Margins"]) == ("Ovoid shape (Oval)", "Spiculated lesion")
    assert "Echo pattern" not in stated
    assert "Grew since May." in report.to_json()
    assert "Ann Lee^" in report.to_json()


def test_a_rejected_lesion_is_recorded_with_its_reader_until_it_is_outlined_again(serve, phantom, png):
    client = serve()
    case, answer = open_case(client, png)
    (lesion,) = answer["lesions"]
    outline = {name: lesion[name] for name in ("box", "area_px", "centroid")}

    def noted(**body):
        return client.put(f"{case}/frames/1/notes", json=body).json()

    def downloaded():
        (image,) = client.get(f"{case}/lesions.json").json()["images"]
        return image["rejected"]

    (rejected,) = noted(rejected=[outline])["rejected"]
    assert downloaded() == []  # it is outlined as yet
    client.put(f"{case}/frames/1/mask", content=png_of(np.zeros(phantom.image.shape, np.uint8)))
    assert downloaded() == [rejected]
    client.put("/v1/session", json={"reader": "Ann"})  # what was noted without a name gets this one
    assert downloaded() == [rejected | {"reader": "Ann"}]
    assert noted(comment="a rib")["rejected"] == [rejected | {"reader": "Ann"}]
    shifted = np.roll(phantom.mask, 3, axis=0)
    client.put(f"{case}/frames/1/mask", content=png_of(shifted.astype(np.uint8) * 255))
    assert downloaded() == []
    client.put(f"{case}/frames/1/mask", content=png_of(np.zeros(phantom.image.shape, np.uint8)))
    assert noted(rejected=[])["rejected"] == downloaded() == []


def test_decisions_on_lesions_are_in_the_dicom_report_with_person_and_time(serve, phantom, tmp_path):
    highdicom = pytest.importorskip("highdicom", reason="the extra dicom is not installed")
    client, case, lesion = open_dicom(serve(), phantom, tmp_path / "a.dcm")
    outline = {name: lesion[name] for name in ("box", "area_px", "centroid")}
    other = {"box": [400, 10, 20, 30], "area_px": 600, "centroid": [409.5, 24.5]}
    notes = client.put(f"{case}/frames/1/notes", json={"accepted": [outline], "rejected": [other]}).json()

    def decision_of(group):
        assert "decision" in [one.name.value for one in group.get_qualitative_evaluations()]
        (item,) = [one for one in group[0].ContentSequence if one.ConceptNameCodeSequence[0].CodeValue == "decision"]
        (person,) = item.ContentSequence
        assert (person.RelationshipType, person.ConceptNameCodeSequence[0].CodeValue) == ("HAS OBS CONTEXT", "121008")
        return item.ConceptCodeSequence[0].CodeMeaning, str(person.PersonName), str(item.ObservationDateTime)

    def report():
        (tmp_path / "sr.dcm").write_bytes(client.get(f"{case}/sr.dcm").content)
        assert faults(tmp_path / "sr.dcm") == []
        return highdicom.sr.srread(tmp_path / "sr.dcm").content

    when = notes["saved"].translate(str.maketrans("", "", "-:TZ")) + "000+0000"  # milliseconds
    (group,) = report().get_planar_roi_measurement_groups()
    assert decision_of(group) == ("Accepted", "Ann Lee^", when)
    (group,) = report().get_image_measurement_groups()
    assert decision_of(group) == ("Rejected", "Ann Lee^", when)
    assert "rows 401 to 420, columns 11 to 40" in client.get(f"{case}/sr.dcm").content.decode("latin-1")
    client.put(f"{case}/frames/1/mask", content=png_of(np.zeros(phantom.image.shape, np.uint8)))
    nothing, rejected = report().get_image_measurement_groups()
    assert [one.value.meaning for one in nothing.get_qualitative_evaluations()] == ["No tumour found"]
    assert decision_of(rejected)[0] == "Rejected"


def test_an_accepted_lesion_keeps_its_reader_until_its_outline_changes(serve, png, phantom, tmp_path):
    (tmp_path / "a.png").write_bytes(png)
    ann, ben = serve(folder=tmp_path), serve(folder=tmp_path)
    frames = {}
    for client in (ann, ben):
        case = f"/v1/cases/{client.post('/v1/worklist/1').json()['key']}"
        frames[client] = f"{case}/frames/1"
    (lesion,) = ann.get(frames[ann]).json()["lesions"]
    outline = {name: lesion[name] for name in ("box", "area_px", "centroid")}
    assert ann.put(f"{frames[ann]}/notes", json={"accepted": [outline]}).json()["accepted"][0]["reader"] == ""
    ann.put("/v1/session", json={"reader": "Ann"})  # what was noted without a name gets this one
    ben.put("/v1/session", json={"reader": "Ben"})
    (known,) = ben.get(frames[ben]).json()["notes"]["accepted"]
    assert known["reader"] == "Ann"
    noted = ben.put(f"{frames[ben]}/notes", json={"comment": "seen", "accepted": [outline]}).json()
    assert (noted["reader"], noted["accepted"]) == ("Ben", [known])
    assert ben.put(f"{frames[ben]}/notes", json={"comment": "seen twice"}).json()["accepted"] == [known]

    def downloaded():
        (image,) = ben.get(f"{frames[ben].removesuffix('/frames/1')}/lesions.json").json()["images"]
        return [one["accepted"] for one in image["lesions"]]

    assert downloaded() == [{"reader": "Ann", "saved": known["saved"]}]
    mask = phantom.mask.copy()
    mask[400:410, 50:60] = True
    ben.put(f"{frames[ben]}/mask", content=png_of(mask.astype(np.uint8) * 255))
    assert downloaded() == [None, None]
    ben.delete(f"{frames[ben]}/mask")
    assert downloaded() == [{"reader": "Ann", "saved": known["saved"]}]
    assert ben.put(f"{frames[ben]}/notes", json={"accepted": []}).json()["accepted"] == []
    refused = ben.put(f"{frames[ben]}/notes", json={"accepted": [{"box": [1, 2, 3, 4]}]})
    assert refused.status_code == 422
    assert "centroid" in refused.json()["detail"]
