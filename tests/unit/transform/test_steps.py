from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

import penstock.transform
from penstock.errors import ConfigError, TransformError
from penstock.transform import steps
from penstock.transform.fit.recipe import parse_recipe
from penstock.transform.steps import (
    STEPS,
    Bin,
    Clip,
    DatePart,
    Expression,
    Feature,
    Impute,
    MinMaxScale,
    OneHot,
    Pca,
    Project,
    RobustScale,
    StandardScale,
    Step,
    Target,
    Winsorize,
)


def test_every_step_is_exported_documented_and_has_a_name() -> None:
    assert len(STEPS) == len(get_args(steps.AnyStep)) == 28
    for op, step in STEPS.items():
        assert getattr(penstock.transform, step.__name__) is step
        assert op == "".join(
            "_" * (i > 0) + c.lower() if c.isupper() else c for i, c in enumerate(step.__name__)
        )
        assert step.__doc__
        for field in msgspec.structs.fields(step):
            assert field.name in step.__doc__, (op, field.name)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: OneHot(unknown="ignor"), "one_hot: unknown: .*expected error, ignore, infrequent"),  # type: ignore[arg-type]
        (lambda: OneHot(min_count=1, min_share=0.1), "not both"),
        (lambda: OneHot(max_outputs=0), "max_outputs: Expected `int` >= 1"),
        (lambda: Bin(bins=1), "bin: bins: Expected `int` >= 2"),
        (lambda: Bin(edges=(1.0,)), "two or more edges"),
        (lambda: Bin(edges=(1.0, 1.0)), "ascending"),
        (lambda: Clip(), "expected low, high or both"),
        (lambda: Clip(low=2.0, high=1.0), "low <= high"),
        (lambda: MinMaxScale(low=1.0, high=1.0), "low < high"),
        (lambda: RobustScale(low=0.8, high=0.2), "low < high"),
        (lambda: Winsorize(low=-0.1), "low: Expected `float` >= 0"),
        (lambda: Impute(value=3.0), "value goes with"),
        (lambda: Impute(strategy="constant"), "value goes with"),
        (lambda: Pca(components=1.5), "components"),
        (lambda: Pca(components=0), "components"),
        (lambda: Target(smooth=-1.0), "smooth"),
        (lambda: DatePart(parts=()), "one part or more"),
        (lambda: DatePart(parts=("mont",)), "parts"),  # type: ignore[arg-type]
        (lambda: Project(matrix=()), "matrix"),
        (lambda: Project(matrix=((1.0,), (1.0, 2.0))), "same length"),
        (lambda: Project(matrix=((1.0,),), subtract=(1.0, 2.0)), "1 numbers in subtract"),
        (lambda: Expression(text="evil()"), "unknown function evil"),
        (lambda: StandardScale(center=1), "center: Expected `bool`"),  # type: ignore[arg-type]
        (lambda: Feature(), "needs columns"),
        (lambda: Feature(steps=(StandardScale(),)), "needs columns"),
        (lambda: Feature(columns=("a", "a")), "named twice"),
        (lambda: Feature(columns=("a",), steps=("impute",)), "expected a step, got str"),  # type: ignore[arg-type]
        (lambda: Feature(columns=(1,)), "name of a column"),  # type: ignore[arg-type]
    ],
)
def test_steps_are_checked_when_they_are_built(make: Any, words: str) -> None:
    with pytest.raises(TransformError, match=words):
        make()


def test_a_feature_takes_one_column_and_one_step_without_a_tuple() -> None:
    short = Feature(columns="age", steps=StandardScale())  # type: ignore[arg-type]
    assert short == Feature(columns=("age",), steps=(StandardScale(),))
    assert Feature(columns=["a"], steps=[Pca()]).steps == (Pca(),)  # type: ignore[arg-type]


def test_steps_are_immutable() -> None:
    with pytest.raises(AttributeError):
        StandardScale().center = False  # type: ignore[misc]


@pytest.mark.parametrize("op", STEPS)
def test_steps_mean_the_same_in_toml(op: str) -> None:
    needed: dict[str, dict[str, Any]] = {
        "clip": {"low": 1.0}, "function": {"name": "log"}, "hash": {"buckets": 8}, "cross": {"buckets": 8},
        "date_part": {"parts": ["month"]}, "cyclic": {"period": 7}, "project": {"matrix": [[1.0]]},
        "expression": {"text": "a + 1"},
    }  # fmt: skip
    keys = needed.get(op, {})
    recipe = parse_recipe({"features": [{"columns": ["a"], "steps": [{"op": op, **keys}]}]})
    (step,) = recipe.features[0].steps
    assert isinstance(step, STEPS[op])
    assert msgspec.to_builtins(step)["op"] == op
    assert isinstance(step, Step)


FEATURE = {"columns": ["a"], "steps": [{"op": "impute"}]}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"feature": []}, 'unknown key "feature" in the top level; did you mean "features"?'),
        ({"features": []}, "expected one [[features]] or more"),
        ({}, 'the top level: expected a key "features"'),
        (
            {"features": [{"columns": ["a"], "step": []}]},
            'unknown key "step" in features[0]; did you mean "steps"? Known keys: columns, steps, name',
        ),
        (
            {"features": [FEATURE, {"columns": ["a"], "steps": [{"op": "impute", "stratgy": "mean"}]}]},
            'unknown key "stratgy" in features[1].steps[0] (impute); did you mean "strategy"?',
        ),
        (
            {"features": [{"columns": ["a"], "steps": [{"op": "onehot"}]}]},
            'unknown step "onehot" in features[0].steps[0].op; did you mean "one_hot"?',
        ),
        ({"features": [{"columns": ["a"], "steps": [{"columns": 1}]}]}, 'expected a key "op"'),
        (
            {"features": [{"columns": ["a"], "steps": [{"op": "hash"}]}]},
            'steps[0]: expected a key "buckets"',
        ),
        (
            {"features": [{"columns": ["a"], "steps": [{"op": "impute", "strategy": "avg"}]}]},
            "strategy: Invalid enum value 'avg'; expected mean, median, most_frequent, constant",
        ),
        (
            {"features": [{"columns": ["a"], "steps": [{"op": "expression", "text": "lo(a)"}]}]},
            "features[0].steps[0]: expression 'lo(a)', column 1: unknown function lo",
        ),
        ({"features": [FEATURE], "dtype": "float16"}, "dtype"),
        ({"features": [{"columns": "a"}]}, "features[0].columns: Expected `array`, got `str`"),
    ],
)
def test_recipes_are_refused_by_name(data: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_recipe(data, "f.toml")
    assert words in str(caught.value)
    assert str(caught.value).startswith("f.toml: ")
