"""Alerts on the standard input of programs."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from alert_receivers import make_alert
from serving import wait_until

from penstock.errors import ConfigError
from penstock.monitor.sinks import DeliveryError
from penstock.monitor.sinks.command import CommandSink


def python(text: str, *arguments: str, timeout_s: float = 30.0) -> CommandSink:
    return CommandSink((sys.executable, "-c", text, *arguments), timeout_s=timeout_s)


def test_a_program_gets_the_alert_on_its_standard_input(tmp_path: Path) -> None:
    alert = make_alert(title="bad \udcff byte")
    out = tmp_path / "got"
    python("import sys; open(sys.argv[1], 'wb').write(sys.stdin.buffer.read())", str(out)).send(alert)
    assert json.loads(out.read_bytes()) == alert.to_dict()


def test_no_shell_reads_the_arguments(tmp_path: Path) -> None:
    out = tmp_path / "got"
    odd = "$HOME `id` ; * \"' \n"
    python("import sys; open(sys.argv[1], 'w').write(sys.argv[2])", str(out), odd).send(make_alert())
    assert out.read_text() == odd


@pytest.mark.parametrize(("end", "status"), [("sys.exit(3)", "3"), ("os.kill(os.getpid(), 9)", "-9")])
def test_another_exit_status_is_a_failure(end: str, status: str) -> None:
    with pytest.raises(DeliveryError, match=f"expected exit status 0, got {status}$") as caught:
        python(f"import os, sys; {end}", "hidden").send(make_alert())
    assert not caught.value.permanent
    assert "hidden" not in str(caught.value)


def test_a_program_that_reads_nothing_is_no_problem() -> None:
    python("").send(make_alert(title="x" * 1_000_000))


def test_a_program_that_writes_much_is_no_problem() -> None:
    python("import sys; sys.stdout.write('x' * 2**20); sys.stderr.write('x' * 2**20)").send(make_alert())


def test_a_slow_program_is_killed_with_all_it_started(tmp_path: Path) -> None:
    out = tmp_path / "pids"
    script = 'sleep 600 & echo "$$ $!" > "$0.aside"; mv "$0.aside" "$0"; wait'
    with pytest.raises(DeliveryError, match="not done within 2 s"):
        CommandSink(("sh", "-c", script, str(out)), timeout_s=2.0).send(make_alert())
    parent, child = map(int, out.read_text().split())
    with pytest.raises(ProcessLookupError):
        os.kill(parent, 0)
    wait_until(lambda: _is_dead(child), what="the end of the child")


def _is_dead(pid: int) -> bool:
    """Gone, or a zombie that nobody adopted."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.mark.parametrize("command", [(), ("/no/such/program", "hidden"), ("/etc/passwd",)])
def test_a_program_that_is_not_there_is_refused_at_once(command: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match="expected a program that can be run") as caught:
        CommandSink(command)
    assert "hidden" not in str(caught.value)


def test_a_program_that_went_away(tmp_path: Path) -> None:
    program = tmp_path / "tell"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    sink = CommandSink((str(program),))
    sink.send(make_alert())
    program.unlink()
    with pytest.raises(DeliveryError, match="tell: cannot be run: No such file"):
        sink.send(make_alert())
