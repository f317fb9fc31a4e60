"""The steps of a transform that is fitted here: what the builder in Python and ``penstock fit`` both take.

A feature is some columns and the steps that they pass through. A step sees all values of its feature and
hands on its own; what it learns, it learns from the values that the steps before it give. Missing numbers
are NaN: every step leaves them out when it learns and hands them on, unless it says otherwise. k is the
number of values that come in. Read next: fit/fit.py.
"""

from __future__ import annotations

import itertools
from typing import Annotated, ClassVar, Literal, get_args, get_origin

import msgspec

from penstock.errors import TransformError

__all__ = [
    "STEPS", "Bin", "BoxCox", "Clip", "Count", "Cross", "Cyclic", "DatePart", "Expression", "Feature",
    "Frequency", "Function", "Hash", "Impute", "Log", "MaxAbsScale", "MinMaxScale", "Normalize", "OneHot",
    "Ordinal", "Pca", "Polynomial", "Project", "Quantile", "RobustScale", "Select", "StandardScale", "Step",
    "Target", "Winsorize", "YeoJohnson",
]  # fmt: skip

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Positive = Annotated[int, msgspec.Meta(ge=1)]
Bins = Annotated[int, msgspec.Meta(ge=2, le=65_536)]
Buckets = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]
MostCategories = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="op"):
    """Base of every step: immutable, keyword-only, closed, checked when built."""

    fits: ClassVar[bool] = True
    """Whether anything is learned from data."""

    def __post_init__(self) -> None:
        try:
            msgspec.convert(msgspec.structs.asdict(self), _mirror(type(self)))
        except msgspec.ValidationError as error:
            reason, _, path = str(error).partition(" - at `$.")
            field = path.removesuffix("`")
            raise TransformError(f"{self.op}: {field}: {reason}{expected(type(self), field)}") from None
        self._check()

    @property
    def op(self) -> str:
        """What the step is called in TOML."""
        return str(self.__struct_config__.tag)

    def _check(self) -> None:
        """Raise TransformError on what the types alone do not refuse."""

    def _refuse_unless(self, held: bool, reason: str) -> None:
        if not held:
            raise TransformError(f"{self.op}: {reason}")


class Impute(Step, frozen=True, kw_only=True, tag="impute"):
    """Fill what is missing.

    Parameters
    ----------
    strategy : {"mean", "median", "most_frequent", "constant"}, default "mean"
        What fills a column: learned from it, or ``value``. Of several most frequent values the least.
        Texts have ``most_frequent`` and ``constant`` only.
    value : float or str, optional
        With ``constant``.
    missing : float, default nan
        The number that counts as missing. In columns of text it is what is null.
    indicator : bool, default False
        Also 1 where a value was missing, else 0, for the columns in which any was. These values pass by
        the steps that follow.
    """

    strategy: Literal["mean", "median", "most_frequent", "constant"] = "mean"
    value: float | str | None = None
    missing: float = float("nan")
    indicator: bool = False

    def _check(self) -> None:
        given = self.value is not None
        self._refuse_unless(
            given == (self.strategy == "constant"), 'value goes with strategy = "constant", and only with it'
        )


class StandardScale(Step, frozen=True, kw_only=True, tag="standard_scale"):
    """``(x - mean) / standard deviation``, of the population; a constant column is only centred.

    Parameters
    ----------
    center, scale : bool, default True
        Whether to subtract, whether to divide.
    """

    center: bool = True
    scale: bool = True


class MinMaxScale(Step, frozen=True, kw_only=True, tag="min_max_scale"):
    """Put the range that was seen on ``[low, high]``: ``(x - min) / (max - min) * (high - low) + low``.

    Parameters
    ----------
    low, high : float, default 0, 1
    clip : bool, default False
        Whether values outside of the range that was seen stop at its ends.
    """

    low: float = 0.0
    high: float = 1.0
    clip: bool = False

    def _check(self) -> None:
        self._refuse_unless(self.low < self.high, "expected low < high")


class MaxAbsScale(Step, frozen=True, kw_only=True, tag="max_abs_scale"):
    """``x / max(|x|)``."""


