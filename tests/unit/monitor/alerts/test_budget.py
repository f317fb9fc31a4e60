"""The budget: what each test may spend of it."""

from __future__ import annotations

import pytest

from penstock.errors import ConfigError
from penstock.monitor.alerts.budget import WEEK_S, Budget


@pytest.mark.parametrize("watch", [True, False])
@pytest.mark.parametrize("comparisons", [1, 3])
@pytest.mark.parametrize("multivariate", [True, False])
def test_everything_together_spends_the_budget(watch: bool, comparisons: int, multivariate: bool) -> None:
    budget = Budget(
        false_alarms_per_week=2.0, watch=watch, comparisons=comparisons, multivariate=multivariate
    )
    families = [budget.window_rate(family) for family in ("drift", "multivariate", "performance", "data")]
    assert budget.watch_rate + sum(families) == pytest.approx(2.0)
    assert (families[1] > 0) == multivariate
    assert budget.watch_rate == (1.0 if watch else 0.0)


def test_windows_spend_by_their_time() -> None:
    budget = Budget(false_alarms_per_week=1.0, watch=False)
    hours = sum(budget.window_level(3600.0) for _ in range(168))
    assert hours == pytest.approx(budget.window_level(60.0) * WEEK_S / 60.0)
    assert hours == pytest.approx(0.5)
    assert budget.window_level(0.0) == budget.window_level(-5.0) == 0.0
    assert Budget(false_alarms_per_week=1e6).window_level(3600.0) == 0.05


def test_a_budget_of_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="false_alarms_per_week: expected a number above 0, got 0"):
        Budget(false_alarms_per_week=0)
