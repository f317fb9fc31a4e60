"""The demo, small: every step of it with a real server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from serving import wait_until

pytestmark = pytest.mark.slow

TIMEOUT_S = 110


def run_demo(*arguments: str, folder: Path) -> subprocess.Popen[str]:
    report = folder.with_name(f"{folder.name}.html")
    return subprocess.Popen(
        [sys.executable, "-m", "penstock", "demo", "--quick", "--report", str(report), *arguments],
        env=os.environ | {"TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_quick_demo(front: str, tmp_path: Path) -> None:
    process = run_demo("--front", front, "--json", folder=tmp_path)
    out, err = process.communicate(timeout=TIMEOUT_S)
    report = json.loads(out)
    assert report["problems"] == []
    assert process.returncode == 0, err
    assert report["front"] == front
    assert report["versions"] == [1, 2]
    assert report["problems"] == []
    assert set(report["traffic"]) == {"version 1", "train + swap", "version 2", "altered"}
    assert report["alarms"] == [[], ["AGEP", "SEX"]]
    assert report["alert"].startswith("2 of 16 features moved: SEX (unseen 0 % → ")
    page = Path(report["report"]).read_text()
    assert "SEX" in page
    assert "AGEP" in page
    for figures in report["traffic"].values():
        assert figures["failures"] == 0
        assert figures["requests"] > 0
    for year in ("2016", "2017", "2018"):
        for version in ("1", "2"):
            assert 0.75 < report["accuracy"][year][version] < 0.9
    assert list(tmp_path.iterdir()) == []


def test_tables_for_people_and_a_repository_to_keep(tmp_path: Path) -> None:
    scratch, kept = tmp_path / "scratch", tmp_path / "models"
    scratch.mkdir()
    process = run_demo("--repository", str(kept), folder=scratch)
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, err
    for text in ("version 2 serves after", "Accuracy", "features moved: SEX", ".html", "none failed"):
        assert text in out
    assert "\x1b" not in out
    assert sorted(path.name for path in (kept / "employment").iterdir()) == ["1", "2"]
    assert list(scratch.iterdir()) == []


def test_terminated_demo_leaves_nothing_behind(tmp_path: Path) -> None:
    process = run_demo(folder=tmp_path)
    wait_until(lambda: list(tmp_path.glob("penstock-demo-*/server.log")), TIMEOUT_S, "the server's log")
    server = wait_until(lambda: children(process.pid), TIMEOUT_S, "the server")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=TIMEOUT_S)
    assert process.returncode not in (0, None)
    wait_until(lambda: not any(alive(pid) for pid in server), TIMEOUT_S, "the end of the server")
    assert list(tmp_path.iterdir()) == []


def children(pid: int) -> list[int]:
    if not Path(f"/proc/{pid}/task").is_dir():
        pytest.skip("needs /proc")
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in listed.split()]


def alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
