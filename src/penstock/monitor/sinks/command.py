"""Alerts on the standard input of a program."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from pathlib import PurePath

from penstock.errors import ConfigError
from penstock.monitor.alerts import Alert
from penstock.monitor.sinks.encoding import encode
from penstock.monitor.sinks.sink import DeliveryError

__all__ = ["CommandSink"]


class CommandSink:
    """Runs a program once a message, without a shell; it has taken the alert when it exits with 0.

    Parameters
    ----------
    command : sequence of str
        Program and arguments. Arguments may be secret, so only the name of the program is ever shown.
    timeout_s : float
        After it the program and whatever it started are killed.

    Raises
    ------
    ConfigError
        When there is no such program.

    Notes
    -----
    What the program writes is not read. It has a session of its own, so a Ctrl-C does not reach it.
    """

    def __init__(self, command: Sequence[str], *, timeout_s: float = 10.0) -> None:
        if not command or shutil.which(command[0]) is None:
            got = PurePath(command[0]).name if command else "none"
            raise ConfigError(f"expected a program that can be run and its arguments, got {got}")
        self._command = tuple(command)
        self._name = PurePath(command[0]).name
        self._timeout_s = timeout_s

    def send(self, alert: Alert) -> None:
        """Run the program with the alert as JSON on its standard input."""
        try:
            process = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except OSError as error:
            raise DeliveryError(f"{self._name}: cannot be run: {error.strerror}") from None
        with process:
            try:
                process.communicate(encode(alert), self._timeout_s)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise DeliveryError(f"{self._name}: not done within {self._timeout_s:g} s") from None
        if process.returncode != 0:
            raise DeliveryError(f"{self._name}: expected exit status 0, got {process.returncode}")