class RobustScale(Step, frozen=True, kw_only=True, tag="robust_scale"):
    """``(x - median) / (quantile(high) - quantile(low))``.

    Parameters
    ----------
    low, high : float, default 0.25, 0.75
    center, scale : bool, default True
        Whether to subtract, whether to divide.
    """

    low: Share = 0.25
    high: Share = 0.75
    center: bool = True
    scale: bool = True

    def _check(self) -> None:
        self._refuse_unless(self.low < self.high, "expected low < high")


class Normalize(Step, frozen=True, kw_only=True, tag="normalize"):
    """Divide the k values of a row by their norm; a row of zeros stays.

    Parameters
    ----------
    norm : {"l1", "l2", "max"}, default "l2"
    """

    fits: ClassVar[bool] = False
    norm: Literal["l1", "l2", "max"] = "l2"


class Function(Step, frozen=True, kw_only=True, tag="function"):
    """A function of each value.

    Parameters
    ----------
    name : str
        As NumPy calls it: log, log1p, log2, log10, exp, expm1, sqrt, cbrt, abs, sign, square, reciprocal,
        negative, floor, ceil, rint, sin, cos, tan, arcsin, arccos, arctan, sinh, cosh, tanh, arcsinh,
        arccosh, arctanh, deg2rad, rad2deg.
    """

    fits: ClassVar[bool] = False
    name: Literal[
        "log", "log1p", "log2", "log10", "exp", "expm1", "sqrt", "cbrt", "abs", "sign", "square",
        "reciprocal", "negative", "floor", "ceil", "rint", "sin", "cos", "tan", "arcsin", "arccos", "arctan",
        "sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "deg2rad", "rad2deg",
    ]  # fmt: skip


class Log(Step, frozen=True, kw_only=True, tag="log"):
    """``log(1 + x)``, or ``log(x)``; the logarithm of less than nothing is NaN.

    Parameters
    ----------
    plus_one : bool, default True
    """

    fits: ClassVar[bool] = False
    plus_one: bool = True


class Clip(Step, frozen=True, kw_only=True, tag="clip"):
    """``min(max(x, low), high)``.

    Parameters
    ----------
    low, high : float, optional
        An end that is not given is open.
    """

    fits: ClassVar[bool] = False
    low: float | None = None
    high: float | None = None

    def _check(self) -> None:
        self._refuse_unless(self.low is not None or self.high is not None, "expected low, high or both")
        if self.low is not None and self.high is not None:
            self._refuse_unless(self.low <= self.high, "expected low <= high")


class Winsorize(Step, frozen=True, kw_only=True, tag="winsorize"):
    """Clip to quantiles of the column.

    Parameters
    ----------
    low, high : float, default 0.01, 0.99
    """

    low: Share = 0.01
    high: Share = 0.99

    def _check(self) -> None:
        self._refuse_unless(self.low < self.high, "expected low < high")


class BoxCox(Step, frozen=True, kw_only=True, tag="box_cox"):
    """``(x ** lambda - 1) / lambda``, ``log(x)`` where lambda is 0; lambda by maximum likelihood.

    Every value must be above 0.
    """


class YeoJohnson(Step, frozen=True, kw_only=True, tag="yeo_johnson"):
    """Box-Cox for values of either sign; lambda by maximum likelihood, 1 for a constant column."""


class Quantile(Step, frozen=True, kw_only=True, tag="quantile"):
    """Where a value stands among those that were seen, from 0 to 1, by interpolation.

    Parameters
    ----------
    quantiles : int, default 1000
        Points kept; no more than there are rows.
    distribution : {"uniform", "normal"}, default "uniform"
        ``normal``: the normal deviate of that position.
    """

    quantiles: Annotated[int, msgspec.Meta(ge=2, le=100_000)] = 1000
    distribution: Literal["uniform", "normal"] = "uniform"


