"""The one place where ONNX Runtime sessions are made.

Settings that keep the runtime quiet, its threads few and its memory flat over
thousands of reloads stand here, each with its measured reason. Read next:
pipeline.py, which warms a session and guards its answers.
"""

from __future__ import annotations

import ctypes
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

# Read when the runtime is imported, which otherwise begins a telemetry session and writes a file for it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

import onnxruntime

from penstock.bundle.signature import Signature, TensorSpec
from penstock.errors import BundleError, InferenceError, UnsupportedError

if TYPE_CHECKING:
    from penstock.forest import CompiledGraph

__all__ = ["RUNTIME_VERSION", "Arrays", "Session", "open_session", "release_memory"]

RUNTIME_VERSION: Final[str] = onnxruntime.__version__
"""Of ONNX Runtime, which nothing else imports: see above."""

Arrays = dict[str, np.ndarray[Any, Any]]

_log = logging.getLogger(__name__)

_DATATYPES: Final = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}
_ZIPMAPS: Final = ("seq(map(int64,tensor(float)))", "seq(map(string,tensor(float)))")
_SILENT: Final = 4  # every failure comes back as an exception; the runtime's own lines would only repeat it

# glibc's; nothing elsewhere.
_malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None


def release_memory() -> None:
    """Hand memory that the allocator keeps for later back to the system: 1 to 6 ms, without the GIL."""
    if _malloc_trim is not None:
        _malloc_trim(0)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def open_session(
    graph_path: str | Path, device: str = "auto", intra_op_threads: int = 0, compile_trees: bool = False
) -> Session:
    """Load a graph.

    Parameters
    ----------
    graph_path : str or Path
        ONNX file; external data files are found beside it.
    device : str
        ``auto`` (CUDA where the runtime offers it, else CPU), ``cpu``, ``cuda`` or ``cuda:N``.
    intra_op_threads : int
        Threads that one run may use, the caller's among them; 0 is one a core.
    compile_trees : bool
        Run a graph that is one ensemble of small trees with :mod:`penstock.forest`, which is tens of times
        faster, in the caller's thread; its answers are compared with the runtime's first.

    Raises
    ------
    BundleError
        When the graph does not load, or a tensor in its signature has a type that is not served.
    UnsupportedError
        When a CUDA device is asked for and the runtime has none.

    Notes
    -----
    Each session has its own pool of threads, and they never spin: idle, they cost no CPU and about
    75 KB each. The pool that ONNX Runtime 1.32 can share between sessions always spins, and Python has
    no switch for it: 500 one-row runs a second of a model of 100 trees took 2.2 ms of CPU a run with it
    on 2 threads, and 0.15 ms with pools that sleep.

    The runtime's CPU arena is off: it made runs no faster (measured on trees and dense layers, 1 to
    256 rows) and keeps the largest batch's memory for ever.
    """
    onnxruntime.set_default_logger_severity(_SILENT)
    options = _session_options(intra_op_threads or _cores())
    providers = _providers(device)
    path = Path(graph_path)
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers, enable_fallback=0)
    except Exception as error:
        raise BundleError(f"{path}: the graph does not load: {_reason(error)}") from None
    on_cuda = "CUDAExecutionProvider" in session.get_providers()
    if device.startswith("cuda") and not on_cuda:
        raise UnsupportedError(f'{path}: device "{device}" could not be used; expected a working CUDA device')
    loaded = Session(session, path, "cuda" if on_cuda else "cpu")
    if compile_trees and not on_cuda:
        loaded.compile_trees()
    return loaded


