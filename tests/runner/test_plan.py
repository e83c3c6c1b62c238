"""The plan: every trial once, arms in balanced turns, the same on every machine for one seed."""

import re
from collections import Counter, defaultdict
from itertools import groupby, pairwise

import pytest
from experiments import built, queries, query
from hypothesis import given, settings
from hypothesis import strategies as st

from uderia_bench.errors import UsageError
from uderia_bench.runner import plan
from uderia_bench.runner.plan import ArmShare, Outline
from uderia_bench.trial import Stage


def planned(asked=None, **fields):
    """Return the plan of an experiment on some queries."""
    experiment = built(asked, **fields)
    return plan.build(experiment, experiment.queries)


def measured(trials):
    """Leave the warm-ups out."""
    return [trial for trial in trials if trial.stage is Stage.MEASURED]


def turns(trials):
    """Return the arms in the order in which they have the server, and how many trials each turn has."""
    return [(arm, len(list(turn))) for (_, arm), turn in groupby(trials, key=lambda trial: (trial.window, trial.arm))]


EXPERIMENTS = st.fixed_dictionaries(
    {
        "asked": st.integers(1, 40).map(queries),
        "arms": st.sampled_from(
            [("A",), ("A", "B"), ("A", "B", "C"), ("A", {"name": "B", "profile": "A", "server": "http://b"})]
        ),
        "repeats": st.integers(1, 6),
        "warmup": st.integers(0, 3),
        "seed": st.integers(0, 100),
        "load": st.one_of(
            st.fixed_dictionaries(
                {"concurrency": st.integers(1, 20), "isolation": st.sampled_from(["arm", "none", "trial"])},
            ),
            st.fixed_dictionaries(
                {"sweep": st.sampled_from([[1, 2], [1, 4, 16]]), "isolation": st.sampled_from(["arm", "none"])},
            ),
        ),
    }
)


@settings(max_examples=60)
@given(EXPERIMENTS)
def test_every_trial_is_planned_once_in_order_with_an_id_of_its_own(fields):
    """Each query on each arm as often as asked, the warm-ups beside; sending order and windows rise; ids can be file names."""
    trials = planned(**fields)
    arms = [arm if isinstance(arm, str) else arm["name"] for arm in fields["arms"]]
    repeats = range(1, fields["repeats"] * len(fields["load"].get("sweep", [1])) + 1)
    expected = {(one.id, arm, repeat) for one in fields["asked"] for arm in arms for repeat in repeats}
    assert Counter((trial.query_id, trial.arm, trial.repeat) for trial in measured(trials)) == Counter(expected)
    assert Counter(trial.arm for trial in trials if trial.stage is Stage.WARMUP) == Counter(
        {arm: fields["warmup"] for arm in arms if fields["warmup"]}
    )
    assert [trial.seq for trial in trials] == list(range(len(trials)))
    assert len({trial.trial_id for trial in trials}) == len(trials)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", trial.trial_id) for trial in trials)


@settings(max_examples=60)
@given(EXPERIMENTS)
def test_a_block_is_one_query_and_repetition_on_every_arm(fields):
    """What is compared is asked together."""
    blocks = defaultdict(list)
    for trial in planned(**fields):
        blocks[trial.block].append(trial)
    for block in blocks.values():
        assert len({(trial.query_id, trial.repeat, trial.stage, trial.level) for trial in block}) == 1
        assert len({trial.arm for trial in block}) == len(block) == len(fields["arms"])


@settings(max_examples=60)
@given(EXPERIMENTS)
def test_windows_of_a_server_rise_and_hold_one_arm_one_stage_and_one_level(fields):
    """With isolation ``arm`` whoever reads windows in order, server by server, never has two arms in flight.

    Nor two stages or levels, whatever the isolation.
    """
    experiment = built(**fields)
    lanes = defaultdict(list)
    for trial in plan.build(experiment, experiment.queries):
        lanes[experiment.server_of(trial.arm)].append(trial)
    for lane in lanes.values():
        windows = [trial.window for trial in lane]
        assert windows == sorted(windows)
        for _, window in groupby(lane, key=lambda trial: trial.window):
            members = list(window)
            assert len({(trial.stage, trial.level) for trial in members}) == 1
            if fields["load"]["isolation"] == "arm":
                assert len({trial.arm for trial in members}) == 1


