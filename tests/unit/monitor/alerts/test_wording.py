"""What alerts say."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from drift_profiles import categories_of, current_of, profile_of, reference_of

from penstock.monitor.alerts.alert import Finding
from penstock.monitor.alerts.watch import Crossing
from penstock.monitor.alerts.wording import (
    general_steps,
    of_crossing,
    of_feature,
    severity_of,
    steps_for,
    title,
    worst_first,
)
from penstock.monitor.drift import drift

RANDOM = np.random.default_rng(0)
BEFORE = reference_of(RANDOM.normal(40, 10, 5000), name="age")
STATES = categories_of(["MA"] * 600 + ["NY"] * 300 + ["VT"] * 100, name="state")


def finding(subject: str, severity: str = "low", effect: float = 0.01, evidence: float = 1e-9) -> Finding:
    return Finding(
        subject=subject,
        check="chi2",
        compared_with="baseline",
        reason=f"reason of {subject}; and more",
        effect=effect,
        evidence=evidence,
        since_s=0.0,
        severity=severity,  # type: ignore[arg-type]
    )


def test_severity_is_by_effect() -> None:
    assert [severity_of(x) for x in (0.0, 0.049, 0.05, 0.2, math.nan)] == [
        "low",
        "low",
        "medium",
        "high",
        "low",
    ]


def test_the_worst_comes_first() -> None:
    several = [
        finding("a", "low", 0.04),
        finding("b", "high", 0.3),
        finding("c", "high", 0.5),
        finding("d", "low", math.nan, math.nan),
        finding("e", "low", 0.04, 1e-12),
    ]
    assert [one.subject for one in worst_first(several)] == ["c", "b", "e", "a", "d"]


def test_titles_name_the_worst_and_count_the_rest() -> None:
    totals = dict.fromkeys("abcdef", ("feature", 16)) | {"score": ("output", 1)}
    names = [finding(name) for name in "abcde"]
    assert title("drift", names[:1], totals) == "1 of 16 features moved: a (reason of a)"
    assert title("drift", names, totals) == "5 of 16 features moved: a (reason of a), b, c and 2 more"
    both = [finding("score"), finding("a")]
    assert title("drift", both, totals) == (
        "1 of 16 features and 1 of 1 output moved: score (reason of score) and a"
    )
    long = replace(finding("a"), reason="x" * 500)
    assert len(title("drift", [long], totals)) < 120
    assert "\x1b" not in title("drift", [finding("\x1b[2J")], {})


def test_steps_for_numbers() -> None:
    cents = current_of(RANDOM.normal(4000, 1000, 500), BEFORE)
    assert steps_for("cramer_von_mises", "mean", BEFORE, cents) == (
        'look for a change of unit in "age": its mean is 100 times what it was',
    )
    older = current_of(RANDOM.normal(45, 10, 500), BEFORE)
    (step,) = steps_for("cramer_von_mises", "mean 40 → 45", BEFORE, older)
    assert step == 'look at where "age" comes from: mean 40 → 45'
    gone = current_of(np.full(100, np.nan), BEFORE)
    assert "look at what fills" in steps_for("missing", "missing 0 % → 100 %", BEFORE, gone)[0]
    assert "default" in steps_for("missing", "", replace(BEFORE, missing=500), older)[0]
    assert "division by zero" in steps_for("infinite", "", BEFORE, older)[0]
    assert "never seen" in steps_for("out_of_range", "", BEFORE, older)[0]
    output = replace(BEFORE, role="output")
    assert "the answers" in steps_for("chi2", "", output, older)[0]


def test_steps_for_categories() -> None:
    def step(values: list[str]) -> str:
        return steps_for("chi2", "", STATES, categories_of(values, STATES))[0]

    assert step(["MA"] * 600 + ["new york"] * 300) == (
        'look at the upstream recoding of "state": "NY", "VT" stopped, "new york" is new'
    )
    assert step(["MA"] * 600 + ["VT"] * 300) == 'look at what makes "state": "NY" stopped'
    assert "knows nothing of it" in step(["MA", "NY", "VT"] * 300 + ["TX"] * 30)
    assert "other shares" in step(["MA", "NY", "VT"] * 300)
    assert "other shares" in step(["MA", "NY"] * 20)  # too few to say that VT stopped


def test_general_steps() -> None:
    first, last = general_steps("drift", 8, 16, 1e9, 4, True)
    assert first[0].startswith("half of all features moved")
    assert last[0].startswith("it began with version 4")
    assert last[1].endswith("retrain with data since 2001-09-09 01:46 UTC")
    assert general_steps("operation", 1, 16, 1e9, 4, True) == ((), ())
    first, last = general_steps("drift", 1, 16, 1e300, 4, False)
    assert first == ()
    assert last[0].endswith("since then")


def test_a_finding_of_a_window_has_its_evidence() -> None:
    current = current_of(RANDOM.normal(43, 10, 1000), BEFORE)
    report = drift(profile_of(BEFORE), profile_of(current))
    found = of_feature(report["age"], "previous", 5.0, {})
    assert found.check in {"cramer_von_mises", "chi2"}
    assert (found.compared_with, found.since_s) == ("previous", 5.0)
    assert found.evidence == report["age"].p_value


@pytest.mark.parametrize(
    ("check", "words"),
    [
        ("mean_rank", "mean 39.95 → "),
        ("interval", "%"),
        ("missing", "missing"),
        ("out_of_range", "out of range"),
    ],
)
def test_a_finding_of_the_watch_says_by_how_much(check: str, words: str) -> None:
    values = np.concatenate((RANDOM.normal(45, 10, 400), [np.nan] * 40, [500.0] * 20))
    crossing = Crossing(
        feature="age",
        check=check,
        rose=True,
        since_s=1.0,
        evidence=1e-6,
        reference=BEFORE,
        current=current_of(values, BEFORE),
    )
    found = of_crossing(crossing)
    assert words in found.reason
    assert 0 < found.effect <= 1
    few = of_crossing(replace(crossing, current=current_of(values[:10], BEFORE)))
    assert few.reason
    assert math.isnan(few.effect)
