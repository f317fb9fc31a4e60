"""What an operator can set. Read first: config.py, then monitor.py."""

from penstock.config.config import (
    Config,
    LimitsConfig,
    ModelConfig,
    ServerConfig,
    TlsConfig,
    parse_config,
    read_config,
)
from penstock.config.monitor import (
    FeedbackConfig,
    LogConfig,
    ModelMonitorConfig,
    MonitorConfig,
    RuleConfig,
    SinkConfig,
)

__all__ = [
    "Config",
    "FeedbackConfig",
    "LimitsConfig",
    "LogConfig",
    "ModelConfig",
    "ModelMonitorConfig",
    "MonitorConfig",
    "RuleConfig",
    "ServerConfig",
    "SinkConfig",
    "TlsConfig",
    "parse_config",
    "read_config",
]
