"""Load generation: many unary gRPC calls, each answer checked."""

from penstock.load.load import Latency, LoadReport, run_load

__all__ = ["Latency", "LoadReport", "run_load"]
