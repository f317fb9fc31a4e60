"""Settings: closed structs with defaults, and errors that name the key, where it is and what was meant."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from penstock.config import (
    Config,
    LimitsConfig,
    ModelConfig,
    ServerConfig,
    TlsConfig,
    parse_config,
    read_config,
)
from penstock.errors import ConfigError


def test_everything_has_a_default() -> None:
    config = parse_config({})
    assert config == Config()
    assert config.server.grpc == "127.0.0.1:8001"
    assert config.model("any") == ModelConfig()
    assert config.server.tls is None


def test_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "penstock.toml"
    path.write_text(
        """
        [server]
        repository = "elsewhere"
        [server.limits]
        connections = 5
        [server.tls]
        certificate = "c.pem"
        key = "k.pem"
        [models.employment]
        max_batch_rows = 64
        extra_versions = [1, 2]
        """
    )
    config = read_config(path)
    assert config.server.repository == "elsewhere"
    assert config.server.limits.connections == 5
    assert config.server.tls == TlsConfig(certificate="c.pem", key="k.pem")
    assert config.model("employment").extra_versions == (1, 2)
    assert config.model("other").max_batch_rows == 256


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"sever": {}}, 'unknown key "sever" in the top level; did you mean "server"?'),
        ({"server": {"grcp": ""}}, r'unknown key "grcp" in \[server\]; did you mean "grpc"?'),
        (
            {"server": {"limits": {"connection": 1}}},
            r'unknown key "connection" in \[server.limits\]; did you mean "connections"?',
        ),
        (
            {"server": {"tls": {"certificate": "c", "key": "k", "ca": "x"}}},
            r'unknown key "ca" in \[server.tls\]; did you mean',
        ),
        (
            {"models": {"m": {"max_batch_row": 1}}},
            r'unknown key "max_batch_row" in \[models.\*\]; did you mean "max_batch_rows"?',
        ),
        ({"server": {"front_threads": "two"}}, r"Expected `int`, got `str` - at `\$.server.front_threads`"),
        ({"server": {"front": "nginx"}}, r"Invalid enum value 'nginx' - at `\$.server.front`"),
        ({"models": {"m": {"instances": 0}}}, "Expected `int` >= 1"),
        ({"models": {"m": {"device": "tpu"}}}, "Expected `str` matching regex"),
        ({"server": {"tls": {"key": "k"}}}, "missing required field `certificate`"),
    ],
)
def test_what_is_refused(data: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"^configuration: .*{message}"):
        parse_config(data)


@pytest.mark.parametrize("text", [b"[server", b"\xff", None])
def test_files_that_cannot_be_read(tmp_path: Path, text: bytes | None) -> None:
    path = tmp_path / "penstock.toml"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(ConfigError, match=r"penstock\.toml: (not valid TOML|cannot be read)"):
        read_config(path)


@pytest.mark.parametrize("struct", [Config(), LimitsConfig(), ModelConfig(), ServerConfig()])
def test_settings_do_not_change_and_are_named(struct: Any) -> None:
    with pytest.raises(AttributeError):
        setattr(struct, struct.__struct_fields__[0], None)
    with pytest.raises(TypeError):
        type(struct)(1)