def _session_options(threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _SILENT
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options


def _providers(device: str) -> list[Any]:
    available = onnxruntime.get_available_providers()
    cpu = ["CPUExecutionProvider"]
    if device == "cpu" or (device == "auto" and "CUDAExecutionProvider" not in available):
        return cpu
    if "CUDAExecutionProvider" not in available:
        raise UnsupportedError(
            f'device "{device}" needs ONNX Runtime with CUDA (the gpu extra); '
            f"this one offers {', '.join(available)}"
        )
    index = device.partition(":")[2] or "0"
    cuda = {"device_id": index, "arena_extend_strategy": "kSameAsRequested"}
    return [("CUDAExecutionProvider", cuda), *cpu]


def _reason(error: Exception) -> str:
    """Return the first line of a runtime error, without its code prefix."""
    text = str(error).strip().partition("\n")[0]
    return text.rpartition("[ONNXRuntimeError] : ")[2] or type(error).__name__


class Session:
    """A loaded graph that can be run from any thread.

    Attributes
    ----------
    signature : Signature
        As the graph declares it. ``batched`` says that every input has a variable first dimension
        under at most one symbol; whether every output follows it, only a run can tell where
        ``proven`` is False.
    proven : bool
        Every output declares a variable first dimension too. Some exporters declare ``[1]`` or no
        shape at all for outputs that do follow the rows.
    declared : Signature
        The same with the shapes of the graph untouched and ``batched`` False.
    device : str
        ``cpu`` or ``cuda``.
    forest : CompiledGraph or None
        Runs the graph instead of the runtime.

    Notes
    -----
    A run costs about 1 µs on top of the runtime's compiled one, as much as the runtime's own Python
    wrapper, which is left out: it checks again what the caller's signature check has settled.
    """

    __slots__ = (
        "_decoded",
        "_names",
        "_run",
        "_zipmaps",
        "declared",
        "device",
        "forest",
        "path",
        "proven",
        "signature",
    )

    def __init__(self, session: Any, path: Path, device: str) -> None:
        self.path = path
        self.device = device
        inputs = session.get_inputs()
        outputs = session.get_outputs()
        self.declared = _signature(path, inputs, outputs)
        self.signature, self.proven = _batched(self.declared, inputs)
        self._names = [spec.name for spec in self.declared.outputs]
        self._decoded = tuple(spec.name for spec in self.declared.inputs if spec.datatype == "BYTES")
        self._zipmaps = frozenset(node.name for node in outputs if node.type in _ZIPMAPS)
        if self._zipmaps:
            _log.warning(
                "%s: output %s is a sequence of maps, unpacked row by row in Python; "
                "export the model with zipmap=False to serve it faster",
                path,
                ", ".join(sorted(self._zipmaps)),
            )
        # The compiled object is an attribute of a documented class but not documented itself.
        compiled = getattr(session, "_sess", session)
        self._run: Any = compiled.run
        self.forest: CompiledGraph | None = None

    def compile_trees(self) -> None:
        """Run the graph as a compiled forest from here on, where it is one; the runtime's is freed."""
        inputs, outputs = self.declared.inputs, self.declared.outputs
        matrix = len(inputs) == 1 and inputs[0].datatype == "FP32" and len(inputs[0].shape) == 2
        if not matrix or any(spec.datatype not in ("FP32", "INT64") for spec in outputs):
            return
        # Most graphs that look like this are not forests, and few processes have one.
        from penstock.forest import NotCompiledError, compile_graph

        try:
            forest = compile_graph(self.path, inputs[0].shape[1], self._names, self._run)
        except NotCompiledError as error:
            _log.debug("%s: left to ONNX Runtime: %s", self.path, error)
            return
        self._run = forest.run
        self.forest = forest

    @property
    def zipmaps(self) -> frozenset[str]:
        """Outputs that the graph gives as a sequence of maps."""
        return self._zipmaps

    def run(self, inputs: Mapping[str, np.ndarray[Any, Any]], outputs: Sequence[str] | None = None) -> Arrays:
        """Run the graph.

        Parameters
        ----------
        inputs : mapping of str to ndarray
            One array an input, of the declared dtype, C-contiguous. BYTES arrays hold ``str``, or
            ``bytes`` in UTF-8.
        outputs : sequence of str, optional
            Names to compute; all where left out.

        Returns
        -------
        dict of str to ndarray
            In the order asked for. BYTES arrays hold ``str``.

        Raises
        ------
        InferenceError
            Whatever the reason. The GIL is released while the graph runs.
        """
        names = self._names if outputs is None else list(outputs)
        run = self._run
        if run is None:
            raise InferenceError(f"{self.path}: the session is closed")
        try:
            if self._decoded:
                inputs = self._with_text(inputs)
            arrays = run(names, inputs, None)
        except Exception as error:
            raise InferenceError(f"{self.path}: {_reason(error)}") from error
        answer = dict(zip(names, arrays, strict=True))
        if self._zipmaps:
            for name in self._zipmaps.intersection(names):
                answer[name] = _densified(answer[name])
        return answer

    def close(self) -> None:
        """Let the graph go, once the runs under way have ended, and its memory. May be called again.

        Notes
        -----
        Freed memory is handed back to the system, which takes 1 to 6 ms without the GIL. Else it
        stays in the allocator's arenas, one a loading thread: reloading a dense model of 45 MB from
        ever new threads came to 610 MB within 50 times instead of 160 MB.
        """
        self._run = None
        release_memory()

    def _with_text(self, inputs: Mapping[str, np.ndarray[Any, Any]]) -> Arrays:
        # The runtime would store the repr of a bytes object, "b'...'", without complaint.
        decoded = dict(inputs)
        for name in self._decoded:
            array = decoded[name]
            if array.dtype.kind != "O" or bytes in set(map(type, array.flat)):
                text = [item.decode() if isinstance(item, bytes) else item for item in array.flat]
                decoded[name] = np.array(text, dtype=object).reshape(array.shape)
        return decoded


def _signature(path: Path, inputs: Sequence[Any], outputs: Sequence[Any]) -> Signature:
    specs: list[tuple[TensorSpec, ...]] = []
    for side, nodes in (("input", inputs), ("output", outputs)):
        specs.append(tuple(_spec(path, side, node) for node in nodes))
    try:
        return Signature(inputs=specs[0], outputs=specs[1], batched=False)
    except ValueError as error:
        raise BundleError(f"{path}: {error}") from None


def _spec(path: Path, side: str, node: Any) -> TensorSpec:
    if side == "output" and node.type in _ZIPMAPS:
        return TensorSpec(node.name, "FP32", (-1, -1))
    if node.type not in _DATATYPES:
        raise BundleError(
            f'{path}: {side} "{node.name}" has type {node.type}; expected a tensor of bool, integers, '
            "float16, float, double or string"
        )
    shape = tuple(size if isinstance(size, int) and size >= 0 else -1 for size in node.shape)
    return TensorSpec(node.name, _DATATYPES[node.type], shape)


def _batched(declared: Signature, inputs: Sequence[Any]) -> tuple[Signature, bool]:
    """Return the signature with the row dimension marked, and whether the outputs declare it too."""
    symbols = {node.shape[0] for node in inputs if node.shape and isinstance(node.shape[0], str)}
    if len(symbols) > 1 or any(spec.shape[:1] != (-1,) for spec in declared.inputs):
        return declared, True
    proven = all(spec.shape[:1] == (-1,) for spec in declared.outputs)
    outputs = tuple(TensorSpec(spec.name, spec.datatype, (-1, *spec.shape[1:])) for spec in declared.outputs)
    return Signature(inputs=declared.inputs, outputs=outputs, batched=True), proven


def _densified(maps: Sequence[Mapping[Any, float]]) -> np.ndarray[Any, Any]:
    """Return a sequence of maps, one a row, as an (n_rows, n_keys) array, keys in sorted order."""
    keys = sorted(maps[0]) if maps else []
    dense = [[row[key] for key in keys] for row in maps]
    return np.array(dense, dtype=np.float32).reshape(len(maps), len(keys))
