"""A built wheel, in a bare environment: nothing of the source tree, nothing of nghttp2."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import models
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[2]

CHECK = """
import sys
sys.path[:0] = {paths!r}
import penstock, penstock.serve._front
from penstock.demo.census import find_data, read_census
assert penstock.__file__.startswith(sys.prefix), penstock.__file__
assert penstock.serve._front.__file__.startswith(sys.prefix)
assert str(find_data()).startswith(sys.prefix), find_data()
assert sorted(read_census(find_data(), 1000)) == [2015, 2016, 2017, 2018]
with penstock.Engine(sys.argv[1]) as engine:
    print(engine.predict("m", {{"x": [[1.0, 2.0, 3.0, 4.0]]}}))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if importlib.util.find_spec("penstock.serve._front") is None:
        pytest.skip("the native front is not built in this installation")
    for module in ("Cython", "grpc_tools", "setuptools"):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"building a wheel needs {module}")
    source = tmp_path_factory.mktemp("source")
    ignored = shutil.ignore_patterns(".*", "build", "dist", "*.so", "*.egg-info", "__pycache__", "tests")
    shutil.copytree(ROOT, source, ignore=ignored, dirs_exist_ok=True)
    target = tmp_path_factory.mktemp("dist")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        target,
        source,
    ]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(target.glob("*.whl"))


def test_wheel_holds_what_it_needs(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    pages = ("penstock/serve/dashboard/page/page.html", "penstock/monitor/report/drawing.js")
    native = ("penstock/serve/_front", "penstock/batching/_queue", "penstock/descriptors.binpb")
    for part in (*pages, *native):
        assert any(name.startswith(part) for name in names), part
    for part in ("penstock/py.typed", "licenses/LICENSE", "licenses/licenses/nghttp2.txt", ".parquet"):
        assert any(name.endswith(part) for name in names), part
    assert not any(name.startswith(("tests", "benchmarks", "csrc")) for name in names)


def test_front_does_not_load_nghttp2(wheel: Path, tmp_path: Path) -> None:
    readelf = shutil.which("readelf")
    if readelf is None:
        pytest.skip("needs readelf")
    with zipfile.ZipFile(wheel) as archive:
        front = next(
            name for name in archive.namelist() if name.startswith("penstock/serve/_front") and ".so" in name
        )
        path = archive.extract(front, tmp_path)
    needed = subprocess.run([readelf, "-d", path], capture_output=True, text=True, check=True).stdout
    assert "NEEDED" in needed
    assert "nghttp2" not in needed


def test_wheel_serves_from_a_bare_environment(wheel: Path, repository: Path, tmp_path: Path) -> None:
    """Only the wheel is installed; its dependencies are borrowed from this environment by path."""
    models.publish(repository, "m", 1, models.affine)
    bare = tmp_path / "bare"
    venv.create(bare, with_pip=False, symlinks=True)
    python = bare / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "-q", "--no-deps", "--no-index"]
    done = subprocess.run([*pip, str(wheel)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    borrowed = [path for path in sys.path if path.endswith("-packages")]
    program = CHECK.replace("sys.path[:0]", "sys.path[len(sys.path):]").format(paths=borrowed)
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [str(python), "-I", "-c", program, str(repository)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr
    assert "array(" in done.stdout
