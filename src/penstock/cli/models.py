"""``penstock models``: look at the models of a server, load and unload them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from penstock.cli.connection import (
    DEFAULT_ADDRESS,
    AddressOption,
    CaOption,
    CertificateOption,
    Connection,
    KeyOption,
)

__all__ = ["models"]

models = typer.Typer(
    help="List, show, load and unload the models of a running server.",
    no_args_is_help=True,
    epilog="Example: penstock models list",
)

NameArgument = Annotated[str, typer.Argument(help="Name of the model.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]

_STYLES = {"READY": "green", "LOADING": "yellow", "UNLOADING": "yellow", "UNAVAILABLE": "red"}


@models.command("list", epilog="Example: penstock models list --repository models")
def list_models(
    address: AddressOption = DEFAULT_ADDRESS,
    repository: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="List this directory instead of asking a server."),
    ] = None,
    ca: CaOption = None,
    certificate: CertificateOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List every version and its state."""
    if repository is not None:
        _print_list(_in_directory(repository), as_json)
        return
    with Connection(address, ca, certificate, key) as connection:
        index = connection.call("RepositoryIndex")
    rows = [
        {"name": found.name, "version": int(found.version), "state": found.state, "reason": found.reason}
        for found in index.models
    ]
    _print_list(rows, as_json)


@models.command("show", epilog="Example: penstock models show employment")
def show_model(
    name: NameArgument,
    version: Annotated[
        int | None, typer.Option(metavar="N", help="The active one by default.", min=1)
    ] = None,
    address: AddressOption = DEFAULT_ADDRESS,
    ca: CaOption = None,
    certificate: CertificateOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a model takes and gives, how it is batched, and what it has answered."""
    fields: dict[str, Any] = {"name": name, "version": "" if version is None else str(version)}
    with Connection(address, ca, certificate, key) as connection:
        signature = connection.call("ModelMetadata", **fields)
        config = connection.call("ModelConfig", **fields).config
        statistics = connection.call("ModelStatistics", **fields).model_stats
    report = {
        "name": name,
        "versions": [int(number) for number in signature.versions],
        "inputs": [_tensor(tensor) for tensor in signature.inputs],
        "outputs": [_tensor(tensor) for tensor in signature.outputs],
        "max_batch_rows": config.max_batch_size,
        "statistics": [_statistics(found) for found in statistics],
    }
    if as_json:
        print(json.dumps(report))
    else:
        _print_model(report)


@models.command("load", epilog="Example: penstock models load employment --version 3")
def load_model(
    name: NameArgument,
    version: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Serve this version, also to roll back; without it the configured or the highest one.",
            min=1,
        ),
    ] = None,
    address: AddressOption = DEFAULT_ADDRESS,
    ca: CaOption = None,
    certificate: CertificateOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Load a version aside and swap it in; requests under way finish on the old one."""
    parameters = {} if version is None else {"version": {"int64_param": version}}
    with Connection(address, ca, certificate, key) as connection:
        connection.call("RepositoryModelLoad", timeout_s=None, model_name=name, parameters=parameters)
        versions = [int(number) for number in connection.call("ModelMetadata", name=name).versions]
    if as_json:
        print(json.dumps({"name": name, "versions": versions}))
    else:
        print(f"loaded {name}; ready: version {', '.join(map(str, versions))}")


@models.command("unload", epilog="Example: penstock models unload employment")
def unload_model(
    name: NameArgument,
    address: AddressOption = DEFAULT_ADDRESS,
    ca: CaOption = None,
    certificate: CertificateOption = None,
    key: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Stop serving a model once its requests under way are answered, and free its memory."""
    with Connection(address, ca, certificate, key) as connection:
        connection.call("RepositoryModelUnload", timeout_s=None, model_name=name)
    print(json.dumps({"name": name, "versions": []}) if as_json else f"unloaded {name}")


def _in_directory(root: Path) -> list[dict[str, Any]]:
    from penstock.bundle.repository import Repository
    from penstock.errors import ConfigError

    if not root.is_dir():
        raise ConfigError(f"{root}: expected a directory of models")
    repository = Repository(root)
    return [
        _bundle(repository.path(name, version), name, version)
        for name in repository.models()
        for version in repository.versions(name)
    ]


def _bundle(path: Path, name: str, version: int) -> dict[str, Any]:
    from penstock.bundle.bundle import Bundle
    from penstock.errors import BundleError

    row: dict[str, Any] = {"name": name, "version": version}
    try:
        bundle = Bundle.open(path, verify=False)
    except BundleError as error:
        return {**row, "state": "DAMAGED", "reason": str(error)}
    if bundle.manifest is None:
        return {**row, "state": "BARE", "digest": bundle.digest}
    return {
        **row,
        "state": "PACKED",
        "digest": bundle.digest,
        "created": bundle.manifest.created,
        "golden": bundle.manifest.golden is not None,
        "metadata": bundle.manifest.metadata,
    }


def _print_list(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        print("no models")
        return
    details = "reason" if all("digest" not in row for row in rows) else "details"
    table = Table("model", "version", "state", details, box=None, header_style="bold")
    table.columns[1].justify = "right"
    for row in rows:
        state = Text(row["state"], style=_STYLES.get(row["state"], ""))
        table.add_row(Text(row["name"]), str(row["version"]), state, Text(_details(row)))
    Console(soft_wrap=True).print(table)


def _details(row: dict[str, Any]) -> str:
    if row.get("reason") or "digest" not in row:
        return str(row.get("reason", ""))
    parts = [row["digest"][:12], row.get("created", "")]
    parts += [f"{key}={value}" for key, value in row.get("metadata", {}).items()]
    return "  ".join(part for part in parts if part)


def _tensor(tensor: Any) -> dict[str, Any]:
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}


def _statistics(found: Any) -> dict[str, Any]:
    inference = found.inference_stats
    batches = max(found.execution_count, 1)
    return {
        "version": int(found.version),
        "requests": inference.success.count,
        "failed": inference.fail.count,
        "rows": found.inference_count,
        "batches": found.execution_count,
        "rows_per_batch": found.inference_count / batches,
        "queue_ms": inference.queue.ns / max(inference.queue.count, 1) / 1e6,
        "execution_ms": inference.compute_infer.ns / batches / 1e6,
    }


def _print_model(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(soft_wrap=True)
    versions = ", ".join(map(str, report["versions"]))
    batching = (
        f"batches of up to {report['max_batch_rows']} rows" if report["max_batch_rows"] else "not batched"
    )
    console.print(Text(f"{report['name']}: ready version {versions}; {batching}\n"))
    tensors = Table("", "tensor", "datatype", "shape", box=None, header_style="bold")
    for kind in ("inputs", "outputs"):
        for tensor in report[kind]:
            shape = Text(json.dumps(tensor["shape"], separators=(",", ":")))
            tensors.add_row(kind[:-1], Text(tensor["name"]), tensor["datatype"], shape)
    console.print(tensors, "")
    columns = ("version", "requests", "failed", "rows", "batches", "rows/batch", "queue ms", "execution ms")
    counters = Table(box=None, header_style="bold")
    for column in columns:
        counters.add_column(column, justify="right")
    for row in report["statistics"]:
        counts = [f"{row[key]:,}" for key in ("requests", "failed", "rows", "batches")]
        means = [f"{row[key]:.2f}" for key in ("rows_per_batch", "queue_ms", "execution_ms")]
        counters.add_row(str(row["version"]), *counts, *means)
    console.print(counters)
