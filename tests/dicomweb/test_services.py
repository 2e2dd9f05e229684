"""What services answer, well and badly, by a service of the tests; how often it is asked again."""

import json
from contextlib import contextmanager
from io import BytesIO

import numpy as np
import pytest

pytest.importorskip("dicomweb_client", reason="the extra dicomweb is not installed")

import pydicom
from tests.local_server import QuietHandler, local_server
from tests.read.wrap import wrap_dicom

from salus.cli import main
from salus.dicomweb.answers import Unreachable
from salus.dicomweb.retry import LONGEST, with_retries
from salus.dicomweb.service import Service, open_service
from salus.dicomweb.study import PAGE, Instance, fetch_instances, find_instances
from salus.errors import SalusError

STUDY, SERIES, US = "1.2.3", "1.2.3.4", "1.2.840.10008.5.1.4.1.1.6.1"


@contextmanager
def service(answer):
    """A service that answers each GET by a function of the path: status, headers and body."""
    asked = []

    class Handler(QuietHandler):
        def do_GET(self):
            asked.append((self.path, dict(self.headers)))
            status, headers, body = answer(self.path, len(asked))
            self.answer(status, headers, body)

    with local_server(Handler) as address:
        yield f"{address}/dicom-web", asked


def listing(*uids, study=STUDY, sop_class=US):
    items = [
        {
            tag: {"vr": "UI", "Value": [value]}
            for tag, value in (("0020000D", study), ("0020000E", SERIES), ("00080018", uid), ("00080016", sop_class))
        }
        for uid in uids
    ]
    return 200, {"Content-Type": "application/dicom+json"}, json.dumps(items).encode()


def multipart(path):
    content = path.read_bytes()
    body = b"--part\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n--part--\r\n"
    return 200, {"Content-Type": 'multipart/related; type="application/dicom"; boundary=part'}, body


def offset_of(path):
    return int(path.partition("offset=")[2].partition("&")[0] or 0)


def test_long_studies_are_listed_page_by_page():
    uids = [f"1.2.{number}" for number in range(2 * PAGE + 7)]
    with (
        service(lambda path, n: listing(*uids[offset_of(path) :][:PAGE])) as (url, asked),
        open_service(Service(url)) as c,
    ):
        assert [instance.uid for instance in find_instances(c, STUDY, tries=1)] == uids
        assert len(asked) == 4


def test_a_service_that_ignores_the_offset_is_asked_twice():
    with service(lambda path, n: listing("1.1", "1.2")) as (url, asked), open_service(Service(url)) as client:
        assert len(find_instances(client, STUDY, tries=1)) == 2
        assert len(asked) == 2


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        (listing("1.1", study="9.9"), "another study"),
        (listing("../../x"), "no UID"),
        ((200, {"Content-Type": "application/dicom+json"}, b'[{"a": 1}]'), "without its UIDs"),
    ],
)
def test_listings_that_make_no_sense_are_refused(answer, text):
    with (
        service(lambda path, n: answer if n == 1 else listing()) as (url, _),
        open_service(Service(url)) as client,
        pytest.raises(SalusError, match=text),
    ):
        find_instances(client, STUDY, tries=1)


@pytest.mark.parametrize(("status", "times"), [(503, 4), (500, 4), (429, 4), (401, 1), (403, 1), (404, 1), (400, 1)])
def test_only_what_may_pass_is_tried_again(status, times, monkeypatch):
    monkeypatch.setattr("salus.dicomweb.retry.FIRST", 0.001)
    with (
        service(lambda path, n: (status, {}, b"words about Doe^Jane")) as (url, asked),
        open_service(Service(url)) as c,
    ):
        with pytest.raises(Unreachable, match=f"HTTP status {status}$"):
            find_instances(c, STUDY, tries=4)
        assert len(asked) == times


def test_pauses_grow_are_told_and_follow_the_service():
    pauses, told = [], []
    reasons = [Unreachable("a"), Unreachable("b", pause=7), Unreachable("c", pause=1e9), Unreachable("d")]

    def work():
        if reasons:
            raise reasons.pop(0)
        return "done"

    assert with_retries(work, 5, lambda reason, s: told.append((reason, s)), pauses.append) == "done"
    assert [reason for reason, _ in told] == list("abcd")
    assert [seconds for _, seconds in told] == pauses
    assert 0.25 <= pauses[0] <= 0.5
    assert pauses[1:3] == [7, LONGEST]
    assert 2 <= pauses[3] <= 4


