"""The checks before every request: by what name, from which page, with which token; and the security headers."""

import pytest

from salus.serve.guard import SECURITY_HEADERS

TOKEN = "a token of some length"


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:8765", "[::1]:8765", "LOCALHOST"])
def test_the_servers_own_names_are_accepted(client, host):
    assert client.get("/v1/info", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "127.0.0.1.evil.example", "192.168.1.7", ""])
def test_other_names_are_refused(client, host):
    assert client.get("/v1/info", headers={"host": host}).status_code == 400


def test_a_server_for_other_computers_accepts_addresses_and_given_names(serve):
    client = serve(host="0.0.0.0", names=("scans.clinic",))
    for host, status in (("192.168.1.7:80", 200), ("scans.clinic", 200), ("evil.example", 400)):
        assert client.get("/v1/info", headers={"host": host}).status_code == status


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
def test_pages_of_other_sites_are_refused(client, headers, status):
    assert client.post("/v1/session", headers=headers).status_code == status


def test_every_response_carries_the_security_headers(client):
    for path in ("/", "/main.js", "/v1/info", "/v1/cases/none", "/nothing"):
        headers = client.get(path).headers
        assert {name: headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert client.get("/v1/info").headers["cache-control"] == "no-store"
    assert client.get("/main.js").headers["cache-control"] == "no-cache"
    assert "unsafe" not in SECURITY_HEADERS["content-security-policy"]
    assert client.post("/v1/session").headers["set-cookie"].lower().count("httponly; path=/; samesite=strict") == 1


def test_a_token_is_accepted_in_a_header_in_a_form_and_by_a_link_that_works_once(serve):
    client = serve(token=TOKEN)
    code = client.app.authentication.one_time_code
    assert client.get("/v1/health").status_code == 200
    assert client.get("/v1/info").status_code == client.get("/main.js").status_code == 401
    assert client.get("/", follow_redirects=False).headers["location"] == "/enter"
    for wrong in ("Bearer no", f"Basic {TOKEN}", "", f"Bearer {TOKEN}x", "Bearer é"):
        assert client.get("/v1/info", headers={"authorization": wrong.encode()}).status_code == 401
    assert client.get("/v1/info", headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    for wrong in ("salus_pass=no", 'salus_pass="', "salus_pass=é", "\\x00; =;salus_pass"):
        assert client.get("/v1/info", headers={"cookie": wrong.encode()}).status_code == 401
    assert client.post("/enter", data={"token": "no"}).status_code == 401
    assert client.get("/v1/info").status_code == 401
    response = client.get("/enter", params={"code": code})
    assert response.status_code == 200
    assert TOKEN not in response.headers["set-cookie"]
    assert client.get("/v1/info").status_code == 200
    client.cookies.clear()
    assert client.get("/enter", params={"code": code}).status_code == 401
    assert client.post("/enter", data={"token": TOKEN}).status_code == 200
    assert client.get("/v1/info").status_code == 200


def test_an_internal_error_is_logged_without_what_was_sent(client, monkeypatch, capsys):
    monkeypatch.setattr("salus.serve.routes_status.Info", lambda **fields: 1 / 0)
    response = client.get("/v1/info?name=JaneDoe")
    assert response.status_code == 500
    assert "ZeroDivision" not in response.text
    output = capsys.readouterr()
    assert "ZeroDivisionError" in output.err
    assert "JaneDoe" not in output.err + output.out
