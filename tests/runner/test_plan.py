"""The plan: every trial once, arms in balanced turns, the same on every machine for one seed."""

import re
from collections import Counter, defaultdict
from itertools import groupby, pairwise

import pytest
from experiments import built, queries, query
from hypothesis import given, settings
from hypothesis import strategies as st

from uderia_bench.errors import UsageError
from uderia_bench.runner import outline, plan
from uderia_bench.runner.outline import ArmShare, Outline
from uderia_bench.runner.turns import LEAST_TURNS
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
def test_every_trial_is_planned_once_in_order_with_its_id(fields):
    """Each query is planned on each arm ``repeats`` times, plus warm-ups; ids are unique and can be file names."""
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
    """A block has one trial of its query on every arm."""
    blocks = defaultdict(list)
    for trial in planned(**fields):
        blocks[trial.block].append(trial)
    for block in blocks.values():
        assert len({(trial.query_id, trial.repeat, trial.stage, trial.level) for trial in block}) == 1
        assert len({trial.arm for trial in block}) == len(block) == len(fields["arms"])


@pytest.mark.no_cover
@settings(max_examples=60)
@given(EXPERIMENTS)
def test_windows_of_a_server_rise_and_hold_one_arm_one_stage_and_one_level(fields):
    """With isolation ``arm`` a window holds one arm; with every isolation it holds one stage and one level."""
    experiment = built(**fields)
    lanes = defaultdict(list)
    for trial in plan.build(experiment, experiment.queries):
        lanes[trial.server].append(trial)
    for lane in lanes.values():
        windows = [trial.window for trial in lane]
        assert windows == sorted(windows)
        for _, window in groupby(lane, key=lambda trial: trial.window):
            members = list(window)
            assert len({(trial.stage, trial.level) for trial in members}) == 1
            if fields["load"]["isolation"] == "arm":
                assert len({trial.arm for trial in members}) == 1


@pytest.mark.no_cover
@settings(max_examples=60)
@given(EXPERIMENTS)
def test_one_seed_is_one_plan_whatever_the_order_of_the_queries(fields):
    """The order of the corpus does not change the plan."""
    assert planned(**fields) == planned(**fields) == planned(**{**fields, "asked": fields["asked"][::-1]})


def test_another_seed_is_another_order():
    """The seed decides the order of queries and of arms."""
    orders = {tuple((trial.query_id, trial.arm) for trial in planned(queries(20), seed=seed)) for seed in range(5)}
    assert len(orders) == 5


PLAN = [
    (0, 0, "q1-A-w1-6d28ac9e"),
    (1, 0, "q1-B-w1-2830edb0"),
    (2, 1, "q1-A-r1-6d28ac9e"),
    (3, 1, "q1-B-r1-2830edb0"),
    (3, 2, "q0-B-r1-9b2c9a72"),
    (4, 2, "q0-A-r1-83a754b2"),
    (4, 3, "q0-A-r2-83a754b2"),
    (5, 3, "q0-B-r2-9b2c9a72"),
    (5, 4, "q1-B-r2-2830edb0"),
    (6, 4, "q1-A-r2-6d28ac9e"),
]


def test_a_known_seed_gives_this_plan():
    """A change of the algorithm makes old runs unrepeatable, so it must be deliberate."""
    trials = planned(queries(2), repeats=2, warmup=1, seed=7, load={"concurrency": 1})
    assert [(trial.window, trial.block, trial.trial_id) for trial in trials] == PLAN


def chunks(trials):
    """Return the arm that asks each chunk first, and the number of queries in it."""
    first = {}
    for trial in measured(trials):
        first.setdefault(trial.block, trial.arm)
    return [(arm, len(list(blocks))) for arm, blocks in groupby(first.values())]


@pytest.mark.parametrize(
    ("count", "concurrency", "chunk"),
    [
        (160, 8, 10),  # a sixteenth of the blocks
        (160, 2, 8),  # at most four per slot
        (160, 20, 10),  # a turn has fewer trials than slots where queries are few
        (40, 40, 3),
        (60, 64, 4),
    ],
)
def test_arms_take_at_least_eight_turns_and_alternate(count, concurrency, chunk):
    """The arms ask chunk after chunk, the first arm alternates, and each arm is first for half of the queries."""
    trials = planned(queries(count), repeats=1, load={"concurrency": concurrency})
    firsts = [arm for arm, _ in chunks(trials)]
    assert all(earlier != later for earlier, later in pairwise(firsts))
    assert {size for _, size in chunks(trials)} <= {chunk, chunk - 1}
    asked_first = Counter(dict.fromkeys("AB", 0))
    for arm, size in chunks(trials):
        asked_first[arm] += size
    assert abs(asked_first["A"] - asked_first["B"]) <= 1
    described = outline.describe(trials, built(queries(count), repeats=1, load={"concurrency": concurrency}))
    assert min(share.turns for share in described.arms) >= LEAST_TURNS
    assert max(share.longest for share in described.arms) <= 2 * chunk
    assert described.unbalanced == ()


