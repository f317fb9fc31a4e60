"""From a fitted scikit-learn transformer to a transform: its parameters, read once; never its code.

What converts and what is refused: docs/transforms.md. Read next: convert.py, then graph.py.
"""

from penstock.transform.sklearn.convert import convert

__all__ = ["convert"]
