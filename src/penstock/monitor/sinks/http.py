"""One HTTP address that alerts are posted to."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import SplitResult, unquote, urlsplit

from penstock import __version__
from penstock.errors import ConfigError
from penstock.monitor.sinks.sink import DeliveryError

if TYPE_CHECKING:
    import httpcore

__all__ = ["Endpoint"]

_REFUSED: Final = frozenset({400, 413, 422})
"""Statuses that speak of the message itself; every other one may pass once somebody repairs something."""


class Endpoint:
    """An address to post JSON to.

    Parameters
    ----------
    url : str
        ``http`` or ``https``; ``user:password@`` in front of the host becomes basic authorisation.
    timeout_s : float
        Of a whole post, from looking up the name to the status line.

    Raises
    ------
    ConfigError
        When it is not such a URL.

    Notes
    -----
    Paths and queries of webhooks are often secret, so only scheme, host and port are ever shown.
    Redirects are not followed, no proxy is used, and the body of the answer is not read.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        parts = _split(url)
        host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else str(parts.hostname)
        self._shown = f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")
        self._url = parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment="").geturl()
        self._timeout_s = timeout_s
        self._headers = {"Content-Type": "application/json", "User-Agent": f"penstock/{__version__}"}
        if parts.username is not None:
            who = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = "Basic " + base64.b64encode(who.encode()).decode("ascii")
        self._context = ssl.create_default_context() if parts.scheme == "https" else None

    def __repr__(self) -> str:
        return f"Endpoint({self._shown})"

    def post(self, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Post a body; return once a status of success came.

        Raises
        ------
        DeliveryError
            When no such status came in time; permanent where the receiver refused the body.
        """
        import httpcore

        try:
            response = asyncio.run(self._post(body, self._headers | dict(headers or {})))
        except TimeoutError:
            raise DeliveryError(f"{self._shown}: no answer within {self._timeout_s:g} s") from None
        except (OSError, ValueError, httpcore.NetworkError, httpcore.ProtocolError) as error:
            cause = _cause(error)
            raise DeliveryError(f"{self._shown}: {type(cause).__name__}: {cause}") from None
        if not 200 <= response.status < 300:
            raise self._failure(response)

    async def _post(self, body: bytes, headers: Mapping[str, str]) -> httpcore.Response:
        import httpcore

        # The limit stands around everything: limits on single reads let a trickle go on for ever.
        async with (
            asyncio.timeout(self._timeout_s),
            httpcore.AsyncConnectionPool(ssl_context=self._context) as pool,
            pool.stream("POST", self._url, headers=list(headers.items()), content=body) as response,
        ):
            return response

    def _failure(self, response: httpcore.Response) -> DeliveryError:
        status = response.status
        if 300 <= status < 400:
            hint = "; redirects are not followed, so configure the address it leads to"
            return DeliveryError(f"{self._shown}: expected a status of 2xx, got {status}{hint}")
        wait = next((value for name, value in response.headers if name.lower() == b"retry-after"), b"")
        return DeliveryError(
            f"{self._shown}: expected a status of 2xx, got {status}",
            permanent=status in _REFUSED,
            retry_after_s=float(wait) if wait.isdigit() else 0.0,
        )


def _cause(error: BaseException) -> BaseException:
    """Return what the layers below said, such as that a connection was refused."""
    if isinstance(error, BaseExceptionGroup):
        return _cause(error.exceptions[0])
    below = error.__cause__ or error.__context__
    return error if below is None else _cause(below)


def _split(url: str) -> SplitResult:
    expected = "expected a URL such as https://host/path"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise ConfigError(f"{expected}, got one that cannot be read") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{expected}, got {'none' if not url else 'another scheme, or no host'}")
    if not url.isascii() or any(char <= " " for char in url):
        raise ConfigError(f"{expected}, got one with spaces or letters beyond ASCII; escape them")
    return parts
