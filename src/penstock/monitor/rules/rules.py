"""Rules of a model: what the values of its columns must be. Read next: settings.py, _rules.pyi, counts.py."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from penstock.bundle.signature import Signature
from penstock.errors import SignatureError
from penstock.monitor.calibration.words import printable
from penstock.monitor.places import Place
from penstock.monitor.profile import FeatureProfile
from penstock.monitor.rules._rules import BREACHES, RuleSet
from penstock.monitor.rules.counts import RuleCounts
from penstock.monitor.rules.settings import ColumnRule, find_places, read_rule
from penstock.transform._columns import Binder, Columns

if TYPE_CHECKING:
    from penstock.config.monitor import RuleConfig

__all__ = ["Rules"]

_LONGEST: Final = 40
_NAMED: Final = 5

Counts = np.ndarray[Any, np.dtype[np.int64]]


class Rules:
    """Looks at columns that have a rule, and at no other.

    Parameters
    ----------
    rules : mapping of str to RuleConfig
        By column: an input, ``input[i]`` for a column of a matrix, a feature of the layout, or an output.
    signature : Signature
    layout : sequence of FeatureProfile, optional
        Of the baseline: names the columns of a matrix.

    Attributes
    ----------
    refuses : bool
        Some rule refuses: :meth:`check` is worth calling.

    Raises
    ------
    ConfigError
        Where a rule is of no column of the model, or does not go with it.

    Notes
    -----
    Missing are NaN, null and the empty text. What is missing breaks ``required`` and nothing else. Any thread
    may call anything. Values are looked at where they lie, without the GIL: a few nanoseconds a number, and
    some tens a text whose categories are listed.

    Examples
    --------
    >>> from penstock.bundle.signature import TensorSpec
    >>> from penstock.config.monitor import RuleConfig
    >>> age, answer = TensorSpec("age", "FP32", (-1,)), TensorSpec("y", "FP32", (-1,))
    >>> rules = Rules({"age": RuleConfig(min=0)}, Signature((age,), (answer,), batched=True))
    >>> rules.follow({"age": np.array([40, -1], np.float32)}, {"y": np.zeros(2, np.float32)}, 2)
    >>> rules.take()
    RuleCounts(rows=2, broken={('age', 'min'): 1})
    """

    def __init__(
        self,
        rules: Mapping[str, RuleConfig],
        signature: Signature,
        layout: Sequence[FeatureProfile] = (),
    ) -> None:
        places = find_places(list(rules), signature, layout)
        settings = {name: read_rule(name, rule, places[name]) for name, rule in rules.items()}
        counting = [name for name, rule in rules.items() if not rule.refuse]
        refusing = [name for name, rule in rules.items() if rule.refuse]
        self.refuses = bool(refusing)
        self._settings = settings
        self._counting = _Group(counting, places, settings)
        self._refusing = _Group(refusing, places, settings)
        self._lock = threading.Lock()
        self._broken: Counts = np.zeros((len(counting), len(BREACHES)), np.int64)
        self._rows = 0
        self._taken = RuleCounts()

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns that have a rule."""
        return tuple(self._settings)

    def check(self, columns: Any, rows: int) -> None:
        """Refuse columns where a value breaks a rule that refuses; other rules are not looked at.

        Parameters
        ----------
        columns : mapping of str to array
            Inputs of the signature.
        rows : int

        Raises
        ------
        SignatureError
            Naming the column, the row, what was expected and what came; its reason is ``rule``. Counted by
            whoever answers the request, since a batch may be run again in parts.
        """
        first_row = 0
        for bound in self._refusing.bind(columns, {}):
            _, first = self._refusing.rules.check(bound)
            if first is not None:
                raise self._refusal(bound, *first, first_row)
            first_row += bound.rows

    def follow(self, columns: Any, outputs: Mapping[str, Any], rows: int, ids: object = None) -> None:
        """Count what breaks the rules that do not refuse, of rows that were answered.

        Parameters
        ----------
        columns : mapping of str to array, table, frame or matrix
        outputs : mapping of str to ndarray
        rows : int
        ids : optional
            Not looked at.
        """
        parts = [self._counting.rules.check(bound)[0] for bound in self._counting.bind(columns, outputs)]
        with self._lock:
            self._rows += rows
            for part in parts:
                self._broken += part

    def total(self) -> RuleCounts:
        """Return what was counted since the rules were made, for metrics."""
        with self._lock:
            return self._taken.merge(self._read())

    def take(self) -> RuleCounts:
        """Return what was counted since the last call, and count anew."""
        with self._lock:
            found = self._read()
            self._taken = self._taken.merge(found)
            self._broken[:] = 0
            self._rows = 0
            return found

    def _read(self) -> RuleCounts:
        names = self._counting.names
        broken = {
            (names[column], BREACHES[breach]): int(self._broken[column, breach])
            for column, breach in np.argwhere(self._broken).tolist()
        }
        return RuleCounts(rows=self._rows, broken=broken)

    def _refusal(self, bound: Columns, column: int, row: int, breach: str, first_row: int) -> SignatureError:
        name = self._refusing.names[column]
        expected, got = _words(self._settings[name], breach, bound.value(column, row))
        place = self._refusing.places[column]
        return SignatureError(
            f'column "{name}", row {first_row + row}: expected {expected}, got {got}',
            name=place.tensor,
            reason="rule",
        )


