"""What is computed element by element.

T is the type of the inputs as one matrix (:func:`penstock.transform.types.matrix_type`),
k their number. Read next: categorical.py.
"""

from __future__ import annotations

from typing import cast

from penstock.transform.instructions import DATE_PARTS, UNARIES
from penstock.transform.operations.definition import FLOATS, Array, Case, Definition, Parameter
from penstock.transform.operations.parameters import DTYPE, choice, each_input, flag, is_number, one

__all__ = ["NUMERIC"]

MISSING = Parameter("missing", '"nan" or a number', lambda x: x == "nan" or is_number(x), optional=True)


def _check_clip(case: Case) -> None:
    if case.parameter("clip"):
        for name in ("low", "high"):
            if name not in case.operation.parameters:
                raise case.refuse(f'parameter "{name}" is missing; expected a number, as "clip" is set')
        low, high = cast(float, case.parameter("low")), cast(float, case.parameter("high"))
        if low > high:
            raise case.refuse(f'parameter "low": expected at most "high", {high}, got {low}')


def _check_bounds(case: Case) -> None:
    for i, (low, high) in enumerate(zip(case.numbers("low"), case.numbers("high"), strict=True)):
        if not low <= high:
            raise case.refuse(
                f'arrays "low" and "high": input {i}: expected low <= high, got {low} and {high}'
            )


def _check_references(case: Case) -> None:
    if not case.length("references"):
        raise case.refuse('array "references": expected at least 1 value, got none')


def _check_indicator(case: Case) -> None:
    missing = case.parameter("missing")
    texts = set(case.classes) == {"text"}
    if not texts and isinstance(missing, str) and missing != "nan":
        raise case.refuse(f'parameter "missing": expected "nan", null or a number, got {missing!r}')
    if is_number(missing) and set(case.classes) != {"number"}:
        raise case.refuse(f'parameter "missing": expected null or a text, as the inputs, got {missing!r}')