def test_the_arm_that_asks_a_query_first_alternates_between_repeats():
    """So the memory of the server helps both arms equally, for each query."""
    trials = measured(planned(queries(20), repeats=4, load={"concurrency": 4}))
    first = {}
    for trial in trials:
        first.setdefault((trial.query_id, trial.repeat), trial.arm)
    for number in range(20):
        arms = [first[f"q{number}", repeat] for repeat in range(1, 5)]
        assert all(earlier != later for earlier, later in pairwise(arms))


def test_a_turn_continues_from_one_chunk_to_the_next():
    """An arm that ends one chunk and starts the next has one window for both, without a pause."""
    sizes = turns(measured(planned(queries(64), repeats=1, load={"concurrency": 1})))
    assert {size for _, size in sizes} == {4, 8}
    assert all(earlier != later for (earlier, _), (later, _) in pairwise(sizes))


def test_three_arms_have_each_place_and_precede_each_other_equally_often():
    """In every six chunks, so that drift and memory affect all three alike."""
    trials = measured(planned(queries(36), arms=("A", "B", "C"), repeats=1, load={"concurrency": 3}))
    asked = [tuple(arm for arm, _ in groupby(turn)) for turn in zip(*[iter(trial.arm for trial in trials)] * 9, strict=True)]
    for start in range(0, len(asked), 6):
        orders = asked[start : start + 6]
        assert len(set(orders)) == 6
        assert all(set(order) == set("ABC") for order in orders)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"asked": queries(10), "repeats": 1}, "10 blocks (queries x repeats) give each arm 5 turns"),
        ({"asked": queries(10), "repeats": 1}, "set repeats to 2, or ask 16 queries"),
        ({"asked": queries(1), "repeats": 1}, "as 1 block (queries x repeats) gives each arm 1 turn where 8 turns"),
        ({"asked": queries(31), "repeats": 2, "load": {"sweep": [1, 8]}}, "62 blocks (queries x repeats) at level 8 give"),
        ({"asked": queries(31), "repeats": 2, "load": {"sweep": [1, 8]}}, "set repeats to 5, or ask 64 queries"),
        ({"asked": queries(14), "repeats": 2, "load": {"sweep": [2, 16]}}, "28 blocks (queries x repeats) at level 16 give"),
        ({"asked": queries(14), "repeats": 2, "load": {"sweep": [2, 16]}}, "set repeats to 19, or ask 128 queries"),
        ({"asked": queries(5), "repeats": 1, "arms": ("A", "B", "C")}, "where 8 turns and 16 blocks are needed"),
        ({"asked": queries(3), "repeats": 2}, "16 blocks are needed: ask 8 queries"),
        ({"asked": queries(3), "repeats": 4}, "16 blocks are needed: ask 6 queries"),
    ],
)
def test_too_few_turns_are_marked_with_the_number_to_change(fields, words):
    """A contrast that the plan cannot balance is known before the first query is sent."""
    experiment = built(**fields)
    found = outline.unbalanced(plan.build(experiment, experiment.queries), experiment)
    assert words in found[0].reason
    changes = [{"asked": queries(2 * int(re.search(r"ask (\d+) queries", found[0].reason)[1]))}]
    if repeats := re.search(r"repeats to (\d+)", found[0].reason):
        changes.append({"repeats": 2 * int(repeats[1])})
    for change in changes:
        enough = built(**{**fields, **change})
        assert outline.unbalanced(plan.build(enough, enough.queries), enough) == ()


@pytest.mark.parametrize(
    "fields",
    [
        {"load": {"isolation": "none"}},
        {"load": {"isolation": "trial"}},
        {"arms": ("A", {"name": "B", "profile": "A", "server": "http://b"})},
    ],
)
def test_arms_that_do_not_take_turns_are_not_marked(fields):
    """Arms side by side, or on different servers, are asked at the same time."""
    experiment = built(**fields)
    described = outline.describe(plan.build(experiment, experiment.queries), experiment)
    assert described.unbalanced == ()
    assert {share.turns for share in described.arms} == {None}