@settings(max_examples=60)
@given(EXPERIMENTS)
def test_one_seed_is_one_plan_whatever_the_order_of_the_queries(fields):
    """The same seed plans the same; the order of the corpus does not matter."""
    assert planned(**fields) == planned(**fields) == planned(**{**fields, "asked": fields["asked"][::-1]})


def test_another_seed_is_another_order():
    """The seed decides on queries and arms alike."""
    orders = {tuple((trial.query_id, trial.arm) for trial in planned(queries(20), seed=seed)) for seed in range(5)}
    assert len(orders) == 5


PLAN = [
    (0, 0, "q1-B-w1-2830edb0"),
    (1, 0, "q1-A-w1-6d28ac9e"),
    (2, 1, "q0-B-r1-9b2c9a72"),
    (3, 1, "q0-A-r1-83a754b2"),
    (3, 2, "q1-A-r1-6d28ac9e"),
    (4, 2, "q1-B-r1-2830edb0"),
    (4, 3, "q0-B-r2-9b2c9a72"),
    (5, 3, "q0-A-r2-83a754b2"),
    (5, 4, "q1-A-r2-6d28ac9e"),
    (6, 4, "q1-B-r2-2830edb0"),
]


def test_this_plan_is_the_plan():
    """A plan of known seed, written out: a change of the algorithm would make old runs unrepeatable, so it must be meant."""
    trials = planned(queries(2), repeats=2, warmup=1, seed=7, load={"concurrency": 1})
    assert [(trial.window, trial.block, trial.trial_id) for trial in trials] == PLAN


@pytest.mark.parametrize(
    ("count", "concurrency", "chunk"),
    [
        (160, 8, 10),  # a sixteenth of the blocks
        (160, 20, 20),  # never less than a trial a slot: the load asked for would not be reached
        (160, 2, 8),  # never more than four a slot: the provider would drift
        (24, 64, 24),
    ],
)
def test_arms_take_short_turns_in_balanced_order(count, concurrency, chunk):
    """Blocks are asked in chunks, by one arm and then by the other; each arm goes first equally often, within one."""
    trials = measured(planned(queries(count), repeats=1, load={"concurrency": concurrency}))
    chunks = [trials[start : start + 2 * chunk] for start in range(0, len(trials), 2 * chunk)]
    for members in chunks:
        (first, one), (second, other) = turns(members)
        assert {first, second} == {"A", "B"}
        assert one == other <= chunk
    firsts = Counter(members[0].arm for members in chunks)
    assert abs(firsts["A"] - firsts["B"]) <= 1


def test_a_turn_goes_on_where_an_arm_ends_one_chunk_and_begins_the_next():
    """There is nothing to wait for between two turns of one arm."""
    sizes = turns(measured(planned(queries(64), repeats=1, load={"concurrency": 1})))
    assert {size for _, size in sizes} == {4, 8}
    assert all(earlier != later for (earlier, _), (later, _) in pairwise(sizes))


def test_each_of_three_arms_stands_in_each_place_equally_often():
    """In every three chunks each arm is once first, once second, once third, so that a steady drift hits all alike."""
    trials = measured(planned(queries(9), arms=("A", "B", "C"), repeats=4, load={"concurrency": 3}))
    chunks = [trials[start : start + 9] for start in range(0, len(trials), 9)]
    for run in range(0, len(chunks), 3):
        places = [[arm for arm, _ in groupby(trial.arm for trial in chunk)] for chunk in chunks[run : run + 3]]
        assert [sorted(place) for place in zip(*places, strict=True)] == [["A", "B", "C"]] * 3


@pytest.mark.parametrize("isolation", ["none", "trial"])
def test_without_turns_a_block_lies_side_by_side(isolation):
    """The arms of a block follow each other directly, in random order, in one window a stage."""
    trials = planned(queries(30), repeats=2, load={"isolation": isolation})
    assert [trial.block for trial in trials] == sorted(trial.block for trial in trials)
    assert {(trial.stage, trial.window) for trial in trials} == {(Stage.WARMUP, 0), (Stage.MEASURED, 1)}
    firsts = Counter(next(block).arm for _, block in groupby(measured(trials), key=lambda trial: trial.block))
    assert min(firsts["A"], firsts["B"]) > 15  # of 60; fewer has a chance of 1 in 20,000


