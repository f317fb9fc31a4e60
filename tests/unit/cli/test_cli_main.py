from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
import typer.core
import typer.main

from penstock.cli import main as cli
from penstock.errors import BundleError, ConfigError


def run(monkeypatch: pytest.MonkeyPatch, error: BaseException | None) -> int | str | None:
    """Run main over an app that raises; return the exit code."""

    def app() -> None:
        if error is not None:
            raise error

    monkeypatch.setattr(cli, "app", app)
    try:
        cli.main()
    except SystemExit as end:
        return end.code
    return 0


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (None, 0, ""),
        (BundleError("models/m/1: a byte was flipped"), 1, "penstock: models/m/1: a byte was flipped\n"),
        (ConfigError('unknown key "wach"'), 2, 'penstock: unknown key "wach"\n'),
        (KeyboardInterrupt(), 130, "penstock: interrupted\n"),
        (
            ModuleNotFoundError("No module named 'onnxruntime'", name="onnxruntime"),
            1,
            "penstock: onnxruntime is not installed; install it with: pip install 'penstock[cpu]'\n",
        ),
    ],
)
def test_errors_become_one_line_and_an_exit_code(
    error: BaseException | None,
    code: int,
    line: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(monkeypatch, error) == code
    assert capsys.readouterr().err == line


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ZeroDivisionError):
        run(monkeypatch, ZeroDivisionError())
    with pytest.raises(ModuleNotFoundError):
        run(monkeypatch, ModuleNotFoundError("No module named 'penstok'", name="penstok"))


def commands() -> Iterator[tuple[str, typer.core.TyperCommand]]:
    """Yield every command with its full name."""
    group = typer.main.get_command(cli.app)
    for name, command in group.commands.items():
        for inner, nested in getattr(command, "commands", {"": command}).items():
            yield f"{name} {inner}".strip(), nested


@pytest.mark.parametrize(("name", "command"), [pytest.param(*pair, id=pair[0]) for pair in commands()])
def test_every_command_has_an_example(name: str, command: typer.core.TyperCommand) -> None:
    text = f"{command.help}\n{command.epilog or ''}"
    assert f"Example: penstock {name}" in text


def test_help_starts_without_the_heavy_libraries() -> None:
    heavy = ("onnxruntime", "numpy", "grpc", "pyarrow", "lightgbm", "google.protobuf", "prometheus_client")
    program = f"""
import sys
sys.argv = ["penstock", "--help"]
from penstock.cli.main import main
try:
    main()
except SystemExit as end:
    assert end.code == 0
print("loaded:", [name for name in {heavy!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "loaded: []" in done.stdout
    for name in ("serve", "pack", "models", "bench", "demo"):
        assert name in done.stdout
