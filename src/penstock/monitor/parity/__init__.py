"""What other libraries would say of the same data, by their own rules: evidently.py and nannyml.py."""

from penstock.monitor.parity.verdict import Verdict

__all__ = ["Verdict"]
