"""Expressions as machine code, kept on disk: what imports Numba, when it is asked to compile.

The cache is a directory of the user's, closed to everyone else; what lies in it is loaded only if it belongs
to the user and nobody else can have written it. Where there can be none, expressions are compiled each time.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import importlib
import logging
import os
import platform
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from penstock.transform.expression.grammar import columns_of, parse
from penstock.transform.expression.source import FUNCTION, source_of

__all__ = ["Compiled", "cache_directory", "compile_expression"]

_log = logging.getLogger(__name__)

_lock = threading.Lock()
_compiled: dict[str, Compiled] = {}


class Compiled:
    """An expression as a C function, which lives as long as the process.

    Attributes
    ----------
    inputs : tuple of str
        The columns that it reads, in the order in which the function takes them.
    address : int
        Of a ``void (const double *const *columns, double *out, int64_t n)``. It needs no GIL, and any
        number of threads may call it. What it gives for a row depends on that row alone.
    from_cache : bool
        Whether another process had compiled it.
    """

    __slots__ = ("_function", "address", "from_cache", "inputs")

    def __init__(self, inputs: tuple[str, ...], function: Any) -> None:
        self._function = function
        self.inputs = inputs
        self.address = int(function.address)
        self.from_cache = bool(function.cache_hits)

    def __repr__(self) -> str:
        return f"<Compiled expression of {', '.join(self.inputs)}>"


def compile_expression(text: str) -> Compiled:
    """Compile an expression, or return it where this process or the cache on disk has it.

    Raises
    ------
    TransformError
        On what the grammar does not have.

    Notes
    -----
    Thread-safe. The first compilation of a process imports Numba, about half a second; each one after
    takes some tenths of a second, or some milliseconds from the cache.
    """
    found = _compiled.get(text)
    if found is not None:
        return found
    tree = parse(text)
    source = source_of(tree)
    with _lock:
        if text not in _compiled:
            _compiled[text] = Compiled(columns_of(tree), _function(source))
        return _compiled[text]


def cache_directory() -> Path | None:
    """Return where compiled expressions are kept; none where there is no home directory.

    ``PENSTOCK_CACHE_DIR``, else ``XDG_CACHE_HOME/penstock``, else ``~/.cache/penstock``; in it one directory
    for each processor and version of Python and Numba.
    """
    chosen = os.environ.get("PENSTOCK_CACHE_DIR")
    if chosen:
        return Path(chosen) / "expressions"
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "penstock" / "expressions"
    except RuntimeError:
        return None


def _function(source: str) -> Any:
    numba = _import_numba()
    code = hashlib.sha256(source.encode()).hexdigest()[:32]
    root = cache_directory()
    if root is not None:
        try:
            folder = root / _host(numba)
            _make_private(folder)
            with _locked(folder / f"{code}.lock"):
                return _cached(numba, source, folder, code)
        except OSError as error:
            _log.info("expression not cached under %s: %s", root, error)
    with _no_vector_functions(numba):
        return _decorate(numba, _load(source, code, f"<expression {code}>"))


@functools.cache
def _import_numba() -> Any:
    # The vector functions of SVML differ from the scalar ones in the last bits, and which are used depends
    # on where a row lies in its batch.
    before = os.environ.get("NUMBA_DISABLE_INTEL_SVML")
    os.environ["NUMBA_DISABLE_INTEL_SVML"] = "1"
    try:
        import numba
        import numba.core.caching
    finally:
        if before is None:
            del os.environ["NUMBA_DISABLE_INTEL_SVML"]
        else:
            os.environ["NUMBA_DISABLE_INTEL_SVML"] = before
    return numba


@contextmanager
def _no_vector_functions(numba: Any) -> Iterator[None]:
    """Compile without loops in vectors where the program had imported Numba with SVML before us."""
    config = numba.core.config
    if not config.USING_SVML:
        yield
        return
    before = config.LOOP_VECTORIZE, config.SLP_VECTORIZE
    config.LOOP_VECTORIZE = config.SLP_VECTORIZE = 0
    try:
        yield
    finally:
        config.LOOP_VECTORIZE, config.SLP_VECTORIZE = before


@functools.cache
def _host(numba: Any) -> str:
    binding: Any = importlib.import_module("llvmlite.binding")

    features = binding.get_host_cpu_features().flatten()
    facts = [sys.version, platform.machine(), numba.__version__, binding.get_host_cpu_name(), features]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def _make_private(folder: Path) -> None:
    """Make a directory that only the user can read; raise OSError where it cannot be."""
    folder.parent.parent.mkdir(parents=True, exist_ok=True)
    for directory in (folder.parent, folder, folder / "__pycache__"):
        directory.mkdir(mode=0o700, exist_ok=True)
        status = directory.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise PermissionError(f"{directory} is not a directory of this user")
        if stat.S_IMODE(status.st_mode) != 0o700:
            directory.chmod(0o700)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _cached(numba: Any, source: str, folder: Path, code: str) -> Any:
    path = folder / f"{code}.py"
    kept = _kept(folder, code)
    for file in kept:
        if not _trusted(file):
            _log.warning("removed %s: not a file that only this user can write", file)
            file.unlink()
    if not path.exists() or path.read_text(encoding="utf-8") != source:
        _write(path, source)
    try:
        return _compile_into_cache(numba, path, source, code)
    except Exception as error:
        # Whatever a damaged cache raises, it costs a compilation and no more.
        _log.warning("expression compiled anew: its cache could not be used: %s", error)
        for file in _kept(folder, code):
            file.unlink(missing_ok=True)
        _write(path, source)
        return _compile_into_cache(numba, path, source, code)
    finally:
        for file in _kept(folder, code):
            file.chmod(0o600)


def _kept(folder: Path, code: str) -> list[Path]:
    return [
        file for file in (folder / f"{code}.py", *(folder / "__pycache__").glob(f"{code}.*")) if _there(file)
    ]


def _there(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _trusted(path: Path) -> bool:
    status = path.lstat()
    return stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _write(path: Path, text: str) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=path.stem, suffix=".part")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(name, path)


def _compile_into_cache(numba: Any, path: Path, source: str, code: str) -> Any:
    caching = numba.core.caching

    class Implementation(caching.CompileResultCacheImpl):  # type: ignore[misc, name-defined]
        """Numba's cache, in our directory whatever its own settings say."""

        _locator_classes = (getattr(caching, "InTreeCacheLocator", None) or caching._InTreeCacheLocator,)

    class Cache(caching.FunctionCache):  # type: ignore[misc, name-defined]
        """Numba's cache of one function, over ours."""

        _impl_class = Implementation

    function = _load(source, code, str(path))
    with _no_vector_functions(numba):
        return _decorate(numba, function, lambda: Cache(function))


def _load(source: str, code: str, filename: str) -> Callable[..., None]:
    import numpy as np

    scope: dict[str, Any] = {"np": np, "__name__": __name__}
    exec(compile(source, filename, "exec"), scope)
    function: Callable[..., None] = scope[FUNCTION]
    # Symbols are made of this name; two of the same name in one process would be taken for each other.
    function.__name__ = function.__qualname__ = f"{FUNCTION}_{code}"
    return function


def _decorate(numba: Any, function: Callable[..., None], cache: Callable[[], Any] | None = None) -> Any:
    from numba.core.ccallback import CFunc

    types = numba.types
    pointer = types.CPointer(types.float64)
    signature = types.void(types.CPointer(pointer), pointer, types.int64)
    options = {"nopython": True, "error_model": "numpy", "fastmath": False}
    compiled: Any = CFunc(function, (signature.args, signature.return_type), {}, options)
    if cache is not None:
        compiled._cache = cache()
    compiled.compile()
    return compiled