def test_objects_are_fetched_once_and_damaged_ones_are_told(tmp_path):
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    files = {}
    for uid in ("1.1", "1.2"):
        files[uid] = wrap_dicom(tmp_path / f"{uid}.dcm", pixels, SOPInstanceUID=uid)

    def answer(path, n):
        uid = path.rpartition("/instances/")[2]
        if uid == "1.3":
            return 200, {"Content-Type": 'multipart/related; type="application/dicom"; boundary=part'}, b"--part--"
        if uid == "1.4":
            return multipart(files["1.1"])  # another object
        return multipart(files[uid]) if uid in files else (404, {}, b"")

    instances = [Instance(STUDY, SERIES, uid, US) for uid in ("1.1", "1.2", "1.3", "1.4", "1.5")]
    with service(answer) as (url, asked), open_service(Service(url)) as client:
        for _ in range(2):
            paths, failures = fetch_instances(client, instances, tmp_path / "received", tries=2)
            assert [path.name for path in paths] == ["1.1.dcm", "1.2.dcm"]
            assert [line.partition(":")[0] for line in failures] == ["1.3", "1.4", "1.5"]
        assert len(asked) == 5 + 3
    fetched = pydicom.dcmread(paths[1])
    assert fetched.SOPInstanceUID == "1.2"
    assert np.array_equal(fetched.pixel_array, pydicom.dcmread(BytesIO(files["1.2"].read_bytes())).pixel_array)


def test_the_destination_on_another_host_is_not_told_the_source_s_token(monkeypatch):
    from argparse import Namespace

    from salus.cli.dicomweb_options import destination_service

    shared = {"ca": "", "certificate": "", "key": "", "token_env": "SECRET", "user": "", "password_env": ""}
    to = {"to_token_env": "", "to_user": "", "to_password_env": ""}
    for source, destination, expected in [
        ("https://a.example/dicom-web", "https://a.example/other", "SECRET"),
        ("https://a.example/dicom-web", "https://A.example:443/x", ""),
        ("https://a.example/dicom-web", "http://a.example/dicom-web", ""),
        ("https://a.example/dicom-web", "https://b.example/dicom-web", ""),
        (None, "https://b.example/dicom-web", "SECRET"),
    ]:
        args = Namespace(source=source, destination=destination, **shared, **to)
        assert destination_service(args).token_env == expected
    own = Namespace(source=source, destination=destination, **shared, **(to | {"to_token_env": "OWN"}))
    assert destination_service(own).token_env == "OWN"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "name an INPUT"),
        (["--from", "http://x"], "--study go together"),
        (["--study", "1.2"], "goes with --from"),
        (["--from", "http://x", "--study", "../1"], "no UID"),
        (["--from", "ftp://x", "--study", "1.2"], "begins with http"),
        (["a.png", "--from", "http://x", "--study", "1.2"], "give one of both"),
        (["a.png", "--series", "1.2", "--to", "http://x"], "--series goes with"),
        (["a.png", "--to", "http://x", "--output", "png"], "sends DICOM objects"),
        (["a.png", "--to", "http://x", "--token-env", "NOT_SET_AT_ALL"], "NOT_SET_AT_ALL is not set"),
        (["a.png", "--to", "http://x", "--user", "me"], "together"),
        (["a.png", "--to", "http://x", "--ca", "absent.pem"], "absent.pem: no such file"),
        (["a.png", "--to", "http://x", "--tries", "0"], "give 1 or more"),
        (["a.png", "--to", "http://x", "--engine", "ray"], "not with --engine ray"),
        (["--engine", "ray"], "name an INPUT"),
    ],
)
def test_mistakes_are_told_before_any_work(arguments, text, tmp_path, capsys):
    assert main(["segment", *arguments, "-o", str(tmp_path / "out")]) == 2
    assert text in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
