"""The commands as a shell runs them: real processes, exit codes and output."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import models
import numpy as np
import pytest
from serving import ServerProcess, wait_until

TIMEOUT_S = 90

StartServer = Callable[..., ServerProcess]


def penstock(*arguments: object, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [sys.executable, "-m", "penstock", *map(str, arguments)]
    environment = os.environ | {"NO_COLOR": "1", "COLUMNS": "160"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S
    )


def check_failed(done: subprocess.CompletedProcess[str], code: int, message: str) -> None:
    assert done.returncode == code, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


class TestCall:
    def test_version(self) -> None:
        done = penstock("--version")
        assert (done.returncode, done.stderr) == (0, "")
        assert re.fullmatch(r"penstock \d+\.\d+\.\d+\n", done.stdout)

    def test_unknown_command_and_option(self) -> None:
        check_failed(penstock("srve"), 2, "srve")
        check_failed(penstock("serve", "--wach"), 2, "--wach")

    def test_help_exits_0(self) -> None:
        done = penstock("models", "load", "-h")
        assert done.returncode == 0
        assert "Example: penstock models load employment --version 3" in done.stdout


class TestPack:
    @pytest.fixture
    def graph(self, tmp_path: Path) -> Path:
        return models.affine(tmp_path / "affine.onnx")

    def test_json_names_what_was_published(self, graph: Path, repository: Path) -> None:
        done = penstock("pack", "m", graph, "--repository", repository, "--json")
        assert done.returncode == 0, done.stderr
        report = json.loads(done.stdout)
        assert (report["name"], report["version"], report["golden"]) == ("m", 1, False)
        assert Path(report["path"]) == repository / "m" / "1"
        assert re.fullmatch(r"[0-9a-f]{64}", report["digest"])

    def test_golden_rows_and_metadata(self, graph: Path, repository: Path, tmp_path: Path) -> None:
        golden = tmp_path / "golden.npz"
        np.savez(golden, x=np.ones((4, 4), np.float32))
        metadata = ("--metadata", "owner=risk", "--metadata", "years=[2015]")
        done = penstock("pack", "m", graph, "--repository", repository, "--golden", golden, *metadata)
        assert done.returncode == 0, done.stderr
        assert "packed m version 1" in done.stdout
        assert "golden rows: kept" in done.stdout
        listed = json.loads(penstock("models", "list", "--repository", repository, "--json").stdout)
        assert listed[0]["metadata"] == {"owner": "risk", "years": [2015]}
        assert listed[0]["golden"] is True

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            (("m", "absent.onnx"), 2, "absent.onnx"),
            (("m", "text.onnx"), 1, "text.onnx"),
            ((".m", "affine.onnx"), 1, "expected a model name"),
            (("m", "affine.onnx", "--metadata", "owner"), 2, "expected KEY=VALUE"),
            (("m", "affine.onnx", "--golden", "text.onnx"), 2, "expected an .npz file"),
            (("m", "affine.onnx", "--reference", "text.onnx"), 2, "expected a Parquet file"),
            (("m", "affine.onnx", "--version", "0"), 2, "version"),
        ],
    )
    def test_what_is_wrong_is_named(
        self, arguments: tuple[str, ...], code: int, message: str, graph: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "text.onnx").write_text("not a graph")
        done = penstock("pack", *arguments, "--repository", "fresh", folder=tmp_path)
        check_failed(done, code, message)
        assert not list(tmp_path.glob("fresh/*/*"))

    def test_a_taken_version_is_refused(self, graph: Path, repository: Path) -> None:
        command = ("pack", "m", graph, "--repository", repository, "--version", 3)
        assert penstock(*command).returncode == 0
        check_failed(penstock(*command), 1, "has a version 3 already")


class TestServe:
    @pytest.fixture
    def start(self, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
        """Start ``penstock serve`` on free ports; it ends with the test."""
        running: list[subprocess.Popen[str]] = []

        def start(*arguments: object) -> subprocess.Popen[str]:
            ports = ("--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0")
            with (tmp_path / "out").open("w") as stdout, (tmp_path / "err").open("w") as stderr:
                command = [sys.executable, "-m", "penstock", "serve", *map(str, arguments), *ports]
                process = subprocess.Popen(command, stdout=stdout, stderr=stderr, cwd=tmp_path, text=True)
            running.append(process)
            wait_until(lambda: "penstock ready" in self.printed(tmp_path), TIMEOUT_S, "the ready line")
            return process

        yield start
        for process in running:
            process.kill()
            process.wait()

    @staticmethod
    def printed(tmp_path: Path) -> str:
        return (tmp_path / "out").read_text()

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_ready_line_then_a_drain(
        self,
        number: signal.Signals,
        start: Callable[..., subprocess.Popen[str]],
        repository: Path,
        tmp_path: Path,
    ) -> None:
        models.publish(repository, "m", 1, models.affine)
        process = start(repository)
        ready = self.printed(tmp_path)
        assert re.fullmatch(r"penstock ready grpc=127\.0\.0\.1:\d+ http=127\.0\.0\.1:\d+\n", ready)
        process.send_signal(number)
        assert process.wait(TIMEOUT_S) == 0

    def test_options_override_the_file(
        self, start: Callable[..., subprocess.Popen[str]], repository: Path, tmp_path: Path
    ) -> None:
        config = tmp_path / "penstock.toml"
        config.write_text('[server]\nrepository = "absent"\ngrpc = "nowhere"\nlog_level = "error"\n')
        start("--config", config, "--repository", repository, "--log-level", "info", "--log-format", "json")
        records = [json.loads(line) for line in (tmp_path / "err").read_text().splitlines()]
        assert "ready" in {record["message"] for record in records}

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("absent",), "absent: expected a directory of models"),
            (("models", "--repository", "other"), "expected one repository"),
            (("models", "--config", "absent.toml"), "absent.toml: cannot be read"),
            (("models", "--config", "typo.toml"), 'unknown key "wach" in [server]; did you mean "watch"?'),
            (("models", "--grpc", "nowhere"), 'server.grpc: expected "host:port", got "nowhere"'),
            (("models", "--drain-timeout-s", "-1"), "drain_timeout_s"),
            (("models", "--front", "c++"), "--front"),
        ],
    )
    def test_a_wrong_call_exits_2(self, arguments: tuple[str, ...], message: str, tmp_path: Path) -> None:
        (tmp_path / "models").mkdir()
        (tmp_path / "typo.toml").write_text("[server]\nwach = true\n")
        check_failed(penstock("serve", "--http", "127.0.0.1:0", *arguments, folder=tmp_path), 2, message)

    def test_a_taken_port_is_named(self, repository: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            done = penstock("serve", repository, "--grpc", address, "--http", "127.0.0.1:0")
        check_failed(done, 2, f"grpc address {address} is already in use")


class TestModels:
    @pytest.fixture
    def address(self, server: StartServer, repository: Path) -> str:
        models.publish(repository, "m", 1, models.affine)
        models.publish(repository, "m", 2, models.affine)
        return str(server().grpc)

    def test_list_show_load_unload(self, address: str) -> None:
        listed = json.loads(penstock("models", "list", "-a", address, "--json").stdout)
        assert [(row["version"], row["state"]) for row in listed] == [(1, "UNAVAILABLE"), (2, "READY")]

        done = penstock("models", "load", "m", "--version", 1, "-a", address, "--json")
        assert json.loads(done.stdout) == {"name": "m", "versions": [1]}

        shown = json.loads(penstock("models", "show", "m", "-a", address, "--json").stdout)
        assert shown["versions"] == [1]
        assert shown["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, 4]}]
        assert shown["statistics"][0]["requests"] == 0

        assert penstock("models", "unload", "m", "-a", address).stdout == "unloaded m\n"
        listed = json.loads(penstock("models", "list", "-a", address, "--json").stdout)
        assert {row["state"] for row in listed} == {"UNAVAILABLE"}

    def test_tables_for_people(self, address: str) -> None:
        listed = penstock("models", "list", "-a", address).stdout
        assert re.search(r"m +2 +READY", listed)
        shown = penstock("models", "show", "m", "-a", address).stdout
        assert "batches of up to 256 rows" in shown
        assert re.search(r"input +x +FP32 +\[-1,4\]", shown)

    def test_what_the_server_refuses_exits_1(self, address: str) -> None:
        check_failed(penstock("models", "show", "x", "-a", address), 1, 'model "x" is not in the repository')
        done = penstock("models", "load", "m", "--version", 9, "-a", address)
        check_failed(done, 1, 'model "m" has no version "9"')


def test_models_without_a_server() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    check_failed(penstock("models", "list", "-a", address), 1, f"no server answers at {address}")


def test_models_of_a_directory(repository: Path, tmp_path: Path) -> None:
    assert penstock("models", "list", "--repository", repository).stdout == "no models\n"
    models.publish(repository, "bare", 1, models.affine)
    models.publish(repository, "damaged", 1, models.affine)
    (repository / "damaged" / "1" / "bundle.json").write_text("{")
    listed = json.loads(penstock("models", "list", "--repository", repository, "--json").stdout)
    assert [(row["name"], row["state"]) for row in listed] == [("bare", "BARE"), ("damaged", "DAMAGED")]
    check_failed(penstock("models", "list", "--repository", tmp_path / "absent"), 2, "expected a directory")


def test_tls_options_go_together(tmp_path: Path) -> None:
    check_failed(penstock("models", "list", "--key", tmp_path / "key"), 2, "go together")
    check_failed(penstock("models", "list", "--ca", tmp_path / "ca"), 2, "cannot be read")