class _Group:
    """Some columns, and how to bind them."""

    def __init__(
        self, names: Sequence[str], places: Mapping[str, Place], settings: Mapping[str, ColumnRule]
    ) -> None:
        self.names = tuple(names)
        self.places = [places[name] for name in names]
        self.rules = RuleSet([settings[name] for name in names])
        types = ["string" if place.text else "number" for place in self.places]
        self._binder = Binder(names, types)

    def bind(self, columns: Any, outputs: Mapping[str, Any]) -> list[Columns]:
        if not self.names:
            return []
        if isinstance(columns, Mapping):
            pairs = zip(self.names, self.places, strict=True)
            return [
                self._binder.bind_mapping({name: _column(name, p, columns, outputs) for name, p in pairs})
            ]
        if isinstance(columns, np.ndarray):
            return self.bind(dict.fromkeys((p.tensor for p in self.places), columns), outputs)
        answered = [place.side == "output" for place in self.places]
        if not any(answered):
            return [bound for bound in self._binder.bind(columns) if bound.rows]
        return self.bind(
            {name: columns[name] for name, out in zip(self.names, answered, strict=True) if not out}, outputs
        )


def _column(name: str, place: Place, columns: Mapping[str, Any], outputs: Mapping[str, Any]) -> Any:
    tensors = columns if place.side == "input" else outputs
    if place.tensor not in tensors:
        return tensors[name]
    found = tensors[place.tensor]
    if isinstance(found, list) and found and isinstance(found[0], list | tuple):
        found = np.asarray(found, object if place.text else None)
    return found[:, place.column] if isinstance(found, np.ndarray) and found.ndim == 2 else found


def _words(rule: ColumnRule, breach: str, value: Any) -> tuple[str, str]:
    """Say what a rule expects and what came."""
    if breach == "required":
        return "a value", "none"
    if breach == "max_length":
        return f"at most {rule['max_length']} bytes", f"a text of {len(str(value).encode())} bytes"
    got = f'"{printable(value, _LONGEST)}"' if isinstance(value, str) else _number(value)
    if breach == "allowed":
        allowed = [
            f'"{printable(one, _LONGEST)}"' if isinstance(one, str) else _number(one)
            for one in rule["allowed"] or ()
        ]
        more = ", …" if len(allowed) > _NAMED else ""
        return f"one of {', '.join(allowed[:_NAMED])}{more}", got
    limit = rule["min"] if breach == "min" else rule["max"]
    return f"{'at least' if breach == 'min' else 'at most'} {_number(limit)}", got


def _number(value: Any) -> str:
    number = float(value)
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)
