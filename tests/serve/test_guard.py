"""Who may call the server, by what name, from which page; what every response carries."""

import pytest
from fastapi.testclient import TestClient

from salus.errors import SalusError
from salus.serve.app import create_app
from salus.serve.guard import HEADERS
from salus.serve.server import listen, settings_for
from salus.serve.settings import ServeSettings

TOKEN = "a token of some length"
OPTIONS = {
    "host": "127.0.0.1", "port": 0, "token": None, "names": (), "folder": None, "output": None, "certificate": None,
    "key": None, "limits": {},
}  # fmt: skip


def client(segmenter, base="http://127.0.0.1:8765", **settings):
    return TestClient(create_app(ServeSettings(**settings), segmenter), base_url=base)


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:8765", "[::1]:8765", "LOCALHOST"])
def test_its_own_names_are_answered(segmenter, host):
    with client(segmenter) as c:
        assert c.get("/v1/info", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "192.168.1.7", ""])
def test_other_names_are_not(segmenter, host):
    with client(segmenter) as c:
        assert c.get("/v1/info", headers={"host": host}).status_code == 400


def test_for_others_addresses_and_given_names_are_answered(segmenter):
    with client(segmenter, host="0.0.0.0", names=("scans.clinic",)) as c:
        for host, status in (("192.168.1.7:80", 200), ("scans.clinic", 200), ("evil.example", 400)):
            assert c.get("/v1/info", headers={"host": host}).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 204),
        ({"origin": "http://127.0.0.1:8765", "sec-fetch-site": "same-origin"}, 204),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
    ],
)
def test_a_page_of_another_site_reaches_nothing(segmenter, headers, status):
    with client(segmenter) as c:
        assert c.post("/v1/session", headers=headers).status_code == status


def test_every_response_carries_the_headers(segmenter):
    with client(segmenter) as c:
        for path in ("/", "/main.js", "/v1/info", "/v1/cases/none", "/nothing"):
            told = c.get(path).headers
            assert {name: told[name] for name in HEADERS} == HEADERS
        assert c.get("/v1/info").headers["cache-control"] == "no-store"
        assert "unsafe" not in HEADERS["content-security-policy"]
        assert c.post("/v1/session").headers["set-cookie"].lower().count("httponly; path=/; samesite=strict") == 1


def test_a_token_opens_by_header_form_and_a_link_that_works_once(segmenter):
    with client(segmenter, token=TOKEN) as c:
        code = c.app.door.code
        assert c.get("/v1/health").status_code == 200
        assert c.get("/v1/info").status_code == c.get("/main.js").status_code == 401
        assert c.get("/", follow_redirects=False).headers["location"] == "/enter"
        for wrong in ("Bearer no", f"Basic {TOKEN}", "", f"Bearer {TOKEN}x", "Bearer é"):
            assert c.get("/v1/info", headers={"authorization": wrong.encode()}).status_code == 401
        assert c.get("/v1/info", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert c.post("/enter", data={"token": "no"}).status_code == 401
        assert c.get("/v1/info").status_code == 401
        entered = c.get("/enter", params={"code": code})
        assert entered.status_code == 200
        assert TOKEN not in entered.headers["set-cookie"]
        assert c.get("/v1/info").status_code == 200
        c.cookies.clear()
        assert c.get("/enter", params={"code": code}).status_code == 401
        assert c.post("/enter", data={"token": TOKEN}).status_code == 200
        assert c.get("/v1/info").status_code == 200


def test_other_computers_need_a_token_which_is_made_where_none_is_given():
    assert settings_for(**OPTIONS).token is None
    made = {settings_for(**OPTIONS | {"host": "0.0.0.0"}).token for _ in range(2)}
    assert len(made) == 2
    assert all(len(token) > 30 for token in made)
    with pytest.raises(SalusError, match="16 ASCII characters"):
        settings_for(**OPTIONS | {"host": "0.0.0.0", "token": "short"})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"certificate": "a.pem"}, "go together"),
        ({"output": "out"}, "--folder"),
        ({"limits": {"waiting": 0}}, "waiting 0"),
    ],
)
def test_options_that_make_no_sense(change, said):
    with pytest.raises(SalusError, match=said):
        settings_for(**OPTIONS | change)


def test_a_port_that_is_taken_is_told():
    with listen(ServeSettings(port=0)) as first, pytest.raises(SalusError, match="--port"):
        listen(ServeSettings(port=first.getsockname()[1]))


def test_an_internal_error_is_logged_without_what_was_sent(segmenter, monkeypatch, capsys):
    with client(segmenter) as c:
        monkeypatch.setattr("salus.serve.routes_status.Info", lambda **told: 1 / 0)
        response = c.get("/v1/info?name=JaneDoe")
    assert response.status_code == 500
    assert "ZeroDivision" not in response.text
    said = capsys.readouterr()
    assert "ZeroDivisionError" in said.err
    assert "JaneDoe" not in said.err + said.out
