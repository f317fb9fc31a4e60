"""The TLS port: who may come in, and bytes that are no TLS."""

from __future__ import annotations

import socket
import ssl
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import raw_http2 as http2
from certificates import Authority
from conftest import LIMITS, good_request, publish_models
from raw_http2 import RawConnection, message
from serving import ServerProcess, wait_until

Start = Callable[..., ServerProcess]
GOOD = message(good_request().SerializeToString())


@pytest.fixture
def front() -> str:
    pytest.importorskip("penstock.serve._front", reason="the native front is not built here")
    return "native"


class Site:
    """A server with TLS, and what its clients need."""

    def __init__(self, folder: Path, repository: Path, server: Start, *, mutual: bool) -> None:
        publish_models(repository)
        self.authority = Authority(folder)
        certificate, key = self.authority.issue("server")
        tls = {"certificate": str(certificate), "key": str(key)}
        if mutual:
            tls["client_ca"] = str(self.authority.path)
        limits = LIMITS | {"message_bytes": 64 * 2**20, "handshake_s": 0.5}
        self.process = server(tls=tls, limits=limits, drain_timeout_s=5.0)

    def context(
        self, *, alpn: tuple[str, ...] = ("h2",), certified: Authority | None = None
    ) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=str(self.authority.path))
        if alpn:
            made.set_alpn_protocols(list(alpn))
        if certified is not None:
            certificate, key = certified.issue("client")
            made.load_cert_chain(certificate, key)
        return made

    def check(self, context: ssl.SSLContext) -> None:
        """A call is answered."""
        with RawConnection(self.process.grpc, tls=context).start() as client:
            assert client.answer(client.open(body=GOOD)).status == 0
            assert client.answer(client.open(http2.LIVE, message(b""))).status == 0

    def finish(self, context: ssl.SSLContext) -> None:
        self.check(context)
        open_now = "penstock_front_open_connections"
        wait_until(lambda: self.process.metric(open_now) == 0, what="an end of all connections")
        assert self.process.stop() == 0


@pytest.fixture
def site(tmp_path: Path, repository: Path, server: Start) -> Site:
    return Site(tmp_path, repository, server, mutual=False)


@pytest.fixture
def mutual(tmp_path: Path, repository: Path, server: Start) -> Site:
    return Site(tmp_path, repository, server, mutual=True)


def test_a_large_message_and_its_answer(site: Site) -> None:
    """Larger than any buffer between, so that both directions stop and go on."""
    context = site.context()
    with RawConnection(site.process.grpc, tls=context).start() as client:
        client.read_until(lambda: client.server_settings is not None)
        client.window(0, 2**30)
        body = message(good_request(200_000).SerializeToString())
        # A mebibyte at a time: the window of the stream.
        stream, (headers, *_) = client.build(body=b"", end=False)
        client.send(headers)
        for start in range(0, len(body), 2**19):
            part = body[start : start + 2**19]
            client.send(*client.data(stream, part, end=start + len(part) == len(body)))
            client.window(stream, 2**20)
        assert client.answer(stream).status == 0
        assert len(client.answers[stream].data) > 16 * 200_000
    site.finish(context)


def is_refused(site: Site, context: ssl.SSLContext) -> bool:
    """Tell whether a call ends without an answer: in the handshake, or, as TLS 1.3 has it, right after."""
    try:
        with RawConnection(site.process.grpc, tls=context).start() as client:
            client.open(body=GOOD)
            client.read_to_end()
            return not client.answers
    except OSError:
        return True


@pytest.mark.parametrize("alpn", [(), ("http/1.1",), ("spdy/3", "http/1.1")])
def test_clients_that_do_not_agree_on_http2(site: Site, alpn: tuple[str, ...]) -> None:
    assert is_refused(site, site.context(alpn=alpn))
    site.finish(site.context(alpn=("http/1.1", "h2")))


def test_an_old_version_of_tls(site: Site) -> None:
    context = site.context()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    site.check(context)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    assert is_refused(site, context)
    site.finish(site.context())


def hello(context: ssl.SSLContext) -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


@pytest.mark.parametrize("fault", ["http1", "http2", "zeros", "cut", "flipped", "silence", "twice"])
def test_bytes_that_are_no_tls(site: Site, fault: str) -> None:
    """Each connection ends at once, or when its time for the handshake is over."""
    good = hello(site.context())
    data = {
        "http1": b"GET / HTTP/1.1\r\n\r\n",
        "http2": http2.PREFACE + http2.settings(),
        "zeros": b"\0" * 5000,
        "cut": good[: len(good) // 2],
        "flipped": good[:20] + bytes([good[20] ^ 0xFF]) + good[21:],
        "silence": b"",
        "twice": good * 2,
    }[fault]
    with RawConnection(site.process.grpc) as client:
        client.send(data)
        client.socket.settimeout(20)
        try:
            while client.socket.recv(4096):
                pass
        except ConnectionResetError:
            pass
    site.finish(site.context())


def test_clients_without_the_right_certificate(mutual: Site, tmp_path: Path) -> None:
    folder = tmp_path / "stranger"
    folder.mkdir()
    mutual.check(mutual.context(certified=mutual.authority))
    for certified in (None, Authority(folder)):
        assert is_refused(mutual, mutual.context(certified=certified))
    mutual.finish(mutual.context(certified=mutual.authority))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_that_are_resumed(mutual: Site, version: ssl.TLSVersion) -> None:
    """Clients that come again with their session, as many do, are let in again."""
    context = mutual.context(certified=mutual.authority)
    context.minimum_version = context.maximum_version = version
    session = None
    host, _, port = mutual.process.grpc.rpartition(":")
    for _ in range(3):
        raw = socket.create_connection((host, int(port)))
        secure = context.wrap_socket(raw, server_hostname="localhost", session=session)
        client = RawConnection.over(secure).start()
        assert client.answer(client.open(body=GOOD)).status == 0
        session = secure.session
        client.close()
    mutual.finish(context)
