from __future__ import annotations

from pathlib import Path

import pytest

from penstock.cli.serve import make_config
from penstock.errors import ConfigError


def test_defaults_without_a_file() -> None:
    config = make_config(None)
    assert config.server.grpc == "127.0.0.1:8001"
    assert config.server.repository == "models"


def test_options_override_the_file_and_leave_the_rest(tmp_path: Path) -> None:
    file = tmp_path / "penstock.toml"
    file.write_text('[server]\ngrpc = "0.0.0.0:9001"\nwatch = true\n[models.m]\nextra_versions = [1, 2]\n')
    config = make_config(file, grpc="127.0.0.1:0", watch=None, log_level="debug")
    assert config.server.grpc == "127.0.0.1:0"
    assert config.server.watch is True
    assert config.server.log_level == "debug"
    assert config.model("m").extra_versions == (1, 2)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [({"drain_timeout_s": -1.0}, "drain_timeout_s"), ({"front": "grpc"}, "front")],
)
def test_overrides_are_checked(overrides: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=rf"command line: .*{message}"):
        make_config(None, **overrides)


def test_nested_tables_survive_an_override(tmp_path: Path) -> None:
    file = tmp_path / "penstock.toml"
    file.write_text('[server.tls]\ncertificate = "c"\nkey = "k"\n[server.limits]\nmessage_bytes = 4096\n')
    config = make_config(file, http="127.0.0.1:0")
    assert config.server.tls is not None
    assert config.server.tls.certificate == "c"
    assert config.server.limits.message_bytes == 4096
