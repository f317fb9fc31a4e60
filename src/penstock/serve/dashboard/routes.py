"""The page at ``/`` and ``/dashboard``, and what it reads under ``/api``: GET only, JSON."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from penstock.errors import ModelNotReadyError
from penstock.serve.dashboard.alerts import alert_list
from penstock.serve.dashboard.document import document
from penstock.serve.dashboard.heat_map import heat_map
from penstock.serve.dashboard.one_feature import one_feature
from penstock.serve.dashboard.open_windows import OpenWindows
from penstock.serve.dashboard.overview import overview
from penstock.serve.dashboard.samples import INTERVAL_S, SPANS, Samples
from penstock.serve.dashboard.traffic import traffic

if TYPE_CHECKING:
    from penstock.engine.engine import Engine
    from penstock.monitor.monitor import Monitor

__all__ = ["Dashboard"]

_log = logging.getLogger(__name__)

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_REPORT_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "sandbox allow-scripts"
}
_NO_MONITOR: Final = (
    "is not monitored; pack it with a reference (penstock pack --reference), or set baseline_rows"
)


class _AnswerError(Exception):
    """An answer that is not 200."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status


class Dashboard:
    """The dashboard of one server.

    Parameters
    ----------
    engine : callable returning Engine or None
        None before the engine is there; its data are answered 503 until then.
    unready : callable
        Returns why the server is not ready, one JSON object a reason; empty when it is.

    Notes
    -----
    :meth:`run` looks at the counters of the engine every two seconds, so that a page that is opened shows
    what was before. Everything else is computed when it is asked for, in a thread.
    """

    def __init__(
        self, engine: Callable[[], Engine | None], unready: Callable[[], list[dict[str, Any]]] = list
    ) -> None:
        self._engine = engine
        self._unready = unready
        self._started_s = time.time()
        self._samples = Samples()
        self._open_windows = OpenWindows()

    async def run(self) -> None:
        """Look at the counters until cancelled."""
        failed = False
        while True:
            try:
                self.look(time.time())
                failed = False
            except Exception:
                if not failed:
                    _log.exception("the dashboard could not read the counters")
                failed = True
            await asyncio.sleep(INTERVAL_S)

    def look(self, now_s: float) -> None:
        """Look at the counters once."""
        engine = self._engine()
        if engine is not None:
            self._samples.look(engine.statistics(), now_s)

    @property
    def routes(self) -> list[Route]:
        """What is to be mounted."""
        api = {
            "/api/overview": self._overview,
            "/api/models/{model}/traffic": self._traffic,
            "/api/models/{model}/drift": self._drift,
            "/api/models/{model}/feature": self._feature,
            "/api/models/{model}/alerts": self._alerts,
            "/api/models/{model}/report.html": self._report,
            "/api/{rest:path}": _nothing,
        }
        pages = [Route(path, _page, methods=["GET"]) for path in ("/", "/dashboard")]
        return [*pages, *(Route(path, self._answer(read), methods=["GET"]) for path, read in api.items())]

    def _answer(self, read: Callable[[Request, Engine], Any]) -> Callable[[Request], Any]:
        """Return an endpoint that reads in a thread and answers with JSON, or with the page that was read."""

        def work(request: Request) -> tuple[int, bytes]:
            try:
                engine = self._engine()
                if engine is None:
                    raise _AnswerError(503, "models are loading")
                found = read(request, engine)
                return 200, found if isinstance(found, bytes) else _json(found)
            except _AnswerError as error:
                return error.status, _json({"error": str(error)})

        async def endpoint(request: Request) -> Response:
            status, body = await run_in_threadpool(work, request)
            if body.startswith(b"<!"):
                return Response(body, status, _HEADERS | _REPORT_HEADERS, "text/html")
            return Response(body, status, _HEADERS, "application/json")

        return endpoint

    # -- what is read ----------------------------------------------------------------------------

    def _overview(self, request: Request, engine: Engine) -> Any:
        reasons = self._unready()
        return overview(engine, self._samples, reasons, now_s=time.time(), started_s=self._started_s)

    def _traffic(self, request: Request, engine: Engine) -> Any:
        span_s = _whole(request, "span_s", min(SPANS))
        if span_s not in SPANS:
            raise _AnswerError(400, f"span_s: expected one of {', '.join(map(str, SPANS))}, got {span_s}")
        return traffic(self._samples, _model(request, engine), span_s)

    def _drift(self, request: Request, engine: Engine) -> Any:
        monitor, query = _monitor(request, engine), request.query_params
        return heat_map(
            monitor.windows(),
            self._open_windows.get(monitor),
            compare=query.get("compare", "baseline"),
            version=_whole(request, "version", 0) or None,
            find=query.get("find", ""),
            windows=_whole(request, "windows", 100),
        )

    def _feature(self, request: Request, engine: Engine) -> Any:
        monitor, query = _monitor(request, engine), request.query_params
        found = one_feature(
            monitor.windows(),
            self._open_windows.get(monitor),
            query.get("name", ""),
            window=query.get("window", ""),
            compare=query.get("compare", "baseline"),
        )
        if found is None:
            raise _AnswerError(
                404, "no window with this feature was compared; newer ones may have taken its place"
            )
        return found

    def _alerts(self, request: Request, engine: Engine) -> Any:
        monitor = _monitor(request, engine)
        return {"alerts": alert_list(monitor.firing(), monitor.alerts())}

    def _report(self, request: Request, engine: Engine) -> bytes:
        from penstock.monitor.report.page import page

        monitor = _monitor(request, engine)
        windows = _whole(request, "windows", 0) or None
        try:
            return page(monitor.report(windows=windows)).encode()
        except ModelNotReadyError as error:
            raise _AnswerError(503, str(error)) from None


async def _page(request: Request) -> Response:
    page = document()
    return Response(page.body, 200, _HEADERS | {"Content-Security-Policy": page.policy}, "text/html")


def _nothing(request: Request, engine: Engine) -> Any:
    raise _AnswerError(404, "there is nothing here; see docs/dashboard.md")


def _model(request: Request, engine: Engine) -> str:
    name = str(request.path_params["model"])
    if all(status.name != name for status in engine.models()):
        raise _AnswerError(404, f'model "{name}" is not in the repository')
    return name


def _monitor(request: Request, engine: Engine) -> Monitor:
    name = _model(request, engine)
    monitors: Mapping[str, Monitor] = engine.monitors()
    if name not in monitors:
        raise _AnswerError(404, f'model "{name}" {_NO_MONITOR}')
    return monitors[name]


def _whole(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise _AnswerError(400, f'{name}: expected a whole number, got "{text[:50]}"')
    return int(text)


def _json(value: Any) -> bytes:
    """Encode as JSON; what is not a number becomes null, and text that is not Unicode is escaped."""
    try:
        return msgspec.json.encode(value)
    except UnicodeEncodeError:
        return msgspec.json.encode(_printable(value))


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, Mapping):
        return {_printable(key): _printable(part) for key, part in value.items()}
    return [_printable(part) for part in value] if isinstance(value, list | tuple) else value
