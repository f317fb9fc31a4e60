"""TLS credentials of the gRPC port, checked when they are read."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import grpc

from penstock.config import TlsConfig
from penstock.errors import ConfigError

__all__ = ["check_tls", "server_credentials"]


def check_tls(tls: TlsConfig) -> None:
    """Raise ConfigError when the files cannot be read or do not belong together."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.certificate, tls.key, password=_no_password)
        if tls.client_ca is not None:
            context.load_verify_locations(tls.client_ca)
    except ssl.SSLError as error:
        reason = error.reason or "not valid PEM"
        raise ConfigError(f"server.tls: certificate, key and client_ca do not work: {reason}") from None
    except OSError as error:
        raise ConfigError(f"server.tls: {_unreadable(tls)} cannot be read: {error.strerror}") from None


def server_credentials(tls: TlsConfig) -> Any:
    """Return grpc's credentials; with ``client_ca`` every client must show a certificate."""
    check_tls(tls)
    authority = Path(tls.client_ca).read_bytes() if tls.client_ca else None
    pair = (Path(tls.key).read_bytes(), Path(tls.certificate).read_bytes())
    return grpc.ssl_server_credentials(
        [pair], root_certificates=authority, require_client_auth=authority is not None
    )


def _no_password() -> str:
    raise ConfigError("server.tls: the key is encrypted; expected one without a passphrase")


def _unreadable(tls: TlsConfig) -> str:
    for path in (tls.certificate, tls.key, tls.client_ca):
        if path is not None and not Path(path).is_file():
            return path
    return tls.key
