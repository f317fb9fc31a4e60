from __future__ import annotations

import ctypes
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from expression_oracle import BINARY, EXACT, UNARY, evaluate, operations
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.errors import TransformError
from penstock.transform.expression import compile as module
from penstock.transform.expression.compile import Compiled, compile_expression
from penstock.transform.expression.grammar import FUNCTIONS, Apply, Column, Node, Number, parse

POINTER = ctypes.POINTER(ctypes.c_double)
SIGNATURE = ctypes.CFUNCTYPE(None, ctypes.POINTER(POINTER), POINTER, ctypes.c_int64)
NUMBERS = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 3.0, -2.5, 1e-310, 1e300, -1e300, np.inf, -np.inf, np.nan]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and nothing kept by the process."""
    monkeypatch.setenv("PENSTOCK_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "_compiled", {})
    return tmp_path / "cache"


@pytest.fixture(scope="module", autouse=True)
def private_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PENSTOCK_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


def run(compiled: Compiled, *columns: np.ndarray) -> np.ndarray:
    out = np.empty(len(columns[0]))
    pointers = (POINTER * len(columns))(*(column.ctypes.data_as(POINTER) for column in columns))
    SIGNATURE(compiled.address)(pointers, out.ctypes.data_as(POINTER), len(out))
    return out


def grid(count: int) -> list[np.ndarray]:
    """Every combination of the special numbers."""
    return [np.ascontiguousarray(axis.ravel()) for axis in np.meshgrid(*[NUMBERS] * count)]


def text_of(operation: str, names: str) -> str:
    infix = {
        "add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**", "floor_divide": "//",
        "remainder": "%", "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">=",
        "equal": "==", "not_equal": "!=", "and": "and", "or": "or",
    }  # fmt: skip
    if operation in infix:
        return f" {infix[operation]} ".join(names[:2])
    if operation in ("negative", "not"):
        return ("-" if operation == "negative" else "not ") + names[0]
    return f"{operation}({', '.join(names[: FUNCTIONS[operation]])})"


def assert_same(got: np.ndarray, expected: np.ndarray, exact: bool) -> None:
    if exact:
        np.testing.assert_array_equal(got, expected)
    else:
        np.testing.assert_allclose(got, expected, rtol=1e-13, atol=1e-320)


@pytest.mark.parametrize("operation", sorted({*FUNCTIONS, *UNARY, *BINARY, "and", "or"}))
def test_each_operation_is_that_of_numpy(operation: str) -> None:
    text = text_of(operation, "abc")
    compiled = compile_expression(text)
    columns = grid(len(compiled.inputs))
    expected = evaluate(parse(text), dict(zip(compiled.inputs, columns, strict=True)))
    assert_same(run(compiled, *columns), expected, operation in EXACT)


def trees() -> st.SearchStrategy[Node]:
    leaves = st.sampled_from([Column("a"), Column("b")]) | st.builds(
        Number, st.floats(allow_nan=False, width=32).map(float)
    )
    safe = sorted(EXACT - {"and", "or"})

    def extend(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        def applied(name: str) -> st.SearchStrategy[Node]:
            count = FUNCTIONS.get(name) or (1 if name in UNARY else 2)
            return st.tuples(*[children] * count).map(lambda operands: Apply(name, operands))

        return st.sampled_from(safe).flatmap(applied)

    return st.recursive(leaves, extend, max_leaves=12)


def written(node: Node) -> str:
    """Return a text that parses to a tree."""
    if isinstance(node, Number):
        return f"({node.value!r})"
    if isinstance(node, Column):
        return node.name
    parts = [f"({written(operand)})" for operand in node.operands]
    if node.operation in FUNCTIONS:
        return f"{node.operation}({', '.join(parts)})"
    pattern = text_of(node.operation, "\1\2")
    for mark, part in zip("\1\2", parts, strict=False):
        pattern = pattern.replace(mark, part)
    return pattern


@settings(max_examples=60)
@given(trees())
def test_trees_mean_what_numpy_says(tree: Node) -> None:
    text = f"({written(tree)}) + 0 * a * b"
    compiled = compile_expression(text)
    columns = grid(2)
    expected = evaluate(parse(text), dict(zip(compiled.inputs, columns, strict=True)))
    np.testing.assert_array_equal(run(compiled, *columns), expected)


@pytest.mark.parametrize(
    "text", ["exp(a) * sin(b) + a ** 1.7 / hypot(a, b)", "log1p(abs(a)) - cbrt(b) * tanh(a)"]
)
def test_a_row_alone_gives_the_same_bits(text: str) -> None:
    compiled = compile_expression(text)
    columns = [np.random.default_rng(0).normal(size=1003) for _ in compiled.inputs]
    whole = run(compiled, *columns)
    for size in (1, 2, 3, 7, 64):
        pieces = [run(compiled, *(c[i : i + size].copy() for c in columns)) for i in range(0, 1003, size)]
        assert np.concatenate(pieces).tobytes() == whole.tobytes()


def test_no_rows() -> None:
    assert len(run(compile_expression("a + b"), np.empty(0), np.empty(0))) == 0


def test_what_is_not_allowed_is_refused() -> None:
    with pytest.raises(TransformError, match="unknown function"):
        compile_expression("eval(a)")
    assert operations(parse("log(a) + 1")) == {"log", "add"}


def test_a_second_time_is_the_same(cache: Path) -> None:
    assert compile_expression("a + 17") is compile_expression("a + 17")


def test_another_process_loads_what_one_compiled(cache: Path) -> None:
    assert not compile_expression("a + 18").from_cache
    program = (
        "from penstock.transform.expression import compile_expression as c; print(c('a + 18').from_cache)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_columns_of_other_names_share_the_code(cache: Path) -> None:
    assert not compile_expression("a + 19").from_cache
    other = compile_expression('col("ß") + 19')
    assert other.from_cache
    assert other.inputs == ("ß",)


def test_two_from_the_cache_are_not_taken_for_each_other(cache: Path) -> None:
    """Each was the first that its process compiled."""
    for text in ("a * 2", "a * 3"):
        program = f"from penstock.transform.expression import compile_expression as c; c({text!r})"
        subprocess.run([sys.executable, "-c", program], check=True)
    both = [compile_expression("a * 2"), compile_expression("a * 3")]
    assert all(one.from_cache for one in both)
    assert [run(one, np.ones(1))[0] for one in both] == [2.0, 3.0]


def test_processes_and_threads_may_compile_at_once(cache: Path) -> None:
    program = "from penstock.transform.expression import compile_expression as c; c('a + 20'); c('a + 21')"
    processes = [subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE) for _ in range(3)]
    results: list[Compiled] = []
    threads = [
        threading.Thread(target=lambda: results.append(compile_expression("a + 20"))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for process in processes:
        _, errors = process.communicate(timeout=100)
        assert process.returncode == 0
        assert errors == b""
    assert len({one.address for one in results}) == 1


def files(cache: Path) -> list[Path]:
    return [path for path in cache.rglob("*") if path.is_file()]


def test_only_the_user_can_read_the_cache(cache: Path) -> None:
    before = os.umask(0)
    try:
        compile_expression("a + 22")
    finally:
        os.umask(before)
    kept = list((cache / "expressions").rglob("*"))
    assert any(path.suffix == ".nbc" for path in kept)
    for path in [cache / "expressions", *kept]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_what_others_could_have_written_is_not_loaded(
    cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    compile_expression("a + 23")
    for path in files(cache):
        if path.suffix in (".nbi", ".nbc"):
            path.chmod(0o666)
    monkeypatch.setattr(module, "_compiled", {})
    with caplog.at_level(logging.WARNING):
        again = compile_expression("a + 23")
    assert not again.from_cache
    assert "not a file that only this user can write" in caplog.text
    assert run(again, np.ones(1)) == 24


def test_a_link_in_the_cache_is_not_followed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compile_expression("a + 24")
    (index,) = [path for path in files(cache) if path.suffix == ".nbi"]
    index.rename(index.with_suffix(".moved"))
    index.symlink_to(index.with_suffix(".moved"))
    monkeypatch.setattr(module, "_compiled", {})
    assert not compile_expression("a + 24").from_cache
    assert not index.is_symlink()


@pytest.mark.parametrize("suffix", [".nbi", ".nbc", ".py"])
@pytest.mark.parametrize("content", [b"", b"torn", None])
def test_a_damaged_cache_costs_a_compilation(
    cache: Path, suffix: str, content: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_expression("a + 25")
    (path,) = [path for path in files(cache) if path.suffix == suffix]
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    monkeypatch.setattr(module, "_compiled", {})
    assert run(compile_expression("a + 25"), np.ones(1)) == 26
    monkeypatch.setattr(module, "_compiled", {})
    assert compile_expression("a + 25").from_cache


def test_where_there_can_be_no_cache_it_compiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PENSTOCK_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr(module, "_compiled", {})
    compiled = compile_expression("a + 26")
    assert not compiled.from_cache
    assert run(compiled, np.ones(1)) == 27
    monkeypatch.setattr(module, "cache_directory", lambda: None)
    assert run(compile_expression("a + 27"), np.ones(1)) == 28


def test_a_directory_of_somebody_else_is_not_used(
    cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (cache / "expressions").mkdir(parents=True)
    real = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: real + 1)
    with caplog.at_level(logging.INFO):
        assert run(compile_expression("a + 28"), np.ones(1)) == 29
    assert "is not a directory of this user" in caplog.text
    assert files(cache) == []


def test_settings_of_numba_do_not_move_the_cache(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numba

    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "elsewhere"))
    compile_expression("a + 29")
    assert not (tmp_path / "elsewhere").exists()


def test_vectors_are_left_out_where_numba_came_with_svml(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numba

    columns = [np.random.default_rng(0).normal(size=101) for _ in range(2)]
    with_vectors = run(compile_expression("a * b + 30"), *columns)
    monkeypatch.setattr(numba.core.config, "USING_SVML", True)
    monkeypatch.setattr(module, "_compiled", {})
    monkeypatch.setenv("PENSTOCK_CACHE_DIR", str(cache / "other"))
    before = numba.core.config.LOOP_VECTORIZE
    without = compile_expression("a * b + 30")
    assert not without.from_cache
    assert run(without, *columns).tobytes() == with_vectors.tobytes()
    assert before == numba.core.config.LOOP_VECTORIZE


def test_the_environment_is_left_alone() -> None:
    program = """
import os
from penstock.transform.expression import compile_expression
compile_expression("a + 31")
import numba
assert "NUMBA_DISABLE_INTEL_SVML" not in os.environ
assert not numba.core.config.USING_SVML
"""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NUMBA_")}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)


def test_places_of_the_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PENSTOCK_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert module.cache_directory() == Path("/xdg/penstock/expressions")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/someone")
    assert module.cache_directory() == Path("/home/someone/.cache/penstock/expressions")
    monkeypatch.setenv("PENSTOCK_CACHE_DIR", "/chosen")
    assert module.cache_directory() == Path("/chosen/expressions")
