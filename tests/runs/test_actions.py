"""Actions on a run in words."""

from datetime import UTC, datetime, timedelta

from uderia_bench.runs.actions import Action, paused, sentences

AT = datetime(2026, 11, 29, 10, tzinfo=UTC)


def acts(*said):
    """Return actions, each four minutes after the one before."""
    return [Action(at=AT + timedelta(minutes=4 * n), who="ann", what=what, about=about) for n, (what, about) in enumerate(said)]


def test_a_pause_and_its_end_are_one_sentence():
    """With its length, its times and who made it."""
    actions = acts(("pause", ""), ("resume", ""), ("set", "budget.usd=5"))
    assert sentences(actions) == (
        "paused 4 min by ann, from 2026-11-29 10:00:00 UTC to 2026-11-29 10:04:00 UTC",
        "budget.usd=5 set by ann at 2026-11-29 10:08:00 UTC: trials before and after this differ in it",
    )
    assert not paused(actions)


def test_a_pause_that_was_not_ended_lasts_until_the_stop():
    """The time until a later resume is no pause. Without a stop, as in a run that was killed, it has no length."""
    actions = acts(("pause", ""), ("stop", ""), ("requeue", "t1"), ("resume", ""))
    assert sentences(actions)[0] == "paused 4 min by ann, from 2026-11-29 10:00:00 UTC to 2026-11-29 10:04:00 UTC"
    assert not paused(actions[:2])
    assert sentences(actions[:1]) == ("paused by ann, from 2026-11-29 10:00:00 UTC, and not resumed",)
    assert paused(actions[:1])


def test_a_pause_of_a_paused_run_is_not_counted_twice():
    """The pause lasts from the first command to the resume."""
    actions = acts(("pause", ""), ("pause", ""), ("resume", ""), ("resume", ""), ("pause", ""), ("resume", ""))
    assert [each.partition(" by ")[0] for each in sentences(actions)] == ["paused 8 min", "paused 4 min"]
