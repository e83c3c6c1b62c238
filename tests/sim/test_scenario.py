"""Tests of scenario files: effects, faults, settings and mistakes."""

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


def test_options_override_the_file(tmp_path):
    """The file sets faults, effects and settings."""
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
    """A single mapping is accepted in place of a list."""
    path = tmp_path / "scenario.yaml"
    path.write_text("effects: {provider: slow, factor: 1.15}")
    assert load(path).effects == (Effect(provider="slow", factor=1.15),)


def test_slow_and_fast_name_the_providers():
    """The slow provider has more seconds per token."""
    assert FRIENDLI.token_s > GOOGLE.token_s
    assert Effect(provider="slow", factor=2).concerns(OPTIM, 0)
    assert not Effect(provider="slow", factor=2).concerns(OPTIM2, 0)
    assert Effect(provider="Google", factor=2).concerns(OPTIM2, 0)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("effects: [{factor: 0}]", "effects[0]: factor must be above 0"),
        ("effects: [{on: luck, factor: 2}]", "effects[0]: unknown target 'luck' of 'on'; choose one of llm_s"),
        ("effects: [{provider: nobody, factor: 2}]", "unknown provider 'nobody'; choose one of Friendli, Google, fast, slow"),
        ("effects: [{profile: nobody, factor: 2}]", "unknown profile tag 'nobody'"),
        ("effects: [{provider: slow}]", "effects[0]: needs 'factor'"),
        ("effects: 7", "effects: must be a list"),
        ("server: {speed: 2}", "server: unknown key 'speed'"),
        ("server: {tasks_per_s: -1}", "tasks_per_s must be 0 or more and finite, not -1"),
        ("server: {cold_start: 1}", "server: 'cold_start' cannot be 1"),
        ("server: {quotas: {calls_per_hour: -1}}", "server.quotas: calls_per_hour must be 0 or more, not -1"),
        ("server: {knowledge: [NOBODY]}", "unknown profile tag 'NOBODY'"),
        ("fault: []", "unknown key 'fault'"),
    ],
)
def test_a_mistake_in_a_file_is_located(tmp_path, text, says):
    """The error is one line with the file, the entry and the choices."""
    path = tmp_path / "scenario.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"scenario\.yaml") as raised:
        load(path)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)
