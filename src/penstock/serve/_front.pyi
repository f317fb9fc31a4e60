from typing import Any

from penstock.batching import Routes
from penstock.config import LimitsConfig, TlsConfig

class Front:
    def __init__(
        self,
        routes: Routes,
        *,
        address: tuple[str, int],
        control_socket: str,
        limits: LimitsConfig,
        tls: TlsConfig | None = None,
        threads: int = 1,
        busy_poll_us: float = 0,
        triton_status_codes: bool = False,
    ) -> None: ...
    def start(self) -> None: ...
    @property
    def address(self) -> tuple[str, int]: ...
    def drain(self, timeout_s: float) -> bool: ...
    def stop(self) -> None: ...
    def statistics(self) -> dict[str, Any]: ...
    def failures(self) -> list[dict[str, str]]: ...
