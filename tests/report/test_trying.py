"""The result of a test of changes: what is adopted, why the rest is not, and the commands that adopt it."""

from types import SimpleNamespace

import pytest
from report.reports import METRICS, comparison, difference, ratio, report

from uderia_bench.report import trying
from uderia_bench.runs.lock import Lock
from uderia_bench.trial import Serving

CANDIDATES = {
    "few": {"fields": {"tools": ["it's"]}, "skills": {"brief": "Be brief."}, "prompts": {"a/b": "X"}},
    "slow": {"fields": {"llmConfigurationId": "2"}},
    "out": {"fields": {"llmConfigurationId": "3"}},
}
LOCK = Lock(
    run="r", source="r", arm="OPTIM", metric="cost_usd", margin=0.05, candidates=CANDIDATES, screen=("q1",), confirm=("q2",),
    repeats=1, level=0.0304, test=1,
)  # fmt: skip
SERVED = Serving(server="http://u:5050", profile_id="p1", profile_tag="OPTIM", profile_type="tool_enabled")
RUN = SimpleNamespace(manifest=SimpleNamespace(arms={"OPTIM": SERVED}, decided=None), trials=lambda: None)
SCREENED = SimpleNamespace(
    manifest=SimpleNamespace(decided=SimpleNamespace(at=SimpleNamespace(dropped=(("out", 1),))), arms={})
)
SCREENING = report(
    comparisons=[
        comparison("cost_usd", ratio(value), "inconclusive", pair=("OPTIM", name))
        for name, value in (("few", 0.75), ("slow", 0.9), ("out", 1.2))
    ]
)


def tried(verdict="better", guard=0.0, guard_verdict="inconclusive"):
    """Return the result where ``few`` has this verdict, and this effect on success."""
    confirmation = report(
        comparisons=[
            comparison("cost_usd", ratio(0.85, 0.8, 0.9), verdict, pair=("OPTIM", "few")),
            comparison("answered", difference(guard), guard_verdict, pair=("OPTIM", "few"), family="exploratory"),
        ]
    )
    return trying.tried(LOCK, SCREENED, SCREENING, RUN, confirmation)


def test_a_confirmed_change_is_handed_over_with_its_commands():
    """Both effects are shown, and the commands are quoted for a shell."""
    found = tried()
    few, slow, out = found.changes
    assert (few.adopted, few.screened.value, few.confirmed.value) == (True, 0.75, 0.85)
    assert (slow.reason, out.reason) == ("not the best", "dropped at look 1")
    skill, note, fields, prompt = few.commands
    assert skill.startswith('curl -X PUT "http://u:5050/api/v1/skills/brief"')
    assert note.startswith("# then switch")
    assert """-d '{"tools":["it'"'"'s"]}'""" in fields
    assert '/system-prompts/profiles/p1/mappings"' in prompt
    text = trying.to_text(found, METRICS)
    assert "-25%  -15% (-20 to -10)  adopt" in text
    assert "at most 3%" in text


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"verdict": "inconclusive"}, "not confirmed"),
        ({"verdict": "worse"}, "worse"),
        ({"verdict": "equivalent"}, "within the margin"),
        ({"guard": -0.02, "guard_verdict": "worse"}, "answered is worse"),
        ({"guard": -0.06}, "answered is worse"),
    ],
)
def test_what_is_not_better_or_loses_success_is_not_adopted(said, reason):
    """A guard fails on a verdict, and on a loss of more than five points without one."""
    found = tried(**said)
    assert (found.adopted, found.changes[0].reason) == ((), reason)
    assert trying.to_text(found, METRICS).startswith("None of 3 changes of OPTIM is confirmed: leave the profile as it is.")


def test_no_effect_of_the_screening_has_no_sign():
    """-0.2 % is neither -0% nor +0%."""
    for value in (0.998, 1.002):
        seen = report(comparisons=[comparison("cost_usd", ratio(value), "inconclusive", pair=("OPTIM", "slow"))])
        text = trying.to_text(trying.tried(LOCK, SCREENED, seen, RUN, None), METRICS)
        assert not {"-0%", "+0%"} & set(text.split())


def test_several_changes_are_said_to_be_tested_alone():
    """Their effects may not add up, and the commands of one may undo those of another."""
    pairs = [comparison("cost_usd", ratio(0.85, 0.8, 0.9), "better", pair=("OPTIM", name)) for name in ("few", "slow")]
    found = trying.tried(LOCK, SCREENED, SCREENING, RUN, report(comparisons=pairs))
    assert "Each change was tested alone." in trying.to_text(found, METRICS)
    assert "Each change was tested alone." not in trying.to_text(tried(), METRICS)


def test_the_best_changes_that_are_left_are_confirmed():
    """Not those that were dropped or look worse, and not more than a number."""
    assert trying.promising(LOCK, SCREENED, SCREENING, keep=4) == ("few", "slow")
    assert trying.promising(LOCK, SCREENED, SCREENING, keep=1) == ("few",)
    assert trying.tried(LOCK, SCREENED, SCREENING, RUN, None).adopted == ()
