"""What ``penstock fit`` reads: features as a TOML file has them.

Nothing here touches files.
"""

from __future__ import annotations

import difflib
import re
from typing import Any, Literal

import msgspec

from penstock.errors import ConfigError
from penstock.transform.steps import STEPS, Feature, expected

__all__ = ["Recipe", "parse_recipe"]

Dtype = Literal["float32", "float64", "int32", "int64"]


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Features to fit.

    Attributes
    ----------
    features : tuple of Feature
    dtype : str or dict of output to str
    target : str or None
        The column that target encodings learn from.
    """

    features: tuple[Feature, ...]
    dtype: Dtype | dict[str, Dtype] = "float32"
    target: str | None = None


def parse_recipe(data: dict[str, Any], source: str = "features") -> Recipe:
    """Build a recipe from plain data.

    Parameters
    ----------
    data : dict
        What a TOML parser returned.
    source : str
        Named in error messages, usually the path of the file.

    Raises
    ------
    ConfigError
        On an unknown key or step (the nearest known one is named), a wrong type or a value out of range.

    Examples
    --------
    >>> recipe = parse_recipe({"features": [{"columns": ["age"], "steps": [{"op": "standard_scale"}]}]})
    >>> recipe.features[0].steps
    (StandardScale(center=True, scale=True),)
    """
    try:
        recipe = msgspec.convert(data, Recipe)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(str(error), data, source)) from None
    if not recipe.features:
        raise ConfigError(f"{source}: expected one [[features]] or more")
    return recipe


def _explain(text: str, data: dict[str, Any], source: str) -> str:
    reason, _, path = text.partition(" - at `")
    path = path.removesuffix("`").removeprefix("$").removeprefix(".")
    where = path or "the top level"
    unknown = re.search(r"unknown field `(.+?)`$", reason)
    if unknown is not None:
        struct, name = _struct_at(path, data)
        known = [*(["op"] if name else []), *struct.__struct_fields__]
        return f'{source}: unknown key "{unknown[1]}" in {where}{name}{_near(unknown[1], known)}'
    wrong = re.match(r"Invalid value '(.+?)'", reason)
    if wrong is not None and path.endswith(".op"):
        return f'{source}: unknown step "{wrong[1]}" in {where}{_near(wrong[1], list(STEPS), "steps")}'
    missing = re.search(r"missing required field `(.+?)`$", reason)
    if missing is not None:
        return f'{source}: {where}: expected a key "{missing[1]}"'
    above, _, field = path.rpartition(".")
    choice = expected(_struct_at(above, data)[0], field) if reason.startswith("Invalid enum") else ""
    return f"{source}: {where}: {reason}{choice}"


def _struct_at(path: str, data: Any) -> tuple[type[msgspec.Struct], str]:
    """Return the struct at a ``features[0].steps[1]``-like path, and the step that it is."""
    found = data
    for key, index in re.findall(r"(\w+)|\[(\d+)\]", path):
        found = found[key] if key else found[int(index)]
    if "steps[" in path:
        return STEPS[found["op"]], f" ({found['op']})"
    return Feature if path else Recipe, ""


def _near(word: str, known: list[str], what: str = "keys") -> str:
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.0)[0]
    return f'; did you mean "{near}"? Known {what}: {", ".join(known)}'