class Bin(Step, frozen=True, kw_only=True, tag="bin"):
    """The number of the bin that a value is in; values outside of all bins are in the first or last.

    Parameters
    ----------
    bins : int, default 5
    strategy : {"quantile", "uniform", "kmeans"}, default "quantile"
        Bins of as many values each, of the same width, or around the centres of one-dimensional k-means.
        Bins narrower than 1e-8 are left out.
    edges : tuple of float, optional
        In place of both: all edges, ascending, the outer ones too. Nothing is learned then.
    output : {"ordinal", "one_hot"}, default "ordinal"
        0, 1, ... (NaN where the value is), or one value a bin, 1 in that which it is in.
    """

    bins: Bins = 5
    strategy: Literal["quantile", "uniform", "kmeans"] = "quantile"
    edges: tuple[float, ...] | None = None
    output: Literal["ordinal", "one_hot"] = "ordinal"

    def _check(self) -> None:
        if self.edges is not None:
            ascend = all(a < b for a, b in itertools.pairwise(self.edges))
            self._refuse_unless(len(self.edges) >= 2 and ascend, "expected two or more edges, ascending")


class Polynomial(Step, frozen=True, kw_only=True, tag="polynomial"):
    """Products of up to ``degree`` values: for a, b of degree 2: a, b, a², ab, b².

    Parameters
    ----------
    degree : int, default 2
    interaction_only : bool, default False
        Only products of different values: a, b, ab.
    bias : bool, default False
        Also the product of none, 1, as the first.
    """

    fits: ClassVar[bool] = False
    degree: Annotated[int, msgspec.Meta(ge=1, le=10)] = 2
    interaction_only: bool = False
    bias: bool = False


class OneHot(Step, frozen=True, kw_only=True, tag="one_hot"):
    """One value for each category that was seen: 1 for that of the row, 0 for the others.

    Parameters
    ----------
    unknown : {"error", "ignore", "infrequent"}, default "error"
        What a category does that was not seen: refuse the batch, set none, or count as infrequent (and set
        none where no category is).
    missing : {"category", "ignore", "error"}, default "category"
        Missing values are the last category where any was seen, and otherwise unknown; or set none; or are
        refused.
    min_count : int, optional
        Categories seen fewer times share one value, the last.
    min_share : float, optional
        The same, as a share of the rows.
    max_outputs : int, optional
        At most so many values; the least frequent categories share one of them.
    drop : {"first", "if_binary"}, optional
        Leave out the first category; or that of two.
    max_categories : int, default 1_000_000
        More different values are refused.
    """

    unknown: Literal["error", "ignore", "infrequent"] = "error"
    missing: Literal["category", "ignore", "error"] = "category"
    min_count: Positive | None = None
    min_share: Share | None = None
    max_outputs: Positive | None = None
    drop: Literal["first", "if_binary"] | None = None
    max_categories: MostCategories = 1_000_000

    def _check(self) -> None:
        self._refuse_unless(
            self.min_count is None or self.min_share is None, "min_count or min_share, not both"
        )

    @property
    def groups(self) -> bool:
        """Whether categories may share a value."""
        return not (self.min_count is None and self.min_share is None and self.max_outputs is None)


class Ordinal(Step, frozen=True, kw_only=True, tag="ordinal"):
    """The number of the category among those that were seen, in ascending order.

    Parameters
    ----------
    unknown : float, optional
        For a category that was not seen; such a batch is refused where none is given.
    missing : float, default nan
        For a missing value.
    max_categories : int, default 1_000_000
    """

    unknown: float | None = None
    missing: float = float("nan")
    max_categories: MostCategories = 1_000_000


class Target(Step, frozen=True, kw_only=True, tag="target"):
    """The mean of the target over the rows of a category, drawn towards the mean over all rows.

    ``w * mean(category) + (1 - w) * mean``; the mean for a category that was not seen. A missing value is a
    category. The rows that it is fitted on carry their own target: train a model on values fitted on others.

    Parameters
    ----------
    smooth : "auto" or float, default "auto"
        ``auto``: w by empirical Bayes, from the variances within the category and over all rows. A number
        m: w = n / (n + m) for n rows.
    kind : {"auto", "number", "classes"}, default "auto"
        ``number``: the target as it is, booleans as 0 and 1. ``classes``: one value a class of the target,
        in ascending order; of two only the second. ``auto``: classes where the target is text.
    max_categories : int, default 1_000_000
    """

    smooth: Literal["auto"] | Annotated[float, msgspec.Meta(ge=0)] = "auto"
    kind: Literal["auto", "number", "classes"] = "auto"
    max_categories: MostCategories = 1_000_000


