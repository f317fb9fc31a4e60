"""One model name over its life: which versions there are, which are loaded, which is active."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from penstock.bundle.bundle import Bundle
from penstock.bundle.repository import Repository
from penstock.config import Config
from penstock.engine.deployment import Deployment
from penstock.engine.observer import Watcher
from penstock.engine.pipeline import Pipeline
from penstock.engine.routing import ModelRoute
from penstock.engine.statistics import LoadCounts, ModelState, ModelStatus
from penstock.engine.version import LoadedVersion
from penstock.errors import BundleError, ModelNotFoundError, ModelNotReadyError, PenstockError

__all__ = ["Model"]

_log = logging.getLogger(__name__)

_Stamp = tuple[tuple[str, int, int], ...]
_State = tuple[ModelState, str]
_UNKNOWN: Final[_State] = ("UNAVAILABLE", "")


class Model:
    """Loads, swaps and unloads the versions of one model.

    Parameters
    ----------
    name : str
    repository : Repository
    config : Config
    publish : callable
        Called with the name after each change, to put :meth:`route` in force.
    watcher : Watcher
        Told which versions there are; gives each an observer.

    Notes
    -----
    Loads of one model happen one after the other; nothing that answers requests waits for them.
    """

    def __init__(
        self,
        name: str,
        repository: Repository,
        config: Config,
        publish: Callable[[str], None],
        watcher: Watcher,
    ) -> None:
        self.name = name
        self.counts = LoadCounts()
        self._repository = repository
        self._config = config.model(name)
        self._intra_op_threads = config.server.intra_op_threads
        self._compile_trees = config.server.compile_trees
        self._drain_timeout_s = config.server.drain_timeout_s
        self._publish = publish
        self._watcher = watcher
        self._load_lock = threading.Lock()
        self._lock = threading.Lock()  # guards what follows, for a look or a change
        self._deployment: Deployment | None = None
        self._loaded: dict[int, LoadedVersion] = {}
        self._active: int | None = None
        self._states: dict[int, _State] = {}
        self._refused: dict[int, _Stamp] = {}
        self._pin: int | None = None
        self._unloaded = False
        self._closed = False
        self._reason = ""

    @property
    def ready(self) -> bool:
        """Whether the model answers, or was unloaded on purpose."""
        with self._lock:
            return self._active is not None or self._unloaded

    def load(self, version: int | None = None) -> int:
        """Make a version active: see :meth:`Engine.load`."""
        with self._load_lock:
            if self._closed:
                raise ModelNotReadyError(f'model "{self.name}" is not ready: {self._reason}')
            number = self._config.version if version is None else version
            if number is None:
                number = self._repository.latest(self.name)
            self._repository.path(self.name, number)  # raises ModelNotFoundError
            self._swap(number)
            self._pin = version
            self._load_extras()
            return number

    def unload(self, reason: str = "unloaded") -> None:
        """Stop serving; returns when every request under way is answered."""
        with self._load_lock:
            with self._lock:
                retired = list(self._loaded.values())
                deployment, self._deployment = self._deployment, None
                self._loaded.clear()
                self._active = None
                self._unloaded = True
                self._reason = reason
                for loaded in retired:
                    self._states[loaded.version] = ("UNLOADING", reason)
            self._publish(self.name)
            if deployment is not None:
                for loaded in retired:
                    self._drain(deployment, loaded, reason)
                deployment.close()
            if retired:
                _log.info("unloaded model %s", self.name, extra={"model": self.name})
                self._publish(self.name)

    def close(self, reason: str) -> None:
        """Unload for good: no later call loads a version again."""
        with self._load_lock:
            self._closed = True
        self.unload(reason)

    def refresh(self) -> None:
        """Follow the repository: see :meth:`Engine.refresh`."""
        with self._load_lock:
            known = self._repository.versions(self.name)
            self._note(known)
            with self._lock:
                follow = self._pin is None and not self._unloaded
                active = self._active
            if not follow:
                return
            for number in [self._config.version] if self._config.version else reversed(known):
                if number == active or self._attempt(number):
                    break
            self._load_extras()
            self._note(known)

    def statuses(self) -> list[ModelStatus]:
        """Return the state of every known version."""
        try:
            on_disk = self._repository.versions(self.name)
        except ModelNotFoundError:
            on_disk = []
        with self._lock:
            states = dict.fromkeys(on_disk, _UNKNOWN) | self._states
            return [
                ModelStatus(self.name, number, state, reason, number == self._active)
                for number, (state, reason) in sorted(states.items())
            ]

    def route(self) -> ModelRoute:
        """Return what the routing table says of this model."""
        with self._lock:
            active = self._loaded.get(self._active) if self._active is not None else None
            versions = {
                number: self._loaded.get(number, reason) for number, (_, reason) in self._states.items()
            }
            return ModelRoute(active, "" if active else self._reason, versions)

    # -- under the load lock -------------------------------------------------------------------

    def _swap(self, number: int) -> None:
        """Load a version aside, make it active, drain the one that was."""
        started = time.monotonic()
        fresh = self._open(number)
        with self._lock:
            deployment = self._deployment
            old = None if self._active == number else self._loaded.get(self._active or 0)
            replaced = self._loaded.get(number)
            self._loaded[number] = fresh
            self._active = number
            self._states[number] = ("READY", "")
            self._unloaded = False
            self._reason = ""
            keep = old is not None and old.version in self._config.extra_versions
            retired = [loaded for loaded in (replaced, None if keep else old) if loaded is not None]
            if old is not None and not keep:
                del self._loaded[old.version]
                self._states[old.version] = ("UNLOADING", "replaced")
        self._watcher.activate(self.name, number)
        self._publish(self.name)
        _log.info(
            "model %s serves version %d",
            self.name,
            number,
            extra={"model": self.name, "version": number, "load_s": round(time.monotonic() - started, 3)},
        )
        assert deployment is not None
        for loaded in retired:
            self._drain(deployment, loaded, "")
        if retired:
            self._publish(self.name)

    def _note(self, known: Sequence[int]) -> None:
        """Take in which versions the repository has; one that is gone is kept while it is loaded."""
        with self._lock:
            kept = {n: state for n, state in self._states.items() if n in known or n in self._loaded}
            states = dict.fromkeys(known, _UNKNOWN) | kept
            changed = states.keys() != self._states.keys()
            self._states = states
        if changed:
            self._publish(self.name)

    def _attempt(self, number: int) -> bool:
        """Make a version active if it loads; a failure is noted, and not tried again in vain."""
        if not self._worth_a_try(number):
            return False
        try:
            self._swap(number)
        except ModelNotFoundError as error:
            self._miss(number, error)
            return False
        except PenstockError:
            return False
        return True

    def _load_extras(self) -> None:
        for number in self._config.extra_versions:
            with self._lock:
                missing = number not in self._loaded
            if not missing or not self._worth_a_try(number):
                continue
            try:
                loaded = self._open(number)
            except ModelNotFoundError as error:
                self._miss(number, error)
                continue
            except PenstockError:
                continue
            with self._lock:
                self._loaded[number] = loaded
                self._states[number] = ("READY", "")
            self._publish(self.name)

    def _open(self, number: int) -> LoadedVersion:
        """Load, verify and warm one version; a failure leaves everything as it was, but noted."""
        path = self._repository.path(self.name, number)
        stamp = _stamp(path)
        with self._lock:
            before = self._states.get(number, _UNKNOWN)
            serving = number in self._loaded
            if not serving:
                self._states[number] = ("LOADING", "loading")
            if self._active is None:
                self._reason = "loading"
        self._publish(self.name)
        try:
            bundle = Bundle.open(path, verify=False)
            pipeline = Pipeline.load(
                bundle,
                self._config.device,
                self._config.max_batch_rows,
                self._intra_op_threads,
                compile_trees=self._compile_trees,
            )
            with self._lock:
                if self._deployment is None:
                    self._deployment = Deployment(self.name, self._config)
                deployment = self._deployment
            loaded = deployment.add(pipeline, self._watcher.open(bundle, pipeline))
        except Exception as error:
            reason = self._public_reason(error)
            with self._lock:
                self._states[number] = before if serving else ("UNAVAILABLE", reason)
                if self._active is None:
                    self._reason = reason
                self._refused[number] = stamp
                self.counts = replace(self.counts, failures=self.counts.failures + 1)
            self._publish(self.name)
            text = f"model {self.name} version {number} does not load: {error}"
            _log.error("%s", text, extra={"model": self.name, "version": number})
            if isinstance(error, PenstockError):
                raise
            raise BundleError(text) from error
        with self._lock:
            self._refused.pop(number, None)
            self.counts = replace(self.counts, loads=self.counts.loads + 1)
        return loaded

    def _miss(self, number: int, error: ModelNotFoundError) -> None:
        """Note that a version which the configuration names is not in the repository."""
        self._refused[number] = ()
        with self._lock:
            if self._active is None:
                self._reason = str(error)
        self._publish(self.name)
        _log.error("%s", error, extra={"model": self.name, "version": number})

    def _worth_a_try(self, number: int) -> bool:
        """False for a version that failed and whose files are still the same."""
        refused = self._refused.get(number)
        if refused is None:
            return True
        try:
            return _stamp(self._repository.path(self.name, number)) != refused
        except ModelNotFoundError:
            return refused != ()

    def _drain(self, deployment: Deployment, loaded: LoadedVersion, reason: str) -> None:
        deadline = time.monotonic() + self._drain_timeout_s
        deployment.drain(loaded, lambda: time.monotonic() < deadline)
        if loaded.observer is not None:
            self._watcher.release(loaded.observer)
        with self._lock:
            if loaded.version not in self._loaded:
                self._states[loaded.version] = ("UNAVAILABLE", reason)

    def _public_reason(self, error: Exception) -> str:
        """Return what clients may read: no path beyond the repository."""
        text = str(error) if isinstance(error, PenstockError) else type(error).__name__
        return text.replace(f"{self._repository.root}/", "")


def _stamp(path: Path) -> _Stamp:
    """Return name, size and time of every file: what tells a repaired bundle from the same one."""
    found = []
    for file in sorted(path.rglob("*")):
        try:
            status = file.stat()
        except OSError:  # a link to nothing, or gone meanwhile
            continue
        found.append((str(file.relative_to(path)), status.st_size, status.st_mtime_ns))
    return tuple(found)