@pytest.mark.parametrize(
    "fields",
    [
        {"load": {"isolation": "arm", "concurrency": 8}},
        {"load": {"isolation": "none"}},
        {"arms": ("A", {"name": "B", "profile": "A", "server": "http://b"})},
    ],
)
def test_every_interim_look_has_windows_that_end_with_whole_blocks(fields):
    """At each look's share, all earlier windows hold all trials of their blocks."""
    trials = measured(planned(queries(40), repeats=2, stop={"metric": "latency_s", "looks": 4}, **fields))
    for share in (20, 40, 60):
        blocks = sorted({trial.block for trial in trials})
        whole = [
            last
            for last in {trial.window for trial in trials}
            if (before := {trial.block for trial in trials if trial.window <= last})
            and all(trial.window <= last for trial in trials if trial.block in before)
            and share <= len(before) <= share + 5
        ]
        assert whole, (share, len(blocks))


@pytest.mark.parametrize("isolation", ["none", "trial"])
def test_without_turns_the_trials_of_a_block_are_neighbours(isolation):
    """The arms of a block follow each other directly, each first equally often, in one window per stage."""
    trials = planned(queries(30), repeats=2, load={"isolation": isolation})
    assert [trial.block for trial in trials] == sorted(trial.block for trial in trials)
    assert {(trial.stage, trial.window) for trial in trials} == {(Stage.WARMUP, 0), (Stage.MEASURED, 1)}
    firsts = Counter(next(block).arm for _, block in groupby(measured(trials), key=lambda trial: trial.block))
    assert firsts == {"A": 30, "B": 30}


def test_arms_on_different_servers_do_not_wait_for_each_other():
    """The arm of each server has one window per stage, and the trials of a block are neighbours."""
    trials = planned(queries(10), arms=("A", {"name": "B", "profile": "A", "server": "http://b"}), repeats=2)
    assert [trial.block for trial in trials] == sorted(trial.block for trial in trials)
    assert {arm: {trial.window for trial in trials if trial.arm == arm} for arm in "AB"} == {"A": {0, 2}, "B": {1, 3}}


@pytest.mark.parametrize(("count", "arms", "share"), [(10, "A", 3), (31, "A", 3), (31, "AB", 4), (100, "AB", 4)])
def test_repeats_of_a_query_are_apart(count, arms, share):
    """Close repeats would share the provider's mood and the server's caches."""
    asked_at = defaultdict(list)
    for trial in measured(planned(queries(count), arms=tuple(arms), repeats=5, load={"concurrency": 8})):
        if trial.arm == "A":
            asked_at[trial.query_id].append(trial.block)
    gaps = [later - earlier for blocks in asked_at.values() for earlier, later in pairwise(sorted(blocks))]
    assert min(gaps) >= count // share


def test_warm_ups_come_first_on_queries_drawn_by_the_seed():
    """A warm-up repeats a query only after every query had one, and repeats count from 1."""
    trials = planned(queries(2), warmup=3, repeats=1)
    warmups = [trial for trial in trials if trial.stage is Stage.WARMUP]
    assert trials[:6] == tuple(warmups)
    assert sorted((trial.query_id, trial.repeat) for trial in warmups if trial.arm == "A") in (
        [("q0", 1), ("q0", 2), ("q1", 1)],
        [("q0", 1), ("q1", 1), ("q1", 2)],
    )
    drawn = {planned(queries(50), seed=seed)[0].query_id for seed in range(8)}
    assert len(drawn) > 1


def test_an_id_does_not_depend_on_the_rest_of_the_plan():
    """Another arm, repeat, seed or isolation leaves existing ids unchanged."""
    ids = {trial.trial_id for trial in planned(queries(3), repeats=2)}
    for fields in ({"arms": ("A", "B", "C")}, {"repeats": 4}, {"seed": 1}, {"load": {"isolation": "none"}}):
        later = {trial.trial_id for trial in planned(queries(3), **{"repeats": 2, **fields}) if trial.stage is Stage.MEASURED}
        assert {trial_id for trial_id in ids if "-r" in trial_id} <= later


SWEEP = {"sweep": [1, 2, 8]}


@pytest.mark.parametrize("isolation", ["arm", "none"])
def test_a_sweep_asks_every_query_at_each_level_in_ascending_order(isolation):
    """Each level has every query on every arm ``repeats`` times, and repeats continue from level to level."""
    trials = measured(planned(queries(5), repeats=2, warmup=2, load={**SWEEP, "isolation": isolation}))
    assert [level for level, _ in groupby(trial.level for trial in trials)] == [1, 2, 8]
    asked = Counter((trial.level, trial.query_id, trial.arm) for trial in trials)
    assert asked == {(level, f"q{n}", arm): 2 for level in (1, 2, 8) for n in range(5) for arm in "AB"}
    repeats = {level: {trial.repeat for trial in trials if trial.level == level} for level in (1, 2, 8)}
    assert repeats == {1: {1, 2}, 2: {3, 4}, 8: {5, 6}}


