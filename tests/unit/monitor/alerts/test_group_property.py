"""Whatever alarms when: an alert fires, may grow, and is resolved, in that order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from test_group import Played, found

EVENTS = st.lists(
    st.tuples(
        st.booleans(),
        st.dictionaries(st.sampled_from("abc"), st.sampled_from(["low", "medium", "high"])),
    ),
    max_size=40,
)


@settings(max_examples=200, deadline=None)
@given(EVENTS, st.integers(1, 3), st.integers(0, 2), st.sampled_from([0.0, 5000.0, 20000.0]))
def test_messages_come_in_order(events, needed, more, cooldown_s) -> None:
    played = Played(needed=needed, of=needed + more, cooldown_s=cooldown_s)
    firing, sequence = False, 0
    for between, severities in events:
        if between:
            for name, severity in severities.items():
                played.group.vote(
                    name, found(name, severity), source="windows", now_s=3600.0 * played.hour, took_s=600.0
                )
            said = played.said(3600.0 * played.hour)
        else:
            said = played.close(**severities)
        if said is None:
            assert firing == played.group.firing
            continue
        what = said.split()[0]
        sequence = sequence + 1 if firing else 1
        assert what == ("fired" if not firing else what)
        assert what in ("fired", "grew", "resolved")
        if what == "resolved":
            assert not played.group.firing
        else:
            assert played.group.state.sequence == sequence
            assert played.group.members
        firing = what != "resolved"
    for _ in range(needed + more + 3):
        played.close()
    assert not played.group.firing
