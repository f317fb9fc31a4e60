"""The checks of what comes: how often they alarm when nothing moved, and what they find when something did.

Longer simulations: PENSTOCK_THOROUGH=1.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import pytest

from penstock.monitor.rules import DataCheck, DoorCounts, RuleCounts, data_checks, data_findings
from penstock.monitor.rules.excess import excess
from penstock.monitor.rules.rate import rate_shift

HOUR_S = 3600.0
THOROUGH = os.environ.get("PENSTOCK_THOROUGH") == "1"
TIMES = 20_000 if THOROUGH else 1000


def hour(number: int, **counts: int | dict[tuple[str, str], int]) -> DoorCounts:
    rules = RuleCounts(rows=counts.get("rows", 0), broken=counts.pop("broken", {}))  # type: ignore[arg-type]
    begin_s = 1.7e9 // 86_400 * 86_400 + number * HOUR_S
    return DoorCounts(begin_s=begin_s, end_s=begin_s + HOUR_S, rules=rules, **counts)  # type: ignore[arg-type]


def checks_by_name(before: list[DoorCounts], after: DoorCounts) -> dict[tuple[str, str], DataCheck]:
    return {(check.subject, check.name): check for check in data_checks(before, after)}


def most_alarms(level: float, times: int) -> float:
    """Four standard deviations above what is promised."""
    return level * times + 4 * (level * times) ** 0.5


# When nothing moved

Draw = Callable[[np.random.Generator, int], "np.ndarray[tuple[int], np.dtype[np.int64]]"]

STEADY: dict[str, Draw] = {
    "never": lambda random, n: np.zeros(n, np.int64),
    "rare": lambda random, n: random.binomial(5000, 1e-4, n),
    "usual": lambda random, n: random.binomial(5000, 0.03, n),
    "in bursts": lambda random, n: random.binomial(5000, random.beta(2, 60, n)),
    "in wild bursts": lambda random, n: random.binomial(5000, random.beta(0.5, 30, n)),
}


@pytest.mark.parametrize("windows", [5, 24, 100])
@pytest.mark.parametrize("law", STEADY)
def test_shares_that_do_not_rise_keep_the_level(law: str, windows: int) -> None:
    random = np.random.default_rng(windows)
    counts = [STEADY[law](random, windows + 1) for _ in range(TIMES)]
    found = [excess([(int(k), 5000) for k in one[:-1]], (int(one[-1]), 5000)) for one in counts]
    for level in (0.05, 0.01, 0.001):
        assert np.sum(np.array(found) <= level) <= most_alarms(level, TIMES)


RATES: dict[str, Draw] = {
    "independent rows": lambda random, n: random.poisson(50, n),
    "gamma, σ 30 %": lambda random, n: random.poisson(1000 * random.gamma(1 / 0.09, 0.09, n)),
    "gamma, σ 70 %": lambda random, n: random.poisson(1000 * random.gamma(1 / 0.49, 0.49, n)),
    "exponential": lambda random, n: random.poisson(50 * random.gamma(1, 1, n)),
    "lognormal, σ 0.5": lambda random, n: random.poisson(1000 * np.exp(0.5 * random.normal(size=n))),
    "lognormal, σ 1": lambda random, n: random.poisson(1000 * np.exp(random.normal(size=n))),
}


@pytest.mark.parametrize("windows", [8, 24, 168])
@pytest.mark.parametrize("law", RATES)
def test_rates_that_vary_as_before_keep_the_level(law: str, windows: int) -> None:
    random = np.random.default_rng(windows)
    counts = [RATES[law](random, windows + 1) for _ in range(TIMES)]
    found = [rate_shift([(int(k), HOUR_S) for k in one[:-1]], (int(one[-1]), HOUR_S)) for one in counts]
    for level in (0.05, 0.01, 0.001):
        assert np.sum(np.array(found) <= level) <= most_alarms(level, TIMES)


def test_rates_with_heavy_tails_do_little_harm() -> None:
    random = np.random.default_rng(3)
    logs = np.clip(0.2 * random.standard_t(3, size=(TIMES, 25)), -8, 8)
    counts = random.poisson(1000 * np.exp(logs)).tolist()
    found = [rate_shift([(k, HOUR_S) for k in one[:-1]], (one[-1], HOUR_S)) for one in counts]
    assert np.sum(np.array(found) <= 0.01) <= 2 * most_alarms(0.01, TIMES)
    assert np.sum(np.array(found) <= 0.001) <= 6 * most_alarms(0.001, TIMES)


def test_all_checks_of_a_window_share_its_level() -> None:
    random = np.random.default_rng(1)
    cells = [(f"x{i}", reason) for i in range(6) for reason in ("missing", "shape")]
    rules = [(f"x{i}", key) for i in range(6) for key in ("min", "required")]

    def draw(number: int) -> DoorCounts:
        requests = int(random.poisson(2000 * random.gamma(20, 1 / 20)))
        refusals = dict(zip(cells, random.binomial(requests, 0.002, len(cells)).tolist(), strict=True))
        broken = dict(zip(rules, random.binomial(3 * requests, 0.001, len(rules)).tolist(), strict=True))
        return hour(number, requests=requests, rows=3 * requests, refusals=refusals, broken=broken)

    life = [draw(number) for number in range(24 + TIMES // 2)]
    alarmed = sum(
        bool(data_findings(life[number - 24 : number], life[number], level=0.05))
        for number in range(24, len(life))
    )
    assert alarmed <= most_alarms(0.05, TIMES // 2)


# When something did

USUAL = [hour(number, requests=1000, rows=3000 + 40 * (number % 7)) for number in range(48)]


def test_a_client_that_leaves_a_column_out() -> None:
    after = hour(48, requests=1000, rows=2940, refusals={("age", "missing"): 20})
    (first, second) = data_findings(USUAL, after, level=1e-3)
    assert {first.subject, second.subject} == {"requests", "age"}
    finding = first if first.subject == "age" else second
    assert (finding.check, finding.compared_with, finding.severity) == ("refused missing", "previous", "low")
    assert finding.reason == "refused for missing 0 % → 2 %"
    assert finding.effect == pytest.approx(0.02)
    assert finding.evidence < 1e-3
    assert finding.since_s == after.begin_s


def test_columns_that_the_model_has_not() -> None:
    after = hour(48, requests=1000, rows=1500, refusals={("other", "unknown"): 500})
    found = {(f.subject, f.check): f for f in data_findings(USUAL, after, level=1e-3)}
    assert found["other", "refused unknown"].severity == "high"
    assert ("requests", "refused") in found


def test_faults_of_the_request_itself() -> None:
    after = hour(48, requests=1000, rows=3000, refusals={("", "parameter"): 100})
    found = checks_by_name(USUAL, after)
    assert found["requests", "refused parameter"].p_value < 1e-9


def test_values_that_begin_to_break_a_rule() -> None:
    after = hour(48, requests=1000, rows=3000, broken={("age", "max"): 30, ("state", "allowed"): 1})
    (finding,) = data_findings(USUAL, after, level=1e-3)
    assert (finding.subject, finding.check) == ("age", "max")
    assert finding.reason == "against max 0 % → 1 %"


def test_rules_are_judged_by_the_baseline_where_it_tells() -> None:
    usual = [hour(number, requests=1000, rows=3000, broken={("age", "max"): 30}) for number in range(48)]
    after = hour(48, requests=1000, rows=3000, broken={("age", "max"): 30})
    assert data_findings(usual, after, level=0.05) == []
    baseline = RuleCounts(rows=100_000, broken={("age", "max"): 0})
    (finding,) = data_findings(usual, after, level=0.05, expected=baseline)
    assert (finding.check, finding.compared_with) == ("max", "baseline")
    assert data_findings([], after, level=0.05, expected=baseline)[0].check == "max"


def test_fewer_faults_are_no_finding() -> None:
    usual = [hour(number, requests=1000, rows=3000, refusals={("x", "shape"): 200}) for number in range(48)]
    after = hour(48, requests=1000, rows=3000, refusals={("x", "shape"): 1})
    assert checks_by_name(usual, after)["x", "refused shape"].p_value > 0.99
    assert data_findings(usual, after, level=0.05) == []


def test_traffic_that_stops_and_traffic_that_grows() -> None:
    random = np.random.default_rng(2)
    usual = [hour(n, requests=500, rows=int(1000 * random.gamma(25, 1 / 25))) for n in range(72)]
    for rows, change in ((0, 1.0), (20, 0.98), (10_000, 0.9)):
        found = data_findings(usual, hour(72, requests=500, rows=rows), level=1e-3)
        (finding,) = found
        assert (finding.subject, finding.check, finding.severity) == ("rows", "rate", "high")
        assert finding.effect == pytest.approx(change, abs=0.01)
    assert data_findings(usual, hour(72, requests=500, rows=1300), level=1e-3) == []


def test_a_rate_is_compared_with_the_same_hour() -> None:
    day = [100 if number % 24 < 8 else 5000 for number in range(24 * 12)]
    usual = [hour(number, rows=rows) for number, rows in enumerate(day)]
    night, noon = hour(24 * 12 + 3, rows=110), hour(24 * 12 + 12, rows=110)
    assert checks_by_name(usual, night)["rows", "rate"].p_value > 0.01
    assert checks_by_name(usual, noon)["rows", "rate"].p_value < 1e-4


def test_a_rate_needs_a_day_to_compare_with() -> None:
    usual = [hour(number, rows=1000) for number in range(12)]
    assert data_checks(usual, hour(12, rows=9000)) == []
    assert data_checks([], hour(12, rows=9000)) == []
    longer = [hour(number, rows=1000) for number in range(24)]
    assert [check.name for check in data_checks(longer, hour(24, rows=9000))] == ["rate"]
    assert data_checks(longer, DoorCounts(begin_s=1e9, end_s=1e9, rows=5)) == []


def test_windows_that_close_by_rows() -> None:
    begins = 1.7e9 + np.cumsum(np.full(60, 1800.0))
    usual = [DoorCounts(begin_s=b, end_s=b + 1800, rows=10_000) for b in begins.tolist()]
    slow = DoorCounts(begin_s=1.7e9 + 200_000, end_s=1.7e9 + 236_000, rows=10_000)
    assert checks_by_name(usual, slow)["rows", "rate"].p_value < 1e-6


def test_few_requests_are_not_tested() -> None:
    after = hour(48, requests=19, rows=3000, refusals={("x", "shape"): 19})
    assert [check.name for check in data_checks(USUAL, after)] == ["rate"]
    assert data_checks([], hour(0, requests=1000, refusals={("x", "shape"): 900})) == []


def test_the_smallest_effect() -> None:
    after = hour(48, requests=1000, rows=2940, refusals={("age", "missing"): 20})
    assert data_findings(USUAL, after, level=1e-3, min_effect=0.05) == []
