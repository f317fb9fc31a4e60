"""The live dashboard on the HTTP port. Read first: routes.py, then samples.py, heat_map.py, page.py."""

from penstock.serve.dashboard.routes import Dashboard

__all__ = ["Dashboard"]
