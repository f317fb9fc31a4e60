"""What browsers are started with."""

from __future__ import annotations

import os


def environment() -> dict[str, str]:
    """This process's environment, without the sanitizers: a browser does not start with them in it."""
    return {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
