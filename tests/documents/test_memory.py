"""Arms with memory: what an experiment may have, and the messages for everything else."""

from __future__ import annotations

import pytest
from experiments import built

from uderia_bench.errors import DocumentError

COLD = {"name": "cold", "profile": "OPTIM", "memory": "off"}
WARM = {"name": "warm", "profile": "OPTIM", "memory": "frozen"}
GROWS = {"name": "grows", "profile": "OPTIM", "memory": "learning"}
PLAIN = {"name": "plain", "profile": "OPTIM"}


@pytest.mark.parametrize(("arms", "said", "mistake"), [
    ((COLD, WARM), {}, "arms.0.memory: off changes the server: add manage_server: true"),
    ((PLAIN, WARM), {"manage_server": False}, "arms.1.memory: frozen changes the server"),
    ((COLD, WARM), {"manage_server": True, "load": {"isolation": "none"}}, "load.isolation: must be arm"),
    ((COLD, WARM), {"manage_server": True, "load": {"isolation": "trial"}}, "load.isolation: must be arm"),
    ((COLD, GROWS), {"manage_server": True}, "load.concurrency: must be 1 where an arm has memory: learning"),
    ((GROWS, GROWS | {"name": "b"}), {"manage_server": True, "load": {"concurrency": 1}}, "that of arms.0"),
    ((COLD, WARM), {"manage_server": True, "servers": ["http://a", "http://b"]}, "servers: cannot be a pool"),
    ((COLD | {"cases": "Lab"}, WARM), {"manage_server": True}, "arms.0.cases: needs memory: frozen or placebo"),
    ((COLD | {"memory": "none"}, WARM), {"manage_server": True}, "arms.0.memory"),
])  # fmt: skip
def test_a_memory_that_cannot_be_managed_is_a_mistake(arms, said, mistake):
    """The message names the key and what to write."""
    with pytest.raises(DocumentError) as raised:
        built(arms=arms, **said)
    assert mistake in str(raised.value)


def test_arms_may_differ_in_memory_only():
    """Two arms of one profile are compared, and ``changes`` describes each."""
    experiment = built(arms=(COLD, WARM | {"cases": "Lab"}), manage_server=True)
    assert experiment.changes == (
        "changes sim in the windows of cold: OPTIM finds plans only in the user's first planner collection, which is off",
        (
            "changes sim in the windows of warm: OPTIM finds plans only in a copy of collection Lab, which the run makes and "
            "deletes; the user's first planner collection is off"
        ),
    )


def test_the_hash_of_an_experiment_without_memory_stays():
    """Runs from before there was a choice are still comparable."""
    plain = built(arms=(PLAIN, PLAIN | {"name": "other"}))
    written = built(arms=(PLAIN | {"memory": "as-is"}, PLAIN | {"name": "other"}), manage_server=False)
    managed = built(arms=(PLAIN | {"memory": "off"}, PLAIN | {"name": "other"}), manage_server=True)
    assert plain.content_hash == written.content_hash != managed.content_hash
    assert plain.changes == ()