def test_warm_ups_of_a_sweep_are_asked_at_its_lowest_level():
    """A cold server does not start with many trials at once."""
    trials = planned(queries(5), warmup=2, load=SWEEP)
    assert {trial.level for trial in trials if trial.stage is Stage.WARMUP} == {1}
    assert {trial.level for trial in planned(queries(5), warmup=2)} == {None}


def test_arms_of_a_sweep_take_turns_that_reach_the_level():
    """A turn has at least one trial per slot, and twice that where it covers two chunks."""
    trials = measured(planned(queries(16), repeats=1, load={"sweep": [1, 2, 4]}))
    for level in (1, 2, 4):
        of_level = [trial for trial in trials if trial.level == level]
        assert {size for _, size in turns(of_level)} <= {level, 2 * level}
        assert {arm for arm, _ in turns(of_level)} == {"A", "B"}
        assert set(Counter(trial.block for trial in of_level).values()) == {2}


def test_rates_can_be_swept_too():
    """The levels of an open loop are rates."""
    experiment = built(queries(4), repeats=1, load={"arrivals": "poisson", "sweep": ["0.5/s", "2/s"]})
    trials = plan.build(experiment, experiment.queries)
    assert {trial.level for trial in trials} == {0.5, 2}
    assert outline.describe(trials, experiment).levels == (0.5, 2)


def test_another_level_leaves_existing_ids_unchanged():
    """The first level of a sweep has the ids of the plan without a sweep."""
    plain = planned(queries(3), repeats=2, load={"concurrency": 1})
    swept = planned(queries(3), repeats=2, load=SWEEP)
    assert {trial.trial_id for trial in plain} == {trial.trial_id for trial in swept[: len(plain)]}


def test_ids_are_short_and_unique_for_any_names():
    """Names with other alphabets, cases and lengths get plain ids that differ."""
    names = ["tables-in[database=sales_db]", "Größe", "größe", "大きさ", "x" * 200, "x" * 201, "a/b", "a b"]
    trials = planned(tuple(query(name) for name in names), arms=("IDEAT", "ideat", "…"), repeats=1, warmup=0)
    ids = [trial.trial_id for trial in trials]
    assert len({trial_id.lower() for trial_id in ids}) == len(ids)
    assert max(map(len, ids)) <= 100
    (readable,) = [trial.trial_id for trial in trials if trial.query_id == names[0] and trial.arm == "IDEAT"]
    assert re.fullmatch(r"tables-in-database-sales_db-IDEAT-r1-[0-9a-f]{8}", readable)


def test_a_trial_carries_the_fields_of_its_query():
    """Prompt, complexity and tags are copied."""
    (trial,) = planned((query("a", turns=("how many?",), complexity="simple", tags=("t",)),), arms=("A",), repeats=1, warmup=0)
    assert (trial.prompt, trial.complexity, trial.tags, trial.query_id) == ("how many?", "simple", ("t",), "a")


def test_a_conversation_is_one_trial_per_turn():
    """Its trials share a block and a window, in order, and their ids end in the turn."""
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


def test_an_impossible_plan_is_refused():
    """A plan without queries, and one with too many trials."""
    with pytest.raises(UsageError, match=r"^there is no query to ask$"):
        plan.build(built(), ())
    with pytest.raises(UsageError, match=r"^2,000,002 trials are more than 1,000,000; lower repeats, or filter the queries$"):
        planned(queries(1), repeats=1_000_000)
    with pytest.raises(UsageError, match=r"^1,000,002 trials are more"):
        planned(queries(1), repeats=250_000, load={"sweep": [1, 2]})


def test_a_plan_is_described_in_numbers():
    """The outline counts trials, queries, blocks and windows, and the share of each arm."""
    experiment = built(queries(8), repeats=2, warmup=1, load={"concurrency": 8, "isolation": "none"})
    assert outline.describe(plan.build(experiment, experiment.queries), experiment) == Outline(
        trials=34,
        queries=8,
        blocks=16,
        windows=2,
        arms=(
            ArmShare(arm="A", measured=16, warmups=1, windows=2),
            ArmShare(arm="B", measured=16, warmups=1, windows=2),
        ),
    )
