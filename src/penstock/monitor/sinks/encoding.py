"""Alerts as JSON: what webhooks and commands get, and what waits on disk."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec

from penstock.errors import ConfigError
from penstock.monitor.alerts import Alert

__all__ = ["decode", "encode", "from_plain"]


def encode(alert: Alert) -> bytes:
    """Return an alert as ASCII JSON; text that is not valid Unicode stays escaped, so nothing fails here."""
    return json.dumps(alert.to_dict(), allow_nan=False).encode("ascii")


def decode(data: bytes) -> Alert:
    """Return the alert that :func:`encode` was given.

    Raises
    ------
    ConfigError
        When the bytes are not an alert.

    Examples
    --------
    >>> alert = Alert(id="a1", model="m", version=1, kind="drift", severity="low", state="firing",
    ...               since_s=0.0, at_s=60.0, title="age moved", findings=())
    >>> decode(encode(alert)).title
    'age moved'
    """
    try:
        return from_plain(json.loads(data))
    except ValueError as error:
        raise ConfigError(f"expected an alert as JSON, got {len(data)} bytes: {error}") from None


def from_plain(plain: Any) -> Alert:
    """Return the alert that :meth:`Alert.to_dict` made plain.

    Raises
    ------
    ConfigError
        When it is not one.
    """
    try:
        findings = [finding | _numbers(finding, "effect", "evidence") for finding in plain["findings"]]
        return msgspec.convert(plain | _numbers(plain, "share") | {"findings": findings}, Alert)
    except (KeyError, TypeError, msgspec.ValidationError) as error:
        raise ConfigError(f"expected an alert, got something else: {error}") from None


def _numbers(plain: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: math.nan for name in names if plain[name] is None}