def test_arms_on_different_servers_do_not_wait_for_each_other():
    """Each server's one arm has one window a stage, and a block's trials stay together in the order of sending."""
    trials = planned(queries(10), arms=("A", {"name": "B", "profile": "A", "server": "http://b"}), repeats=2)
    assert [trial.block for trial in trials] == sorted(trial.block for trial in trials)
    assert {arm: {trial.window for trial in trials if trial.arm == arm} for arm in "AB"} == {"A": {0, 2}, "B": {1, 3}}


@pytest.mark.parametrize("count", [3, 10, 24, 31])
def test_repeats_of_a_query_are_more_than_a_third_of_the_corpus_apart(count):
    """Neighbouring repeats would share the provider's mood, and count as less than two."""
    asked_at = defaultdict(list)
    for trial in measured(planned(queries(count), arms=("A",), repeats=6)):
        asked_at[trial.query_id].append(trial.block)
    gaps = [later - earlier for blocks in asked_at.values() for earlier, later in pairwise(blocks)]
    assert min(gaps) > count // 3


def test_warm_ups_come_first_on_queries_drawn_by_the_seed():
    """They repeat a query only when there are no others, and count from 1 like everything else."""
    trials = planned(queries(2), warmup=3, repeats=1)
    warmups = [trial for trial in trials if trial.stage is Stage.WARMUP]
    assert trials[:6] == tuple(warmups)
    assert sorted((trial.query_id, trial.repeat) for trial in warmups if trial.arm == "A") in (
        [("q0", 1), ("q0", 2), ("q1", 1)],
        [("q0", 1), ("q1", 1), ("q1", 2)],
    )
    drawn = {planned(queries(50), seed=seed)[0].query_id for seed in range(8)}
    assert len(drawn) > 1


def test_a_trial_keeps_its_id_whatever_else_is_planned():
    """Another arm, query, repeat, seed or isolation leaves the ids that were there as they were."""
    ids = {trial.trial_id for trial in planned(queries(3), repeats=2)}
    for fields in ({"arms": ("A", "B", "C")}, {"repeats": 4}, {"seed": 1}, {"load": {"isolation": "none"}}):
        later = {trial.trial_id for trial in planned(queries(3), **{"repeats": 2, **fields}) if trial.stage is Stage.MEASURED}
        assert {trial_id for trial_id in ids if "-r" in trial_id} <= later


SWEEP = {"sweep": [1, 2, 8]}


@pytest.mark.parametrize("isolation", ["arm", "none"])
def test_a_sweep_asks_everything_at_each_level_from_the_lowest_on(isolation):
    """Levels ascend, each has every query on every arm as often as ``repeats`` says, and repeats count on."""
    trials = measured(planned(queries(5), repeats=2, warmup=2, load={**SWEEP, "isolation": isolation}))
    assert [level for level, _ in groupby(trial.level for trial in trials)] == [1, 2, 8]
    asked = Counter((trial.level, trial.query_id, trial.arm) for trial in trials)
    assert asked == {(level, f"q{n}", arm): 2 for level in (1, 2, 8) for n in range(5) for arm in "AB"}
    repeats = {level: {trial.repeat for trial in trials if trial.level == level} for level in (1, 2, 8)}
    assert repeats == {1: {1, 2}, 2: {3, 4}, 8: {5, 6}}


def test_warm_ups_of_a_sweep_are_asked_at_its_lowest_level():
    """A server that is cold is not asked sixteen things at once."""
    trials = planned(queries(5), warmup=2, load=SWEEP)
    assert {trial.level for trial in trials if trial.stage is Stage.WARMUP} == {1}
    assert {trial.level for trial in planned(queries(5), warmup=2)} == {None}


def test_arms_alternate_inside_each_level_in_turns_cut_for_its_slots():
    """Sixteen queries: a turn is a trial a slot at least, so that the level is reached; twice that where one arm goes on."""
    trials = measured(planned(queries(16), repeats=1, load={"sweep": [1, 2, 4]}))
    for level in (1, 2, 4):
        of_level = [trial for trial in trials if trial.level == level]
        assert {size for _, size in turns(of_level)} <= {level, 2 * level}
        assert {arm for arm, _ in turns(of_level)} == {"A", "B"}
        assert set(Counter(trial.block for trial in of_level).values()) == {2}


