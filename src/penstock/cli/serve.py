"""``penstock serve``: the server in the foreground."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from penstock.config import Config

__all__ = ["serve"]


class Front(StrEnum):
    """What speaks gRPC to clients."""

    auto = "auto"
    native = "native"
    grpcio = "grpcio"


class LogLevel(StrEnum):
    """Least level of the records that are logged."""

    debug = "debug"
    info = "info"
    warning = "warning"
    error = "error"


class LogFormat(StrEnum):
    """How records are written; auto is text on a terminal and JSON elsewhere."""

    auto = "auto"
    text = "text"
    json = "json"


def serve(
    repository: Annotated[
        Path | None, typer.Argument(help="Directory of models; [server] repository otherwise.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file; the other options override it.")
    ] = None,
    repository_option: Annotated[
        Path | None, typer.Option("--repository", metavar="DIR", help="The same as the argument.")
    ] = None,
    grpc: Annotated[
        str | None, typer.Option(metavar="HOST:PORT", help="gRPC address, 127.0.0.1:8001 by default.")
    ] = None,
    http: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT", help="Metrics and health, 127.0.0.1:8002 by default."),
    ] = None,
    front: Annotated[
        Front | None, typer.Option(help="auto takes the native front where it is built.")
    ] = None,
    watch: Annotated[
        bool | None, typer.Option("--watch/--no-watch", help="Load new versions as they appear.")
    ] = None,
    log_level: Annotated[LogLevel | None, typer.Option(help="Least level that is logged.")] = None,
    log_format: Annotated[
        LogFormat | None, typer.Option(help="auto: text on a terminal, JSON elsewhere.")
    ] = None,
    drain_timeout_s: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Time for requests in flight after SIGTERM.")
    ] = None,
) -> None:
    """Serve a directory of models until SIGTERM or Ctrl-C.

    Prints "penstock ready grpc=HOST:PORT http=HOST:PORT" when both answer. The first signal
    drains, a second one stops at once.
    """
    from penstock.errors import ConfigError

    if None not in (repository, repository_option) and repository != repository_option:
        raise ConfigError(f"expected one repository, got {repository} and --repository {repository_option}")
    directory = repository or repository_option
    settings = make_config(
        config,
        repository=None if directory is None else str(directory),
        grpc=grpc,
        http=http,
        front=None if front is None else front.value,
        watch=watch,
        log_level=None if log_level is None else log_level.value,
        log_format=None if log_format is None else log_format.value,
        drain_timeout_s=drain_timeout_s,
    )
    if not Path(settings.server.repository).is_dir():
        raise ConfigError(
            f"{settings.server.repository}: expected a directory of models; "
            "name one (penstock serve DIR), or publish a model to it with penstock pack"
        )
    from penstock.serve.server import serve as run

    raise typer.Exit(run(settings))


def make_config(file: Path | None, **overrides: Any) -> Config:
    """Return the configuration of a file, or the defaults, with keys of ``[server]`` replaced.

    Overrides that are None are left out.

    Raises
    ------
    ConfigError
        On a key or value that the configuration refuses.
    """
    import msgspec

    from penstock.config import Config, parse_config, read_config

    config = Config() if file is None else read_config(file)
    given = {key: value for key, value in overrides.items() if value is not None}
    data = msgspec.to_builtins(config)
    return parse_config(data | {"server": data["server"] | given}, "command line")
