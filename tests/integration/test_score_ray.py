"""Batch scoring on a local Ray: two actors, one of which is killed on the way."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from scoring import FEATURES, expected, found, make_table, manifest, publish, write

import penstock as ps

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed"),
]

# Ray is told to keep to this machine; it starts and ends its processes itself.
PROGRAM = """
import json, os, signal, sys, time
os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
import ray
import penstock.score.ray as cluster
from penstock.errors import PenstockError
options, kill = json.loads(sys.argv[1]), sys.argv[2] == "kill"
ray.init(num_cpus=2, include_dashboard=False, _node_ip_address="127.0.0.1", log_to_driver=False)
killed = []
def tell(progress):
    # A file that is being written has the number of its process in its name; there is none for moments.
    end = time.monotonic() + 5
    while kill and not killed and time.monotonic() < end:
        for name in os.listdir(options["out"] + "/_run/aside"):
            killed.append(int(name.partition("-")[0]))
            os.kill(killed[0], signal.SIGKILL)
            break
try:
    report = cluster.score(actors=2, progress=tell, **options)
    print(json.dumps({"report": report.to_dict(), "killed": killed}))
except PenstockError as error:
    print(json.dumps({"error": str(error)}))
finally:
    ray.shutdown()
"""


def run(options: dict[str, object], kill: bool = False) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps(options), "kill" if kill else "live"],
        capture_output=True, text=True, timeout=240, env=os.environ,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    # Ray prints lines of its own, whenever it likes.
    answer = next(line for line in reversed(done.stdout.splitlines()) if line.startswith("{"))
    outcome: dict[str, object] = json.loads(answer)
    return outcome


def test_complete_though_an_actor_is_killed(tmp_path: Path) -> None:
    model = publish(tmp_path / "models")
    table = make_table(120_000)
    write(tmp_path / "in" / "a.parquet", table.slice(0, 100_000), row_group=1000)
    write(tmp_path / "in" / "b.arrows", table.slice(100_000))
    (tmp_path / "in" / "bad.parquet").write_bytes(b"PAR1 torn")
    out = tmp_path / "out"
    options = {
        "model": str(model), "inputs": str(tmp_path / "in"), "out": str(out), "keep": ["id"],
        "columns": {"x": FEATURES}, "batch_rows": 50, "unit_rows": 5_000,
    }  # fmt: skip
    outcome = run(options | {"on_error": "skip"}, kill=True)
    assert outcome["killed"], outcome
    assert found(out) == expected(table)
    assert [failure["input"] for failure in manifest(out)["failed"]] == [str(tmp_path / "in" / "bad.parquet")]
    assert not list((out / "_run").glob("aside/*"))
    # A local run goes on with what the cluster wrote.
    for part in sorted(out.glob("part-*"))[:3]:
        part.unlink()
    report = ps.score(**options, on_error="skip")  # type: ignore[arg-type]
    assert report.units_scored == 3
    assert found(out) == expected(table)