class Count(Step, frozen=True, kw_only=True, tag="count"):
    """How many rows had the category; 0 for one that was not seen. A missing value is a category.

    Parameters
    ----------
    max_categories : int, default 1_000_000
    """

    max_categories: MostCategories = 1_000_000


class Frequency(Step, frozen=True, kw_only=True, tag="frequency"):
    """Which share of the rows had the category; 0 for one that was not seen. A missing value is a category.

    Parameters
    ----------
    max_categories : int, default 1_000_000
    """

    max_categories: MostCategories = 1_000_000


class Hash(Step, frozen=True, kw_only=True, tag="hash"):
    """The bucket of each value by a stable hash, for more categories than can be listed.

    Parameters
    ----------
    buckets : int
    seed : int, default 0
    output : {"index", "one_hot", "signed"}, default "index"
        The number of the bucket; or one value a bucket, 1 (``signed``: 1 or -1) in that of the row.
    """

    fits: ClassVar[bool] = False
    buckets: Buckets
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    output: Literal["index", "one_hot", "signed"] = "index"


class Cross(Step, frozen=True, kw_only=True, tag="cross"):
    """The bucket of the k values of a row together.

    Parameters
    ----------
    buckets, seed, output
        As of :class:`Hash`.
    """

    fits: ClassVar[bool] = False
    buckets: Buckets
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    output: Literal["index", "one_hot", "signed"] = "index"


class DatePart(Step, frozen=True, kw_only=True, tag="date_part"):
    """Parts of dates and times, in UTC: one value for each part of each column.

    Parameters
    ----------
    parts : tuple of str
        year, quarter, month, day, day_of_week (Monday 0), day_of_year, week (ISO 8601), hour, minute,
        second, is_weekend, epoch_seconds, epoch_days.
    """

    fits: ClassVar[bool] = False
    parts: tuple[
        Literal[
            "year", "quarter", "month", "day", "day_of_week", "day_of_year", "week", "hour", "minute",
            "second", "is_weekend", "epoch_seconds", "epoch_days",
        ],
        ...,
    ]  # fmt: skip

    def _check(self) -> None:
        self._refuse_unless(bool(self.parts), "expected one part or more")


class Cyclic(Step, frozen=True, kw_only=True, tag="cyclic"):
    """Two values for each: ``sin`` and ``cos`` of ``2 pi (x - origin) / period``.

    Parameters
    ----------
    period : float
        24 for hours, 7 for days of the week, 12 for months.
    origin : float, default 0
    """

    fits: ClassVar[bool] = False
    period: Annotated[float, msgspec.Meta(gt=0)]
    origin: float = 0.0


class Project(Step, frozen=True, kw_only=True, tag="project"):
    """A given linear map: ``matrix @ x - subtract``, divided by ``divide``.

    Parameters
    ----------
    matrix : tuple of tuple of float
        One row of k numbers for each value that comes out.
    subtract, divide : tuple of float, optional
        One for each value that comes out.
    """

    fits: ClassVar[bool] = False
    matrix: tuple[tuple[float, ...], ...]
    subtract: tuple[float, ...] | None = None
    divide: tuple[float, ...] | None = None

    def _check(self) -> None:
        self._refuse_unless(
            bool(self.matrix) and len({len(row) for row in self.matrix}) == 1 and bool(self.matrix[0]),
            "expected a matrix of rows of the same length",
        )
        for name, numbers in (("subtract", self.subtract), ("divide", self.divide)):
            fits = numbers is None or len(numbers) == len(self.matrix)
            self._refuse_unless(fits, f"expected {len(self.matrix)} numbers in {name}")


