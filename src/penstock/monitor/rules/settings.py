"""From what an operator wrote of a column to what the compiled rules take, checked against the signature."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from typing import TypedDict

from penstock.bundle.signature import Signature
from penstock.config.monitor import RuleConfig
from penstock.errors import ConfigError
from penstock.monitor.places import Place, places, tensor_columns
from penstock.monitor.profile import FeatureProfile

__all__ = ["ColumnRule", "find_places", "read_rule"]


class ColumnRule(TypedDict):
    """The rule of one column; None sets no limit."""

    text: bool
    required: bool
    min: float | None
    max: float | None
    allowed: Sequence[str] | Sequence[float] | None
    max_length: int | None


def find_places(
    names: Sequence[str], signature: Signature, layout: Sequence[FeatureProfile]
) -> dict[str, Place]:
    """Return where each column that has a rule is.

    Raises
    ------
    ConfigError
        Naming the column that is nowhere, with the nearest name.
    """
    if not signature.batched:
        raise ConfigError("rules: expected a model whose rows batch; take the rules away")
    known: dict[str, Place] = {}
    for side, specs in (("output", signature.outputs), ("input", signature.inputs)):
        for spec in specs:
            for index, column in enumerate(tensor_columns(spec)):
                known[column] = Place(side, spec.name, index, spec.datatype == "BYTES")  # type: ignore[arg-type]
    known |= {
        name: place
        for name, place in places(layout, signature.inputs, signature.outputs).items()
        if name not in known
    }
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f'; did you mean "{near[0]}"?' if near else "; expected an input, an output or a feature"
            raise ConfigError(f'rules: the model has no column "{name}"{hint}')
    return {name: known[name] for name in names}


def read_rule(name: str, rule: RuleConfig, place: Place) -> ColumnRule:
    """Return the rule of a column of text or of numbers.

    Raises
    ------
    ConfigError
        Where the rule does not go with the column, or no value could keep it.
    """
    where = f'rules: column "{name}"'
    if rule.refuse and place.side == "output":
        raise ConfigError(f"{where} is an output: refuse is about what clients send; take it away")
    if place.text and (rule.min is not None or rule.max is not None):
        raise ConfigError(f"{where} holds text: expected allowed, max_length or required, got min or max")
    if not place.text and rule.max_length is not None:
        raise ConfigError(f"{where} holds numbers: expected min, max, allowed or required, got max_length")
    for limit in (rule.min, rule.max):
        if limit is not None and math.isnan(limit):
            raise ConfigError(f"{where}: expected a number as min and max, got nan")
    if rule.min is not None and rule.max is not None and rule.min > rule.max:
        raise ConfigError(f"{where}: expected min up to max, got {rule.min:g} and {rule.max:g}")
    return {
        "text": place.text,
        "required": rule.required,
        "min": rule.min,
        "max": rule.max,
        "allowed": rule.allowed if place.text or rule.allowed is None else _numbers(where, rule.allowed),
        "max_length": rule.max_length,
    }


def _numbers(where: str, allowed: Sequence[str]) -> list[float]:
    found = []
    for text in allowed:
        try:
            value = {"true": 1.0, "false": 0.0}[text] if text in ("true", "false") else float(text)
        except ValueError:
            value = math.nan
        if math.isnan(value):
            raise ConfigError(f'{where} holds numbers: expected numbers in allowed, got "{text}"')
        found.append(value)
    return found
