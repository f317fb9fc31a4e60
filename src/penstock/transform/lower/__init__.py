"""From a spec and the types of its columns to the instructions that compute it.

Read next: lowering.py.
"""

from penstock.transform.lower.lowered import Lookup, Lowered
from penstock.transform.lower.lowering import lower

__all__ = ["Lookup", "Lowered", "lower"]