def test_rates_can_be_swept_too():
    """An open loop's levels are rates, and its turns are cut for the concurrency it would have."""
    trials = planned(queries(4), repeats=1, load={"arrivals": "poisson", "sweep": ["0.5/s", "2/s"]})
    assert {trial.level for trial in trials} == {0.5, 2}
    assert plan.describe(trials).levels == (0.5, 2)


def test_another_level_leaves_the_ids_that_were_there():
    """The first level of a sweep is the plan without one, trial by trial."""
    plain = planned(queries(3), repeats=2, load={"concurrency": 1})
    swept = planned(queries(3), repeats=2, load=SWEEP)
    assert [trial.trial_id for trial in plain] == [trial.trial_id for trial in swept[: len(plain)]]


def test_ids_are_readable_and_apart_even_where_names_are_not():
    """Names of other alphabets, cases and lengths end in ids that stay short, plain and different."""
    names = ["tables-in[database=sales_db]", "Größe", "größe", "大きさ", "x" * 200, "x" * 201, "a/b", "a b"]
    trials = planned(tuple(query(name) for name in names), arms=("IDEAT", "ideat", "…"), repeats=1, warmup=0)
    ids = [trial.trial_id for trial in trials]
    assert len({trial_id.lower() for trial_id in ids}) == len(ids)
    assert max(map(len, ids)) <= 100
    (readable,) = [trial.trial_id for trial in trials if trial.query_id == names[0] and trial.arm == "IDEAT"]
    assert re.fullmatch(r"tables-in-database-sales_db-IDEAT-r1-[0-9a-f]{8}", readable)


def test_a_trial_carries_what_its_query_says():
    """Prompt, complexity and tags go where the trial goes."""
    (trial,) = planned((query("a", turns=("how many?",), complexity="simple", tags=("t",)),), arms=("A",), repeats=1, warmup=0)
    assert (trial.prompt, trial.complexity, trial.tags, trial.query_id) == ("how many?", "simple", ("t",), "a")


def test_a_conversation_is_a_trial_a_turn_in_a_row():
    """One block, one window, places from 1; ids end in the turn, and a query of one turn has none."""
    asked = (query("talk", turns=("hi", "and then?", "bye")), query("a"))
    trials = [trial for trial in planned(asked, arms=("A", "B"), repeats=2, warmup=0) if trial.query_id == "talk"]
    assert len(trials) == 12
    for first in range(0, 12, 3):
        talk = trials[first : first + 3]
        assert [trial.seq - talk[0].seq for trial in talk] == [0, 1, 2]
        assert [(trial.turn, trial.prompt, trial.trial_id[-3:]) for trial in talk] == [
            (1, "hi", "-t1"),
            (2, "and then?", "-t2"),
            (3, "bye", "-t3"),
        ]
        assert len({(trial.block, trial.window, trial.conversation) for trial in talk}) == 1
    assert len({trial.conversation for trial in trials}) == 4


def test_what_cannot_be_planned_is_refused_by_name():
    """Nothing to ask, and a plan nobody can have meant."""
    with pytest.raises(UsageError, match=r"^there is no query to ask$"):
        plan.build(built(), ())
    with pytest.raises(UsageError, match=r"^2,000,002 trials are more than 1,000,000; lower repeats, or filter the queries$"):
        planned(queries(1), repeats=1_000_000)
    with pytest.raises(UsageError, match=r"^1,000,002 trials are more"):
        planned(queries(1), repeats=250_000, load={"sweep": [1, 2]})


def test_a_plan_is_described_in_numbers():
    """What ``--dry-run`` prints: trials, queries, blocks and windows, and each arm's share."""
    trials = planned(queries(8), repeats=2, warmup=1, load={"concurrency": 8, "isolation": "none"})
    assert plan.describe(trials) == Outline(
        trials=34,
        queries=8,
        blocks=16,
        windows=2,
        arms=(
            ArmShare(arm="A", measured=16, warmups=1, windows=2),
            ArmShare(arm="B", measured=16, warmups=1, windows=2),
        ),
    )