class Pca(Step, frozen=True, kw_only=True, tag="pca"):
    """The principal components of the k values. A missing value is refused.

    Parameters
    ----------
    components : int or float, optional
        How many, all by default; below 1 the share of the variance that they explain at least.
    whiten : bool, default False
        Whether each is divided by its standard deviation.
    """

    components: Positive | Annotated[float, msgspec.Meta(gt=0, lt=1)] | None = None
    whiten: bool = False


class Expression(Step, frozen=True, kw_only=True, tag="expression"):
    """One value computed from others by name, as in ``log1p(amount) / (days + 1)``.

    As the first step it names raw columns, and a feature need not list them.

    Parameters
    ----------
    text : str
    """

    fits: ClassVar[bool] = False
    text: str

    def _check(self) -> None:
        from penstock.transform.expression.grammar import parse

        parse(self.text)


class Select(Step, frozen=True, kw_only=True, tag="select"):
    """Hand on some values only, or all as they are.

    Parameters
    ----------
    columns : tuple of str
        Which, by name; none is all.
    """

    fits: ClassVar[bool] = False
    columns: tuple[str, ...] = ()


AnyStep = (
    Bin | BoxCox | Clip | Count | Cross | Cyclic | DatePart | Expression | Frequency | Function | Hash
    | Impute | Log | MaxAbsScale | MinMaxScale | Normalize | OneHot | Ordinal | Pca | Polynomial | Project
    | Quantile | RobustScale | Select | StandardScale | Target | Winsorize | YeoJohnson
)  # fmt: skip

STEPS: dict[str, type[Step]] = {str(step.__struct_config__.tag): step for step in AnyStep.__args__}
"""Every step under its name in TOML."""


class Feature(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Some columns and the steps that they pass through, in order.

    Parameters
    ----------
    columns : tuple of str
        Raw columns. May be left out where the first step is an :class:`Expression`.
    steps : tuple of steps
        None hands the columns on as they are.
    name : str, optional
        What the value that comes out is called; where there are several, each is called ``name__`` and what
        it would be called anyway.
    output : str, default "features"
        The matrix that the values go to.
    """

    columns: tuple[str, ...] = ()
    steps: tuple[AnyStep, ...] = ()
    name: str | None = None
    output: str = "features"

    def __post_init__(self) -> None:
        for field in ("columns", "steps"):
            # One column and one step need no tuple; a list is as good as one.
            value = getattr(self, field)
            given = (value,) if isinstance(value, str | Step) else tuple(value)
            msgspec.structs.force_setattr(self, field, given)
        for step in self.steps:
            if not isinstance(step, Step):
                raise TransformError(f"feature {self.label!r}: expected a step, got {type(step).__name__}")
        for column in self.columns:
            if not isinstance(column, str):
                raise TransformError(f"expected the name of a column, got {type(column).__name__}")
        if len(set(self.columns)) < len(self.columns):
            raise TransformError(f"feature {self.label!r}: a column is named twice")
        if not self.columns and not (self.steps and isinstance(self.steps[0], Expression)):
            raise TransformError("a feature needs columns, or an expression as its first step")

    @property
    def label(self) -> str:
        """What the feature is called in messages."""
        return self.name or ", ".join(self.columns) or "expression"


def expected(struct: type[msgspec.Struct], name: str) -> str:
    """Return what a field can be, as the end of a message; nothing where it is no choice between words."""
    for field in msgspec.structs.fields(struct):
        choices = get_args(field.type) if get_origin(field.type) is Literal else ()
        if field.name == name and choices:
            return "; expected " + ", ".join(choices)
    return ""


def _mirror(step: type[Step]) -> type:
    """Return a struct with the fields of a step and none of its checks, against which it is checked."""
    if step not in _checked:
        hints = {field.name: (field.type, field) for field in msgspec.structs.fields(step)}
        _checked[step] = msgspec.defstruct(
            step.__name__, [(name, kind) for name, (kind, _) in hints.items()], kw_only=True
        )
    return _checked[step]


_checked: dict[type[Step], type] = {}
