"""What an operator can set: frozen structs, read from one TOML file.

Every key has a default and is listed in docs/configuration.md. Nothing here
touches files but :func:`read_config`, which only the command line calls.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec

from penstock.config.monitor import ModelMonitorConfig, MonitorConfig
from penstock.config.settings import NonNegative, NonNegativeReal, Positive, PositiveReal, Settings
from penstock.errors import ConfigError

__all__ = [
    "Config",
    "LimitsConfig",
    "ModelConfig",
    "ServerConfig",
    "TlsConfig",
    "parse_config",
    "read_config",
]


class TlsConfig(Settings, frozen=True, kw_only=True):
    """Transport security of the gRPC port; paths of PEM files."""

    certificate: str
    key: str
    client_ca: str | None = None
    """Authority that client certificates must be signed by; set, it makes the port mutual TLS."""


class LimitsConfig(Settings, frozen=True, kw_only=True):
    """What one client may ask of the gRPC port before it is cut off."""

    connections: Positive = 20_000
    streams_per_connection: Positive = 1024
    message_bytes: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] = 64 * 2**20
    unfinished_bytes: Annotated[int, msgspec.Meta(ge=1)] = 2**30
    """Messages of all connections together that are still coming in; beyond it their calls are refused."""
    header_bytes: Annotated[int, msgspec.Meta(ge=1024)] = 16 * 2**10
    idle_s: NonNegativeReal = 3600.0
    """A connection without streams is closed after this time; 0 keeps it for ever."""
    handshake_s: PositiveReal = 10.0
    """Time for a new connection to finish TLS and the HTTP/2 preface."""
    stall_s: PositiveReal = 60.0
    """A busy connection that neither reads nor writes for this time is probed, then closed."""


class ServerConfig(Settings, frozen=True, kw_only=True):
    """The process: its addresses, its front and its limits."""

    repository: str = "models"
    grpc: str = "127.0.0.1:8001"
    http: str = "127.0.0.1:8002"
    dashboard: bool = True
    """Show deployments, traffic, drift and alerts at the HTTP address."""
    front: Literal["auto", "native", "grpcio"] = "auto"
    front_threads: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    busy_poll_us: Annotated[float, msgspec.Meta(ge=0, le=1000)] = 50.0
    """How long a thread of the native front looks for the next call before it sleeps, if they come fast."""
    watch: bool = False
    watch_interval_s: PositiveReal = 1.0
    drain_timeout_s: PositiveReal = 30.0
    intra_op_threads: NonNegative = 0
    """Threads that one run of a model may use; 0 is one a core."""
    compile_trees: bool = True
    """Run ensembles of small trees with kernels of our own, whose answers agree with ONNX Runtime's."""
    triton_status_codes: bool = False
    """Answer a full queue and a passed deadline with UNAVAILABLE, as Triton does."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["auto", "text", "json"] = "auto"
    tls: TlsConfig | None = None
    limits: LimitsConfig = msgspec.field(default_factory=LimitsConfig)


class ModelConfig(Settings, frozen=True, kw_only=True):
    """One deployment: which version it serves, and how it batches."""

    version: Positive | None = None
    """Version to serve; none follows the highest that loads."""
    extra_versions: tuple[Positive, ...] = ()
    """Versions kept loaded beside the active one, for requests that name them."""
    max_batch_rows: Annotated[int, msgspec.Meta(ge=1, le=65_536)] = 256
    max_queue_rows: Positive = 4096
    latency_slo_ms: PositiveReal = 20.0
    instances: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1
    device: Annotated[str, msgspec.Meta(pattern=r"^(auto|cpu|cuda(:\d+)?)$")] = "auto"
    promote_after_ms: PositiveReal = 500.0
    """A request of a lower priority that waited this long a level is served with the highest."""
    monitor: ModelMonitorConfig = msgspec.field(default_factory=ModelMonitorConfig)


class Config(Settings, frozen=True, kw_only=True):
    """Everything that an operator can set."""

    server: ServerConfig = msgspec.field(default_factory=ServerConfig)
    monitor: MonitorConfig = msgspec.field(default_factory=MonitorConfig)
    models: dict[str, ModelConfig] = msgspec.field(default_factory=dict)

    def model(self, name: str) -> ModelConfig:
        """Return the settings of a model, the defaults where none are given."""
        return self.models.get(name, _DEFAULT_MODEL)


_DEFAULT_MODEL = ModelConfig()


def _struct_at(path: str) -> type[Settings]:
    """Return the struct that holds the keys at a ``$.models[...].monitor``-like path."""
    found: type[Settings] = Config
    for name in path.replace("[...]", "").split(".")[1:]:
        found = _struct_in(get_type_hints(found)[name]) or found
    return found


def _struct_in(hint: Any) -> type[Settings] | None:
    """Return the struct in a type such as ``dict[str, Struct]`` or ``Struct | None``."""
    if isinstance(hint, type) and issubclass(hint, Settings):
        return hint
    return next(filter(None, map(_struct_in, get_args(hint))), None)


def _explain(error: msgspec.ValidationError, source: str) -> str:
    text = str(error)
    match = re.search(r"unknown field `(.+?)`(?: - at `(.+?)`)?$", text)
    if match is None:
        return f"{source}: {text}"
    key, path = match.group(1), match.group(2) or "$"
    known = _struct_at(path).__struct_fields__
    where = "the top level" if path == "$" else f"[{path.removeprefix('$.').replace('[...]', '.*')}]"
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    return f'{source}: unknown key "{key}" in {where}{hint} Known keys: {", ".join(known)}'


def parse_config(data: dict[str, Any], source: str = "configuration") -> Config:
    """Build a configuration from plain data.

    Parameters
    ----------
    data : dict
        What a TOML parser returned.
    source : str
        Named in error messages, usually the path of the file.

    Raises
    ------
    ConfigError
        On an unknown key (the nearest known one is named), a wrong type or a value out of range.

    Examples
    --------
    >>> parse_config({"models": {"employment": {"max_batch_rows": 64}}}).model("employment").max_batch_rows
    64
    """
    try:
        return msgspec.convert(data, Config)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(error, source)) from None


def read_config(path: str | Path) -> Config:
    """Read a TOML file.

    Raises
    ------
    ConfigError
        When the file cannot be read, is not TOML, or holds a key or value that :func:`parse_config` refuses.
    """
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    return parse_config(data, str(path))
