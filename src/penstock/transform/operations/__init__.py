"""The operations that a spec is made of: what each computes, takes and gives.

Read next: registry.py for the check; numeric.py, categorical.py and
combination.py for the definitions, which mirror lower/.
"""

from penstock.transform.operations.definition import Case, Definition
from penstock.transform.operations.registry import OPERATIONS, check, check_all

__all__ = ["OPERATIONS", "Case", "Definition", "check", "check_all"]
