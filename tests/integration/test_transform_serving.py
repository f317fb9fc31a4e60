"""Raw columns in, through the transform that training used: the same bytes whichever way they come."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import models
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import tritonclient.grpc as triton
from serving import ServerProcess
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, StandardScaler
from tritonclient.utils import InferenceServerException

import penstock
from penstock.bundle.bundle import Bundle
from penstock.errors import BundleError, SignatureError

Start = Callable[..., ServerProcess]
NAME = "people"
LEVELS = ("north", "south", "öst", "西", "")


def people(count: int, seed: int = 0) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    age = random.normal(40, 12, count).astype(np.float32)
    age[random.random(count) < 0.2] = np.nan
    return pd.DataFrame(
        {
            "age": age,
            "income": random.lognormal(10, 1, count),
            "children": random.integers(0, 6, count),
            "region": random.choice(np.array(LEVELS, dtype=object), count),
        }
    )


def fit(frame: pd.DataFrame, unknown: str = "error") -> ColumnTransformer:
    bins = KBinsDiscretizer(
        5, encode="onehot-dense", strategy="quantile", quantile_method="averaged_inverted_cdf", subsample=None
    )
    return ColumnTransformer(
        [
            ("age", make_pipeline(SimpleImputer(), StandardScaler()), ["age"]),
            ("income", bins, ["income"]),
            ("children", StandardScaler(), ["children"]),
            ("region", OneHotEncoder(handle_unknown=unknown), ["region"]),
        ]
    ).fit(frame)


@pytest.fixture
def packed(repository: Path) -> tuple[penstock.Transform, pd.DataFrame]:
    """A model that answers with its features, packed with the transform that makes them."""
    frame = people(200)
    transform = penstock.Transform.from_sklearn(fit(frame))
    graph = models.identity(repository.parent / "features.onnx", shape=("rows", transform.width))
    version = penstock.pack(
        NAME, graph, repository=repository, transform=transform, reference=pa.Table.from_pandas(frame)
    )
    assert version == 1
    return transform, frame


def raw_inputs(frame: pd.DataFrame) -> list[triton.InferInput]:
    inputs = []
    for name in frame.columns:
        values = frame[name].to_numpy(dtype=object if name == "region" else None)
        datatype = {"age": "FP32", "income": "FP64", "children": "INT64", "region": "BYTES"}[name]
        made = triton.InferInput(name, [len(values)], datatype)
        made.set_data_from_numpy(values)
        inputs.append(made)
    return inputs


def served(client: triton.InferenceServerClient, frame: pd.DataFrame) -> np.ndarray[Any, Any]:
    return np.asarray(client.infer(NAME, raw_inputs(frame)).as_numpy("y"))


def test_served_features_are_those_of_training(
    packed: tuple[penstock.Transform, pd.DataFrame], repository: Path, server: Start
) -> None:
    transform, frame = packed
    wanted = transform.transform(frame)
    assert wanted.tobytes() == fit(frame).transform(frame).astype(np.float32).tobytes()
    process = server()
    with triton.InferenceServerClient(process.grpc) as client, ThreadPoolExecutor(16) as pool:
        assert served(client, frame).tobytes() == wanted.tobytes()
        rows = [frame.iloc[index : index + 1] for index in range(len(frame))]
        answers = list(pool.map(lambda row: served(client, row), rows))
    assert np.concatenate(answers).tobytes() == wanted.tobytes()
    with penstock.Engine(repository) as engine:
        table = pa.Table.from_pandas(frame, preserve_index=False)
        columns = {name: frame[name].to_numpy() for name in frame.columns}
        for data in (frame, table, table.to_batches()[0], columns):
            assert engine.predict(NAME, data)["y"].tobytes() == wanted.tobytes()
        for data in (table, {**columns, "region": columns["region"].astype(object)}):
            assert engine.submit(NAME, data).result(20)["y"].tobytes() == wanted.tobytes()


def test_clients_see_the_raw_columns(packed: tuple[penstock.Transform, pd.DataFrame], server: Start) -> None:
    process = server()
    with triton.InferenceServerClient(process.grpc) as client:
        metadata = client.get_model_metadata(NAME)
    found = [(tensor.name, tensor.datatype, list(tensor.shape)) for tensor in metadata.inputs]
    types = {"age": "FP32", "income": "FP64", "children": "INT64", "region": "BYTES"}
    assert found == [(name, datatype, [-1]) for name, datatype in types.items()]


def test_one_unknown_category_fails_its_request_alone(
    packed: tuple[penstock.Transform, pd.DataFrame], server: Start
) -> None:
    transform, frame = packed
    process = server()
    strange = frame.iloc[:1].assign(region="atlantis")
    rows = [frame.iloc[index : index + 1] for index in range(40)]
    rows[17] = strange
    with triton.InferenceServerClient(process.grpc) as client, ThreadPoolExecutor(40) as pool:
        futures = [pool.submit(served, client, row) for row in rows]
        for index, future in enumerate(futures):
            if index == 17:
                with pytest.raises(InferenceServerException, match=r'column "region".*"atlantis"') as caught:
                    future.result()
                assert "INVALID_ARGUMENT" in str(caught.value.status())
            else:
                assert future.result().tobytes() == transform.transform(rows[index]).tobytes()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda inputs: inputs[:3], 'missing input "region"'),
        (lambda inputs: [inputs[1], *inputs[2:]], 'missing input "age"'),
    ],
)
def test_missing_columns_are_named(
    packed: tuple[penstock.Transform, pd.DataFrame], server: Start, change: Any, message: str
) -> None:
    process = server()
    _, frame = packed
    with triton.InferenceServerClient(process.grpc) as client:
        with pytest.raises(InferenceServerException, match=message):
            client.infer(NAME, change(raw_inputs(frame)))
        assert served(client, frame).shape == (200, packed[0].width)


def test_a_library_caller_hears_of_what_does_not_fit(
    packed: tuple[penstock.Transform, pd.DataFrame], repository: Path
) -> None:
    _, frame = packed
    with penstock.Engine(repository) as engine:
        with pytest.raises(SignatureError, match='missing column "income"'):
            engine.predict(NAME, frame.drop(columns="income"))
        with pytest.raises(SignatureError, match='column "age": expected float32, got string'):
            engine.predict(NAME, frame.assign(age="old"))
        with pytest.raises(SignatureError, match=r'column "region".*unknown category "atlantis"'):
            engine.submit(NAME, pa.Table.from_pandas(frame.assign(region="atlantis"))).result(20)
        assert engine.predict(NAME, frame.assign(extra=1))["y"].shape == (200, packed[0].width)


def test_the_bundle_says_which_transform_it_has(
    packed: tuple[penstock.Transform, pd.DataFrame], repository: Path
) -> None:
    bundle = Bundle.open(repository / NAME / "1")
    assert bundle.manifest is not None
    assert bundle.manifest.transform is not None
    kept = bundle.transform()
    assert kept is not None
    assert kept.digest == bundle.manifest.transform.digest
    assert [column.type for column in kept.columns] == ["float32", "float64", "int64", "string"]
    golden = bundle.golden()
    assert golden is not None
    assert list(golden.inputs) == ["age", "income", "children", "region"]


def test_a_damaged_transform_is_not_served(
    packed: tuple[penstock.Transform, pd.DataFrame], repository: Path
) -> None:
    file = repository / NAME / "1" / "transform.arrow"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with penstock.Engine(repository) as engine, pytest.raises(penstock.errors.ModelNotReadyError):
        engine.predict(NAME, people(1))


def test_a_graph_that_takes_other_features_is_refused(repository: Path) -> None:
    frame = people(50)
    transform = penstock.Transform.from_sklearn(fit(frame))
    graph = models.identity(repository.parent / "narrow.onnx", shape=("rows", 3))
    with pytest.raises(BundleError, match=r'input "x" of the graph is FP32 \[-1,3\]; output'):
        penstock.pack(NAME, graph, repository=repository, transform=transform)
    assert not (repository / NAME).exists()
