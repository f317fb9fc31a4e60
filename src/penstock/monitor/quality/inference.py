"""Find out what is predicted: the task, its classes, and the columns of the prediction."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal

import numpy as np

from penstock.errors import ConfigError
from penstock.monitor.quality.target import Form, Target, Task
from penstock.monitor.quality.values import Flat, canonical, flat, numbers

__all__ = ["infer_target", "prediction_columns"]

_MOST_CLASSES: Final = 64
_PART: Final = re.compile(r"(.*)\[(\d+)\]")


def prediction_columns(wanted: str, outputs: Iterable[str]) -> tuple[str, ...]:
    """Return the output columns that a prediction is in.

    Parameters
    ----------
    wanted : str
        A column, or an output whose columns are ``wanted[0]``, ``wanted[1]`` …; when empty, the only output
        of several columns, or else the only column.
    outputs : iterable of str
        Columns that there are.

    Raises
    ------
    ConfigError
        Where there is no such output, or no single one.

    Examples
    --------
    >>> prediction_columns("", ["label", "probabilities[0]", "probabilities[1]"])
    ('probabilities[0]', 'probabilities[1]')
    """
    names = list(outputs)
    families: dict[str, list[str]] = {}
    for name in names:
        if found := _PART.fullmatch(name):
            families.setdefault(found[1], []).append(name)
    if wanted in names:
        return (wanted,)
    if wanted in families:
        return tuple(sorted(families[wanted], key=_place))
    if not wanted and len(families) == 1:
        return tuple(sorted(next(iter(families.values())), key=_place))
    if not wanted and len(names) == 1:
        return (names[0],)
    got = f'"{wanted}"' if wanted else "none"
    raise ConfigError(f"prediction: expected one of the outputs {', '.join(names)}, got {got}")


def _place(name: str) -> int:
    found = _PART.fullmatch(name)
    return int(found[2]) if found else 0


def infer_target(
    label: str,
    labels: Any,
    predictions: Mapping[str, Any],
    *,
    task: Literal["auto", "binary", "multiclass", "regression"] = "auto",
    threshold: float = 0.5,
) -> Target:
    """Find out from values what is predicted.

    Parameters
    ----------
    label : str
        Name of the label.
    labels : Arrow array, array or list
    predictions : mapping of str to Arrow array, array or list
        Columns of the prediction: one, or one a class in the order of the classes.
    task : {"auto", "binary", "multiclass", "regression"}, default "auto"
        Text labels and several columns mean classes; so do labels 0 and 1, and whole numbers that the
        prediction repeats. All else is a regression.
    threshold : float, default 0.5

    Raises
    ------
    ConfigError
        Where labels and predictions do not fit together, saying why.

    Notes
    -----
    Classes are sorted, numbers by size; the last of two is the positive one. Labels 0 to k - 1 need not all
    be there when there are k columns.

    Examples
    --------
    >>> infer_target("y", ["no", "yes"], {"p": [0.2, 0.7]}).classes
    ('no', 'yes')
    """
    truth = flat(labels)
    columns = tuple(predictions)
    known = _classes(truth)
    if task == "auto":
        task = _task(truth, known, predictions)
    if task == "regression":
        if truth.is_text:
            raise ConfigError(f'label "{label}": expected numbers for a regression, got text')
        return Target(task=task, label=label, prediction=columns, form="number")
    if len(columns) > 1:
        classes = _of_columns(label, known, len(columns))
        if len(columns) == 2:
            _check_probabilities(columns[1], predictions[columns[1]])
            return Target(
                task="binary", label=label, prediction=columns[1:], form="probability", classes=classes,
                threshold=threshold,
            )  # fmt: skip
        return Target(task="multiclass", label=label, prediction=columns, form="probability", classes=classes)
    return _of_one(label, known, columns[0], predictions[columns[0]], task, threshold)


def _classes(truth: Flat) -> list[str]:
    distinct, _ = truth.distinct()
    return _sorted({canonical(value) for value in distinct})


def _sorted(names: Iterable[str]) -> list[str]:
    names = list(names)
    try:
        return sorted(names, key=float)
    except ValueError:
        return sorted(names)


def _task(truth: Flat, known: Sequence[str], predictions: Mapping[str, Any]) -> Task:
    if len(predictions) > 2:
        return "multiclass"
    if len(predictions) == 2:
        return "binary"
    guess = flat(next(iter(predictions.values())))
    if truth.is_text:
        return "binary" if len(known) == 2 else "multiclass"
    if set(known) <= {"0", "1"}:
        return "binary"
    distinct, _ = guess.distinct()
    guessed = {canonical(value) for value in distinct}
    if len(known) <= _MOST_CLASSES and guessed <= set(known) and all(_is_whole(name) for name in known):
        return "multiclass"
    return "regression"


def _is_whole(name: str) -> bool:
    return name.lstrip("-").isdigit()


def _of_columns(label: str, known: Sequence[str], count: int) -> tuple[str, ...]:
    by_place = [str(code) for code in range(count)]
    if set(known) <= set(by_place):
        return tuple(by_place)
    if len(known) != count:
        raise ConfigError(
            f'label "{label}": expected {count} classes, one for each column of the prediction, '
            f"got {len(known)}: {_shown(known)}"
        )
    return tuple(known)


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (" …" if len(names) > 10 else "")


def _of_one(
    label: str, known: Sequence[str], column: str, values: Any, task: Task, threshold: float
) -> Target:
    guess = flat(values)
    distinct, _ = guess.distinct()
    guessed = {canonical(value) for value in distinct}
    if guess.is_text or task == "multiclass" or guessed <= {"0", "1"}:
        form: Form = "class"
        if guessed and not (guessed & set(known)):
            raise ConfigError(
                f'prediction "{column}": expected classes of "{label}" or a column for each of them, '
                f"got {_shown(_sorted(guessed))} for {_shown(known)}"
            )
        every = set(known) | guessed
        classes = ["0", "1"] if every <= {"0", "1"} else _sorted(every)
    else:
        form = "probability"
        classes = ["0", "1"] if set(known) <= {"0", "1"} else list(known)
        _check_probabilities(column, values)
    most = 2 if task == "binary" else _MOST_CLASSES
    if not 2 <= len(classes) <= most:
        raise ConfigError(
            f'label "{label}": expected {"2" if most == 2 else f"2 to {most}"} classes, got {len(classes)}'
        )
    if len(classes) == 2:
        return Target(
            task="binary", label=label, prediction=(column,), form=form, classes=tuple(classes),
            threshold=threshold,
        )  # fmt: skip
    return Target(task="multiclass", label=label, prediction=(column,), form=form, classes=tuple(classes))


def _check_probabilities(column: str, values: Any) -> None:
    found = numbers(values)
    found = found[~np.isnan(found)]
    if len(found) and not (found.min() >= -1e-5 and found.max() <= 1 + 1e-5):
        raise ConfigError(
            f'prediction "{column}": expected probabilities from 0 to 1, '
            f"got {found.min():.4g} to {found.max():.4g}; name the output that has them"
        )
