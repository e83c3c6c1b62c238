"""The file a server is started with: effects, faults and settings as people write them, and the mistakes it may contain."""

from __future__ import annotations

import pytest

from uderia_bench.sim.agent.llms import FRIENDLI, GOOGLE
from uderia_bench.sim.agent.profiles import OPTIM, OPTIM2
from uderia_bench.sim.quotas import Quotas
from uderia_bench.sim.trouble.effects import Effect
from uderia_bench.sim.trouble.scenario import load

WHOLE = """
faults:
  - {kind: plan_failure, rate: 0.2, profile: OPTIM}
effects:
  - {provider: slow, factor: 1.15, from: 30}
  - {on: output_tokens, profile: IDEAT, factor: 0.9}
server:
  tasks_per_s: 0
  cold_start: false
  quotas: {calls_per_hour: 1000}
  knowledge: [IDEAT]
"""


def test_a_file_sets_what_it_says_and_the_command_line_wins(tmp_path):
    """Faults, effects and settings; options given beside it come first."""
    path = tmp_path / "scenario.yaml"
    path.write_text(WHOLE)
    settings = load(path, seed=3, tasks_per_s=4.0)
    assert (settings.seed, settings.tasks_per_s, settings.cold_start, settings.knowledge) == (3, 4.0, False, ("IDEAT",))
    assert settings.quotas == Quotas(calls_per_hour=1000)
    assert [fault.kind for fault in settings.faults] == ["plan_failure"]
    assert settings.effects == (
        Effect(provider="slow", factor=1.15, from_s=30),
        Effect(on="output_tokens", profile="IDEAT", factor=0.9),
    )


def test_one_effect_needs_no_list(tmp_path):
    """A mapping is a list of one."""
    path = tmp_path / "scenario.yaml"
    path.write_text("effects: {provider: slow, factor: 1.15}")
    assert load(path).effects == (Effect(provider="slow", factor=1.15),)


def test_slow_and_fast_are_the_providers_that_are():
    """The nicknames name a provider by what it is; others by their names."""
    assert FRIENDLI.token_s > GOOGLE.token_s
    assert Effect(provider="slow", factor=2).concerns(OPTIM, 0)
    assert not Effect(provider="slow", factor=2).concerns(OPTIM2, 0)
    assert Effect(provider="Google", factor=2).concerns(OPTIM2, 0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("effects: [{factor: 0}]", "effects[0]: the factor must be above 0"),
        ("effects: [{on: luck, factor: 2}]", "effects[0]: an effect is on one of llm_s"),
        ("effects: [{provider: nobody, factor: 2}]", "no provider is called 'nobody'; there are Friendli, Google, fast, slow"),
        ("effects: [{profile: nobody, factor: 2}]", "no profile has the tag 'nobody'"),
        ("effects: [{provider: slow}]", "effects[0]: wants at least 'factor'"),
        ("effects: 7", "effects: wants a list"),
        ("server: {speed: 2}", "server: unknown key 'speed'"),
        ("server: {tasks_per_s: -1}", "tasks_per_s must not be negative"),
        ("server: {cold_start: 1}", "server: 'cold_start' cannot be 1"),
        ("server: {quotas: {calls_per_hour: -1}}", "server.quotas: calls_per_hour must not be negative"),
        ("server: {knowledge: [NOBODY]}", "no profile has the tag 'NOBODY'"),
        ("fault: []", "unknown key 'fault'"),
    ],
)
def test_a_wrong_file_says_where(tmp_path, text, says):
    """One line that names the file, the entry and what there is."""
    path = tmp_path / "scenario.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"scenario\.yaml") as raised:
        load(path)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)
