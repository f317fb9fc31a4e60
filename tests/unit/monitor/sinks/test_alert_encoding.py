"""Alerts as JSON, there and back."""

from __future__ import annotations

import json

import pytest
from alert_receivers import make_alert
from hypothesis import given
from hypothesis import strategies as st

from penstock.errors import ConfigError
from penstock.monitor.alerts import Alert, Finding
from penstock.monitor.sinks.encoding import decode, encode

TEXT = st.text(st.characters(), max_size=20)
SECONDS = st.floats(0, 4e9)
FINDINGS = st.builds(
    Finding,
    subject=TEXT,
    check=TEXT,
    compared_with=TEXT,
    reason=TEXT,
    effect=st.floats(),
    evidence=st.floats(),
    since_s=SECONDS,
    severity=st.sampled_from(["low", "medium", "high"]),
)
ALERTS = st.builds(
    Alert,
    id=TEXT,
    sequence=st.integers(1, 99),
    model=TEXT,
    version=st.integers(1, 99),
    kind=st.sampled_from(["drift", "performance", "data", "operation"]),
    severity=st.sampled_from(["low", "medium", "high"]),
    state=st.sampled_from(["firing", "resolved"]),
    since_s=SECONDS,
    at_s=SECONDS,
    title=TEXT,
    findings=st.lists(FINDINGS, max_size=3).map(tuple),
    share=st.floats(),
    next_steps=st.lists(TEXT, max_size=3).map(tuple),
)


@given(ALERTS)
def test_any_alert_comes_back(alert: Alert) -> None:
    """Lone surrogates, which are text that was not valid UTF-8, included."""
    assert decode(encode(alert)).to_dict() == alert.to_dict()


def test_the_body_is_what_the_alert_says_of_itself() -> None:
    alert = make_alert(title="bad \udcff byte")
    assert json.loads(encode(alert)) == alert.to_dict()
    assert encode(alert).isascii()


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"3", b'{"findings": [3], "share": 1}', b"\xff\xfe"])
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(ConfigError, match="expected an alert"):
        decode(data)
