"""Arguments that make no sense are refused by name before anything is sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from load_servers import PATH

from penstock.load import run_load


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"address": "localhost"}, "host:port"),
        ({"address": "localhost:0"}, "host:port"),
        ({"address": "localhost:http"}, "host:port"),
        ({"path": "Call"}, "path: expected"),
        ({"path": "/a/b c"}, "path: expected"),
        ({"bodies": []}, "at least one message"),
        ({"bodies": ["text"]}, r"bodies\[0\]: expected bytes, got str"),
        ({"expected": [b"", b""]}, "expected one answer for each of 1 bodies, got 2"),
        ({"connections": 0}, "connections: expected 1 to"),
        ({"streams": 0}, "streams: expected 1 to"),
        ({"requests": None}, "requests or seconds"),
        ({"requests": 0}, "requests: expected"),
        ({"seconds": -1.0}, "seconds: expected a positive number"),
        ({"seconds": float("nan")}, "seconds: expected a positive number"),
        ({"rate_per_s": 0.0}, "rate_per_s: expected a positive number"),
        ({"timeout_s": float("inf")}, "timeout_s: expected a positive number"),
        ({"metadata": {"Upper": "x"}}, "metadata"),
        ({"metadata": {"name": "line\nbreak"}}, "metadata"),
    ],
)
def test_refused(changes: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {
        "address": "127.0.0.1:1",
        "path": PATH,
        "bodies": [b""],
        "requests": 1,
        **changes,
    }
    with pytest.raises(ValueError, match=message):
        run_load(**arguments)


def test_the_report_is_plain_data(echo: str) -> None:
    data = run_load(echo, PATH, [b"x"], requests=2).to_dict()
    assert json.loads(json.dumps(data))["ok"] == 2
    assert set(data["latency"]) == {"p50_s", "p90_s", "p99_s", "p999_s", "max_s", "mean_s"}
