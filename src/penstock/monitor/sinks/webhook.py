"""Alerts as signed HTTP posts."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable
from pathlib import Path

from penstock.errors import ConfigError
from penstock.monitor.alerts import Alert
from penstock.monitor.sinks.encoding import encode
from penstock.monitor.sinks.http import Endpoint
from penstock.monitor.sinks.sink import DeliveryError

__all__ = ["WebhookSink"]


class WebhookSink:
    """Posts each alert as JSON, signed where there is a secret.

    Parameters
    ----------
    url : str
    secret_file : str
        File whose content, without white space at its ends, is the key; empty leaves the body unsigned.
        It is read at every attempt, so that it can be replaced at any time.
    timeout_s : float
        Of one attempt.
    clock : callable
        Seconds since the epoch.

    Raises
    ------
    ConfigError
        When the URL is not one, or the file cannot be read or is empty.

    Notes
    -----
    ``X-Penstock-Signature`` is ``sha256=`` and the hexadecimal HMAC-SHA256 of the timestamp, a full stop
    and the body. Every attempt is signed anew, so receivers may refuse old timestamps.
    """

    def __init__(
        self,
        url: str,
        *,
        secret_file: str = "",
        timeout_s: float = 10.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._endpoint = Endpoint(url, timeout_s)
        self._secret_file = secret_file
        self._clock = clock
        try:
            self._secret()
        except DeliveryError as error:
            raise ConfigError(str(error)) from None

    def send(self, alert: Alert) -> None:
        """Post an alert."""
        body = encode(alert)
        timestamp = str(int(self._clock()))
        headers = {"X-Penstock-Alert-Id": alert.id, "X-Penstock-Timestamp": timestamp}
        secret = self._secret()
        if secret:
            signature = hmac.new(secret, timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
            headers["X-Penstock-Signature"] = f"sha256={signature}"
        self._endpoint.post(body, headers)

    def _secret(self) -> bytes:
        if not self._secret_file:
            return b""
        try:
            secret = Path(self._secret_file).read_bytes().strip()
        except OSError as error:
            raise DeliveryError(f"{self._secret_file}: cannot be read: {error.strerror}") from None
        if not secret:
            raise DeliveryError(f"{self._secret_file}: expected a secret, got an empty file")
        return secret