NUMERIC = (
    Definition(
        "impute",
        """Fills what is missing: ``fill[i]`` where x is NaN (or equals ``missing``), else x.

        ``fill`` is rounded to T. As scikit-learn's SimpleImputer.""",
        ("number",),
        each_input,
        "matrix",
        (MISSING,),
        (Array("fill", FLOATS, each_input),),
    ),
    Definition(
        "missing_indicator",
        """Says what is missing: 1 where x is missing (or, if given, equals ``missing``), else 0.

        Of numbers, ``"nan"`` is as good as none given.

        As scikit-learn's MissingIndicator, which gives booleans.""",
        ("number", "text", "time"),
        each_input,
        "dtype",
        (
            DTYPE,
            Parameter(
                "missing",
                '"nan", null, a number or a text',
                lambda x: x is None or isinstance(x, str) or is_number(x),
                optional=True,
            ),
        ),
        also=_check_indicator,
    ),
    Definition(
        "standard_scale",
        """Centres and scales: ``(x - mean[i]) / scale[i]``, each where it is given.

        Both are rounded to T first; it divides, as scikit-learn's StandardScaler.""",
        ("number",),
        each_input,
        "matrix",
        (),
        (Array("mean", FLOATS, each_input, optional=True), Array("scale", FLOATS, each_input, optional=True)),
    ),
    Definition(
        "min_max_scale",
        """Maps a range onto another: ``x * scale[i] + min[i]``; within ``low`` and ``high`` if ``clip``.

        Each step is computed in the wider of T and the array's type, and rounded to T. As scikit-learn's
        MinMaxScaler.""",
        ("number",),
        each_input,
        "matrix",
        (
            flag("clip"),
            Parameter("low", "a number", is_number, optional=True),
            Parameter("high", "a number", is_number, optional=True),
        ),
        (Array("scale", FLOATS, each_input), Array("min", FLOATS, each_input)),
        also=_check_clip,
    ),
    Definition(
        "max_abs_scale",
        """Divides by the largest magnitude: ``x / scale[i]``, then held within -1 and 1 if ``clip``.

        Computed in the wider of T and the array's type, and rounded to T. As scikit-learn's MaxAbsScaler.""",
        ("number",),
        each_input,
        "matrix",
        (flag("clip"),),
        (Array("scale", FLOATS, each_input),),
    ),
    Definition(
        "robust_scale",
        """Centres and scales: ``(x - center[i]) / scale[i]``, each where it is given.

        Each step is computed in the wider of T and the array's type, and rounded to T. As scikit-learn's
        RobustScaler.""",
        ("number",),
        each_input,
        "matrix",
        (),
        (
            Array("center", FLOATS, each_input, optional=True),
            Array("scale", FLOATS, each_input, optional=True),
        ),
    ),
    Definition(
        "function",
        """A function of NumPy, element by element: ``name(x)``.""",
        ("number",),
        each_input,
        "matrix",
        (Parameter("name", "one of " + ", ".join(UNARIES), lambda value: value in UNARIES),),
    ),
    Definition(
        "clip",
        """Holds within bounds: ``min(max(x, low[i]), high[i])``; NaN stays NaN, an infinite bound is none.

        Bounds are rounded to T.""",
        ("number",),
        each_input,
        "matrix",
        (),
        (Array("low", FLOATS, each_input), Array("high", FLOATS, each_input)),
        also=_check_bounds,
    ),
    Definition(
        "box_cox",
        """Box and Cox's power transform: ``(x**lambda - 1) / lambda``, ``log(x)`` where lambda is 0.

        As scipy.special.boxcox: NaN for negative x.""",
        ("number",),
        each_input,
        "matrix",
        (),
        (Array("lambdas", FLOATS, each_input),),
    ),
    Definition(
        "yeo_johnson",
        """Yeo and Johnson's power transform, for numbers of either sign.

        ``((x + 1)**lambda - 1) / lambda`` for x >= 0 (``log1p(x)`` where lambda is 0),
        ``-((1 - x)**(2 - lambda) - 1) / (2 - lambda)`` below (``-log1p(-x)`` where lambda is 2).""",
        ("number",),
        each_input,
        "matrix",
        (),
        (Array("lambdas", FLOATS, each_input),),
    ),
    Definition(
        "quantile",
        """Replaces x by its rank: interpolates from ``quantiles`` to ``references``, n of each.

        The mean of the interpolations from below and from above, so that ties get the middle of their ranks;
        then the normal distribution's quantile of that, if ``distribution`` is ``normal``. The quantiles of
        an input stand together. As scikit-learn's QuantileTransformer.""",
        ("number",),
        each_input,
        "matrix",
        (choice("distribution", "uniform", "normal"),),
        (
            Array("references", FLOATS),
            Array("quantiles", FLOATS, lambda case: case.inputs * case.length("references")),
        ),
        also=_check_references,
    ),
    Definition(
        "date_part",
        """A part of a point in time, UTC: ``part`` of x; NaN where x is missing.

        Monday is day 0 of the week; weeks are those of ISO 8601.""",
        ("time",),
        one,
        "dtype",
        (DTYPE, Parameter("part", "one of " + ", ".join(DATE_PARTS), lambda value: value in DATE_PARTS)),
        most=1,
    ),
    Definition(
        "cyclic",
        """A place on a circle: ``sin(2 pi (x - origin) / period)`` and the cosine of the same.""",
        ("number",),
        lambda case: 2,
        "float64",
        (
            Parameter("period", "a number above 0", lambda x: is_number(x) and cast(float, x) > 0),
            Parameter("origin", "a number", is_number, optional=True),
        ),
        most=1,
    ),
    Definition(
        "constant",
        """The same number in every row: ``value``.""",
        (),
        one,
        "dtype",
        (DTYPE, Parameter("value", '"nan" or a number', lambda x: x == "nan" or is_number(x))),
        least=0,
        most=0,
    ),
    Definition(
        "cast",
        """The same number in another type: x, rounded (to whole numbers: towards zero) to ``dtype``.""",
        ("number",),
        each_input,
        "dtype",
        (choice("dtype", "float32", "float64", "int32", "int64"),),
    ),
)
