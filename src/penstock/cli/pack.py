"""``penstock pack``: publish a model as a new version."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from penstock.bundle.bundle import Bundle

__all__ = ["pack"]

_REFERENCE_ROWS = 8192


def pack(
    name: Annotated[str, typer.Argument(help="Name that clients ask for.")],
    model: Annotated[Path, typer.Argument(help="ONNX file.", exists=True, dir_okay=False)],
    repository: Annotated[
        Path, typer.Option(metavar="DIR", help="Directory of models; made where it is not there.")
    ] = Path("models"),
    version: Annotated[
        int | None, typer.Option(metavar="N", help="One above the highest by default.", min=1)
    ] = None,
    transform: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What turns raw columns into the inputs of the model; clients then send raw columns.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    golden: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npz",
            help="Inputs, by name, whose outputs every later load must reproduce.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.parquet",
            help="Data like that which the model will see: golden rows and the baseline come from it.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="What the model predicts, a column of the reference: the baseline then knows how well.",
        ),
    ] = None,
    prediction: Annotated[
        str,
        typer.Option(metavar="OUTPUT", help="That predicts the label; needed where there is a choice."),
    ] = "",
    threshold: Annotated[
        float,
        typer.Option(metavar="P", help="Probability from which on a prediction is positive.", min=0, max=1),
    ] = 0.5,
    multivariate: Annotated[
        bool,
        typer.Option(
            "--multivariate", help="Keep a sample of the reference, for tests of all features together."
        ),
    ] = False,
    metadata: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="Kept in the manifest; a value may be JSON. Repeatable."),
    ] = None,
    rtol: Annotated[float, typer.Option(help="Relative tolerance of golden floats.", min=0)] = 1e-4,
    atol: Annotated[float, typer.Option(help="Absolute tolerance of golden floats.", min=0)] = 1e-5,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was published as JSON.")] = False,
) -> None:
    """Publish a model: checked, tried out, and moved into the repository in one step."""
    if reference is None and (label is not None or multivariate):
        from penstock.errors import ConfigError

        raise ConfigError("--label and --multivariate: expected --reference too, whose rows they are about")
    entries = _metadata(metadata or [])
    inputs = None if golden is None else _golden(golden)
    table = None if reference is None else _reference(reference)
    from penstock.bundle.bundle import Bundle
    from penstock.bundle.pack import pack as publish

    number = publish(
        name,
        model,
        repository=repository,
        version=version,
        transform=transform,
        golden=inputs,
        reference=table,
        label=label,
        prediction=prediction,
        threshold=threshold,
        multivariate=multivariate,
        metadata=entries,
        rtol=rtol,
        atol=atol,
    )
    path = repository / name / str(number)
    bundle = Bundle.open(path, verify=False)
    has_baseline = bundle.manifest is not None and bundle.manifest.baseline is not None
    quality = _quality(bundle) if label is not None else None
    has_golden = bundle.manifest is not None and bundle.manifest.golden is not None
    if as_json:
        report = {"name": name, "version": number, "path": str(path), "digest": bundle.digest}
        print(json.dumps({**report, "golden": has_golden, "baseline": has_baseline, "quality": quality}))
        return
    print(f"packed {name} version {number}: {path}")
    print(f"digest {bundle.digest}")
    if bundle.manifest is not None and bundle.manifest.transform is not None:
        print(f"transform {bundle.manifest.transform.digest}")
    print("baseline: " + ("kept, for penstock drift" if has_baseline else "none"))
    if quality is not None:
        shown = ", ".join(
            f"{name} {metric['value']:.4g}" for name, metric in quality.items() if _known(metric)
        )
        print(f"quality: {shown}")
    print("golden rows: " + ("kept, checked at every load" if has_golden else "none"))


def _quality(bundle: Bundle) -> dict[str, dict[str, Any]] | None:
    """Return the metrics of the reference, as JSON values."""
    baseline = bundle.baseline()
    if baseline is None or baseline.quality is None:
        return None
    return {name: metric.to_dict() for name, metric in baseline.quality.metrics().items()}


def _known(metric: dict[str, Any]) -> bool:
    return metric["value"] is not None


def _metadata(entries: list[str]) -> dict[str, Any]:
    from penstock.errors import ConfigError

    metadata: dict[str, Any] = {}
    for entry in entries:
        key, equals, text = entry.partition("=")
        if not equals or not key:
            raise ConfigError(f"--metadata: expected KEY=VALUE, got {entry!r}")
        try:
            metadata[key] = json.loads(text)
        except json.JSONDecodeError:
            metadata[key] = text
    return metadata


def _golden(path: Path) -> dict[str, Any]:
    import zipfile

    import numpy as np

    from penstock.errors import ConfigError

    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{path}: expected an .npz file of named arrays without pickles: {error}") from None


def _reference(path: Path) -> Callable[[], Iterator[Any]]:
    """Return what reads the file batch by batch; it is looked at now, to refuse what is no Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from penstock.errors import ConfigError

    try:
        pq.ParquetFile(path, pre_buffer=False).close()
    except (OSError, pa.ArrowException) as error:
        raise ConfigError(f"{path}: expected a Parquet file: {error}") from None

    def batches() -> Iterator[Any]:
        try:
            with pq.ParquetFile(path, pre_buffer=False) as file:
                yield from file.iter_batches(batch_size=_REFERENCE_ROWS)
        except (OSError, pa.ArrowException) as error:
            raise ConfigError(f"{path}: the file cannot be read: {error}") from None

    return batches
