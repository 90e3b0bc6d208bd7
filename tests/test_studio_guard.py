"""Who may come into the studio, and what browsers are told to allow."""

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from studio import HOST

from graftlab.studio import front, guard
from graftlab.studio.front import Front


def refused(answer, status=403):
    assert answer.status_code == status, answer.text
    (sentence,) = answer.json().values()
    assert sentence.endswith(".")
    return sentence


def test_the_address_gives_cookies_to_whoever_has_the_token(studio):
    answer = studio.client.get(f"/?token={studio.guard.token}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookies = answer.headers.get_list("set-cookie")
    assert len(cookies) == 2
    assert all("HttpOnly" in cookie and "SameSite=Strict" in cookie and "-8000=" in cookie for cookie in cookies)
    assert studio.client.get("/api/photos").status_code == 200  # with these cookies
    browser = studio.visit()
    again = browser.get(f"/?token={studio.guard.token}", follow_redirects=False)
    assert again.headers.get_list("set-cookie")[1].startswith(browser.cookie.partition("; ")[2]), "the same visitor"


def test_nothing_comes_without_the_token(studio):
    for path in ("/", "/app.js", "/lib/openseadragon/openseadragon.min.js", "/api/photos"):
        for headers in ({}, {"authorization": "Bearer wrong"}, {"cookie": "graftlab-token-8000=wrong"}):
            assert "?token=" in refused(studio.client.get(path, headers=headers))
        refused(studio.client.get(path, params={"token": "wrong"}))


def test_a_script_brings_the_token_in_a_header(studio):
    bearer = {"authorization": f"Bearer {studio.guard.token}"}
    assert studio.client.get("/api/photos", headers=bearer).status_code == 200
    # nobody becomes another visitor by asking for it
    cookie = {"cookie": f"graftlab-token-8000={studio.guard.token}; graftlab-visitor-8000={'a' * 32}"}
    refused(studio.client.get("/api/photos", headers=cookie))


def test_requests_from_elsewhere_are_refused(studio):
    browser = studio.visit()
    for headers in (
        {"host": "evil.example:8000"},  # DNS rebinding
        {"host": "127.0.0.1:8001"},
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:8001"},
        {"origin": "null"},
    ):
        refused(browser.get("/api/photos", headers=headers))
        with pytest.raises(WebSocketDisconnect), browser.live(**headers):
            pass


def test_the_socket_needs_the_token_and_takes_its_own_origin(studio):
    browser = studio.visit()
    with browser.live(origin=f"http://{HOST}") as live:
        assert live.picture(browser.swap())
    browser.cookie = browser.cookie.replace(studio.guard.token, "wrong")
    with pytest.raises(WebSocketDisconnect), browser.live():
        pass


def test_other_machines_are_let_in_under_any_address_but_no_other_name():
    names = ["192.168.1.5:8000", "[fe80::1]:8000", "evil.example:8000", "192.168.1.5:8001", "127.0.0.1:x", ""]
    assert [guard.is_address(name, 8000) for name in names] == [True, True, False, False, False, False]


def test_a_public_studio_welcomes_everybody_as_somebody(studio):
    studio.guard.public = True
    first = studio.client.get("/", follow_redirects=False)
    assert first.status_code == 303
    cookies = first.headers.get_list("set-cookie")
    assert all("Secure" in cookie for cookie in cookies)
    refused(studio.client.get(first.headers["location"], follow_redirects=False))  # who keeps none is not sent round
    kept = {"cookie": "; ".join(cookie.partition(";")[0] for cookie in cookies)}
    page = studio.client.get(first.headers["location"], headers=kept, follow_redirects=False)
    assert page.status_code == 200
    assert f"wss://{HOST}" in page.headers["content-security-policy"]
    other = studio.client.get("/", follow_redirects=False).headers.get_list("set-cookie")
    assert cookies[1] != other[1]
    refused(studio.client.get("/", headers={**kept, "host": "evil.example"}))
    refused(studio.client.get("/api/photos", headers={**kept, "origin": "https://evil.example"}))


def test_browsers_are_told_to_take_everything_from_here(studio, tmp_path):
    page = tmp_path / "page"
    page.mkdir()
    (page / "index.html").write_text('<script type="importmap">{"a": 1}</script><script src="/app.js"></script>')
    (page / "app.js").write_text("")
    digests = front.inline_scripts(page)
    assert len(digests) == 1
    policed = guard.Guard(Front(lambda: None, page), {HOST}, 8000, scripts=digests)
    with TestClient(policed, base_url=f"http://{HOST}") as client:
        client.get(f"/?token={policed.token}")
        for path, kind in (("/", "text/html"), ("/app.js", "text/javascript")):
            headers = client.get(path).headers
            assert headers["content-type"].startswith(kind)
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "no-referrer"
            policy = headers["content-security-policy"]
            assert f"script-src 'self' '{digests[0]}';" in policy
            assert "default-src 'self'" in policy
            assert "unsafe" not in policy
        assert client.get("/../guard.py").status_code == 404
        assert client.get("/%2e%2e/guard.py").status_code == 404


def test_a_body_that_is_too_long_is_not_read(studio, monkeypatch):
    monkeypatch.setattr(guard, "LARGEST_BODY", 1 << 20)
    browser = studio.visit()
    assert "1 MiB" in refused(browser.add(bytes(1 << 20)), 413)
    pieces = (bytes(1 << 16) for _ in range(20))  # without a length
    kind = {"content-type": "multipart/form-data; boundary=x"}
    assert "1 MiB" in refused(browser.post("/api/photos", content=pieces, headers=kind), 413)
