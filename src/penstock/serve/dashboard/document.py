"""The page, put together from the files in page/ as one document that needs nothing beside it."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

__all__ = ["Document", "document"]

SCRIPTS: Final = (
    "words.js",
    "fetching.js",
    "line_chart.js",
    "heat_map.js",
    "feature.js",
    "alerts.js",
    "deployments.js",
    "traffic.js",
    "drift.js",
    "main.js",
)


@dataclass(frozen=True)
class Document:
    """A page and the policy that it is served under.

    Attributes
    ----------
    body : bytes
    policy : str
        A Content-Security-Policy: this script and this style by their digests, data from where the page came
        from, and nothing else.
    """

    body: bytes
    policy: str


@cache
def document() -> Document:
    """Return the page; read once a process."""
    folder = files(__package__) / "page"
    report = files("penstock") / "monitor" / "report"  # as files: nothing of monitoring is imported
    style = "".join(file.read_text("utf-8") for file in (folder / "style.css", report / "drawing.css"))
    scripts = [report / "drawing.js", *(folder / name for name in SCRIPTS)]
    script = "\n".join(file.read_text("utf-8") for file in scripts)
    text = (folder / "page.html").read_text("utf-8")
    text = text.replace("@STYLE@", style).replace("@SCRIPT@", script)
    policy = {
        "default-src": "'none'",
        "script-src": _digest(script),
        "style-src": _digest(style),
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return Document(text.encode(), "; ".join(f"{name} {value}" for name, value in policy.items()))


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
