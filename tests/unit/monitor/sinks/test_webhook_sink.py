"""Webhooks against real HTTP servers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from alert_receivers import Receiver, make_alert
from certificates import Authority

from penstock.errors import ConfigError
from penstock.monitor.sinks import DeliveryError
from penstock.monitor.sinks.webhook import WebhookSink


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def test_posts_the_alert_as_json(receiver: Receiver) -> None:
    alert = make_alert("5f")
    WebhookSink(f"http://{receiver.host}/hooks/T0?key=1").send(alert)
    (request,) = receiver.requests
    assert request.path == "/hooks/T0?key=1"
    assert json.loads(request.body) == alert.to_dict()
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["X-Penstock-Alert-Id"] == "5f"
    assert request.headers["User-Agent"].startswith("penstock/")
    assert "X-Penstock-Signature" not in request.headers
    assert "Authorization" not in request.headers


def test_signs_timestamp_and_body_anew_at_every_attempt(receiver: Receiver, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    times = iter((1_700_000_000.9, 1_700_000_005.0))
    secret.write_text("s3cret\n")
    sink = WebhookSink(f"http://{receiver.host}/", secret_file=str(secret), clock=lambda: next(times))
    sink.send(make_alert())
    secret.write_text("another")
    sink.send(make_alert())
    for request, key, at in zip(
        receiver.requests, (b"s3cret", b"another"), ("1700000000", "1700000005"), strict=True
    ):
        expected = hmac.new(key, f"{at}.".encode() + request.body, hashlib.sha256).hexdigest()
        assert request.headers["X-Penstock-Timestamp"] == at
        assert request.headers["X-Penstock-Signature"] == f"sha256={expected}"


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_every_success_is_delivery(receiver: Receiver, status: int) -> None:
    receiver.status = status
    WebhookSink(f"http://{receiver.host}/").send(make_alert())


@pytest.mark.parametrize(
    "status", [301, 304, 307, 400, 401, 403, 404, 408, 410, 413, 422, 429, 500, 502, 503]
)
def test_only_a_refusal_of_the_message_is_permanent(receiver: Receiver, status: int) -> None:
    receiver.status = status
    with pytest.raises(DeliveryError, match=f"expected a status of 2xx, got {status}") as caught:
        WebhookSink(f"http://{receiver.host}/").send(make_alert())
    assert caught.value.permanent == (status in (400, 413, 422))


@pytest.mark.parametrize(
    ("told", "wait_s"), [("120", 120.0), ("0", 0.0), ("-1", 0.0), ("soon", 0.0), ("", 0.0)]
)
def test_a_receiver_says_when_to_come_back(receiver: Receiver, told: str, wait_s: float) -> None:
    receiver.status, receiver.headers = 429, {"Retry-After": told}
    with pytest.raises(DeliveryError) as caught:
        WebhookSink(f"http://{receiver.host}/").send(make_alert())
    assert caught.value.retry_after_s == wait_s


def test_redirects_are_not_followed(receiver: Receiver) -> None:
    with Receiver() as other:
        receiver.status, receiver.headers = 307, {"Location": f"http://{other.host}/"}
        with pytest.raises(DeliveryError, match="redirects are not followed"):
            WebhookSink(f"http://{receiver.host}/").send(make_alert())
        assert not other.requests


def test_user_and_password_become_basic_authorisation(receiver: Receiver) -> None:
    sink = WebhookSink(f"http://ops:p%40ss@{receiver.host}/in")
    sink.send(make_alert())
    (request,) = receiver.requests
    assert request.headers["Authorization"] == "Basic " + base64.b64encode(b"ops:p@ss").decode()
    assert request.headers["Host"] == receiver.host


def test_nobody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(DeliveryError, match=rf"^http://127\.0\.0\.1:{port}: ConnectionRefused") as caught:
        WebhookSink(f"http://127.0.0.1:{port}/path-secret?key-secret").send(make_alert())
    assert "secret" not in str(caught.value)


def test_nothing_shows_a_secret(receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    secret = tmp_path / "file"
    secret.write_text("hidden-key")
    caplog.set_level(0)
    receiver.status = 404
    sink = WebhookSink(f"http://me:hidden-pass@{receiver.host}/hidden-path?hidden=1", secret_file=str(secret))
    with pytest.raises(DeliveryError) as caught:
        sink.send(make_alert())
    shown = f"{sink!r}{vars(sink)!r}{caught.value}{caplog.text}"
    assert receiver.requests[0].path == "/hidden-path?hidden=1"
    assert "hidden" not in shown.replace(str(tmp_path), "")


def test_a_secret_that_cannot_be_read(receiver: Receiver, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        WebhookSink("http://localhost/", secret_file=str(secret))
    secret.write_text(" \n")
    with pytest.raises(ConfigError, match="got an empty file"):
        WebhookSink("http://localhost/", secret_file=str(secret))
    secret.write_text("key")
    sink = WebhookSink(f"http://{receiver.host}/", secret_file=str(secret))
    secret.unlink()
    with pytest.raises(DeliveryError, match="cannot be read") as caught:
        sink.send(make_alert())
    assert not caught.value.permanent
    assert not receiver.requests


def test_tls_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(tmp_path)
    with Receiver(authority.issue("server")) as receiver:
        url = f"https://{receiver.host}/"
        with pytest.raises(DeliveryError, match=r"(?i)certificate.verify.failed"):
            WebhookSink(url).send(make_alert())
        assert not receiver.requests
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
        WebhookSink(url).send(make_alert())
        assert len(receiver.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "",
        "host/path",
        "ftp://h/",
        "http://",
        "http:///x",
        "http://[::1",
        "http://h:99999/",
        "http://h/ b",
        "http://é/",
    ],
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="expected a URL such as"):
        WebhookSink(url)
