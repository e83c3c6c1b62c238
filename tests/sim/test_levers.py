"""Tests of changes of a profile: fields, clones, dual models, prompts, skills, knowledge."""

from __future__ import annotations

import pytest
from sim.replay_learning import FOCUS, OPTIM, post, profile
from sim.test_learning import VERSION, change, planning_tokens, turn_of

from uderia_bench.sim.agent.draw import TOKENS_PER_TOOL
from uderia_bench.sim.agent.llms import FRIENDLI, GOOGLE
from uderia_bench.sim.trouble.effects import Effect
from uderia_bench.sim.trouble.scenario import load

pytestmark = pytest.mark.anyio

PROFILES = "/api/v1/profiles"
MAPPINGS = f"/api/v1/system-prompts/profiles/{OPTIM}/mappings"
GUIDE = "what is a good training plan for beginners?"


async def clone(client, tag: str = "OPTIMB", **fields: object) -> str:
    """Clone OPTIM and return the id of the clone."""
    made = await post(client, PROFILES, {**await profile(client), "tag": tag, "name": tag, **fields})
    client.profiles[tag] = made["profile"]["id"]
    return made["profile"]["id"]


async def test_a_clone_draws_the_same_trials_on_every_server(serve):
    """Its id follows from the seed and the tag."""
    drawn = []
    for _ in range(2):
        async with serve(learning=False) as client:
            await clone(client, "OTHER")
            await clone(client)
            await client.ask("OPTIMB", VERSION)
            drawn.append([(truth["profile_tag"], truth["input_tokens"]) for truth in await client.truth()])
    assert drawn[0] == drawn[1]
    assert drawn[0][0][0] == "OPTIMB"


async def test_a_changed_llm_serves_the_next_query(serve):
    """An unknown one is accepted, and refuses sessions and queries afterwards."""
    async with serve() as client:
        session = await client.session("OPTIM")
        await change(client, llmConfigurationId=GOOGLE.configuration_id)
        await client.ask("OPTIM", VERSION)
        assert (await client.truth())[-1]["model"] == GOOGLE.label
        await change(client, llmConfigurationId="nope")
        refused = await client.http.post("/api/v1/sessions", json={"profile_id": OPTIM})
        assert (refused.status_code, refused.json()) == (503, {"error": "LLM configuration for profile not found."})
        task = await client.follow(await client.submit(session, VERSION, profile_id=OPTIM))
        assert (task["status"], task["result"]) == ("error", refused.json())


async def test_a_dual_model_profile_plans_with_another_llm(serve):
    """The turn names the base model, and the session the strategic one."""
    async with serve() as client:
        await change(client, dualModelConfig={"strategicModelId": GOOGLE.configuration_id, "tacticalModelId": None})
        _, session = await client.ask("OPTIM", VERSION)
        assert session["dual_model_usage"]["strategic"] == [GOOGLE.label]
        assert session["is_dual_model_active"] is True
        assert turn_of(session)["model"] == FRIENDLI.model


async def test_fewer_tools_shorten_the_planning_prompt(serve):
    """A tool that the profile lacks is not called, and the report finds nothing."""
    spent = {}
    for tools in (["*"], ["dba_databaseVersion"], ["base_tableList"]):
        async with serve(learning=False) as client:
            await change(client, tools=tools)
            task, session = await client.ask("OPTIM2" if tools is None else "OPTIM", "which version do we run? #repair")
            spent[tools[0]] = planning_tokens(session), (await client.truth())[0]["tool_calls"]
    removed = round(24 * TOKENS_PER_TOOL * FRIENDLI.input_factor)
    assert spent["*"][0] - spent["dba_databaseVersion"][0] == pytest.approx(removed, abs=1)
    assert [calls for _, calls in spent.values()] == [1, 1, 0]
    assert task["result"]["final_answer_text"] == "I could not find data for your question."


@pytest.mark.parametrize("tag", ["IDEAT", "FOCUS", "COORD", "PLAIN", "OPTIM"])
async def test_a_profile_with_odd_fields_ends_its_task(serve, tag):
    """The server accepts any document, and no task fails internally."""
    odd = {
        "componentConfig": 7,
        "genieConfig": {"slaveProfiles": ["gone", 5]},
        "knowledgeConfig": {"collections": "x", "enabled": True, "maxDocs": "many"},
        "ragCollections": "x",
        "skillsConfig": {"skills": [5, {"id": "concise", "active": True, "enabled": True}]},
        "tools": {"a": 1},
        "contextWindowTypeId": 5,
        "dualModelConfig": [],
    }
    async with serve() as client:
        await post(client, f"{PROFILES}/{client.profiles[tag]}", odd, "PUT")
        task, _ = await client.ask(tag, GUIDE + " which version?")
        assert task["status"] == "complete"
        assert not any("internal_error" in truth["faults"] for truth in await client.truth())


async def test_a_bare_profile_is_accepted(serve):
    """Only the tag is checked; a profile of an unknown type ends its task with an error."""
    async with serve() as client:
        made = await post(
            client, PROFILES, {"tag": "X", "name": "x", "profile_type": "other", "llmConfigurationId": GOOGLE.configuration_id}
        )
        client.profiles["X"] = made["profile"]["id"]
        task, _ = await client.ask("X", VERSION)
        assert (task["status"], task["result"]) == ("error", {"error": "Unknown profile type 'other'."})


async def test_a_deleted_profile_archives_its_sessions(serve):
    """They stay readable, and the id is unknown afterwards."""
    async with serve() as client:
        profile_id = await clone(client)
        _, session = await client.ask("OPTIMB", VERSION)
        done = await post(client, f"{PROFILES}/{profile_id}", method="DELETE")
        assert done["archived_session_ids"] == [session["id"]]
        assert (await client.details(session["id"]))["archived"] is True
        assert (await client.http.post("/api/v1/sessions", json={"profile_id": profile_id})).status_code == 400


async def test_users_have_separate_profiles(serve):
    """A change of one user does not reach the other."""
    async with serve() as client:
        await change(client, name="changed")
        login = await client.http.post("/api/v1/auth/login", json={"username": "analyst", "password": "analyst"})
        header = {"authorization": f"Bearer {login.json()['token']}"}
        listed = (await client.http.get(PROFILES, headers=header)).json()["profiles"]
        assert "changed" not in [one["name"] for one in listed]


async def test_a_mapped_prompt_costs_planning_tokens(serve):
    """The mapping works at once, and its deletion restores the prompt."""
    async with serve(learning=False) as client:
        await change(client, llmConfigurationId=GOOGLE.configuration_id)
        body = {"category": "master_system_prompts", "subcategory": "Google", "prompt_name": "MASTER_SYSTEM_PROMPT"}
        spent = []
        for step in (None, "POST", "DELETE"):
            if step is not None:
                await post(client, MAPPINGS, body, step)
            await client.http.post("/sim/restart")
            async with serve(learning=False) as other:
                await change(other, llmConfigurationId=GOOGLE.configuration_id)
                if step == "POST":
                    await post(other, MAPPINGS, body)
                spent.append(planning_tokens((await other.ask("OPTIM", VERSION))[1]))
        assert [tokens - spent[0] for tokens in spent] == [0, 31, 0]
        mapped = (await client.http.get(MAPPINGS)).json()["mappings"]["master_system_prompts"]
        assert mapped["Google"] == "GOOGLE_MASTER_SYSTEM_PROMPT"


@pytest.mark.parametrize(("method", "path"), [("PUT", ""), ("DELETE", ""), ("POST", "/duplicate"), ("PUT", "/parameters/x")])
async def test_the_licence_refuses_to_write_prompts(serve, method, path):
    """The status is 403, and the message names the licence."""
    async with serve() as client:
        answer = await client.http.request(method, f"/api/v1/system-prompts/MASTER_SYSTEM_PROMPT{path}", json={"content": "x"})
        assert answer.status_code == 403
        assert "Current tier: Standard" in answer.json()["message"]


async def test_an_active_skill_is_applied(serve, kinds):
    """Its tokens are in the planning prompt; a skill of the query counts only if the profile enables it."""
    spent = []
    for active in (False, True):
        async with serve(learning=False) as client:
            await post(client, "/api/v1/skills/brief", {"content": "x" * 400}, "PUT")
            skills = [{"id": "brief", "enabled": True, "active": active, "param": None}]
            await change(client, skillsConfig={"skills": skills})
            task, session = await client.ask("OPTIM", VERSION)
            spent.append(planning_tokens(session))
            assert ("skills_applied" in kinds(task)) is active
            assert [skill["name"] for skill in turn_of(session)["skills_applied"]] == ["brief"] * active
    assert spent[1] - spent[0] == round(100 * FRIENDLI.input_factor)
    async with serve() as client:
        session = await client.session("OPTIM")
        body = {"profile_id": OPTIM, "skills": [{"id": "concise"}, {"id": "unknown"}]}
        await client.follow(await client.submit(session, VERSION, **body))
        assert [skill["name"] for skill in turn_of(await client.details(session))["skills_applied"]] == ["concise"]


async def test_a_context_window_type_shows_in_the_snapshots(serve):
    """The strategic snapshot has its name with the stage."""
    async with serve() as client:
        await change(client, contextWindowTypeId="cwt-token-efficient")
        _, session = await client.ask("OPTIM", VERSION)
        window = turn_of(session)["strategic_context_snapshot_event"]["context_window_type"]
        assert window == {"id": "cwt-token-efficient", "name": "Token Efficient (strategic)"}


async def test_focus_returns_ranked_chunks(serve):
    """``maxDocs`` cuts the list and ``minRelevanceScore`` drops low scores; the search route has the same order."""
    async with serve() as client:
        made = await post(client, "/api/v1/rag/collections", {"name": "handbook", "repository_type": "knowledge"})
        path = f"/api/v1/knowledge/repositories/{made['collection_id']}"
        text = b"Rowers need oil.\n\nA training plan for beginners has three sessions.\n\nA plan helps."
        uploaded = await client.http.post(f"{path}/documents", files={"file": ("a.txt", text)}, data={"title": "A"})
        document = uploaded.json()["metadata"]["document_id"]
        found = (await post(client, f"{path}/search", {"query": GUIDE, "k": 5}))["results"]
        for most, least, expected in ((20, 0.0, [1, 2, 0]), (20, 0.4, [1, 2]), (1, 0.0, [1])):
            collections = [{"id": made["collection_id"]}]
            config = {"enabled": True, "collections": collections, "maxDocs": most, "minRelevanceScore": least}
            await post(client, f"{PROFILES}/{FOCUS}", {"knowledgeConfig": config}, "PUT")
            task, session = await client.ask("FOCUS", GUIDE)
            chunks = turn_of(session)["knowledge_chunks_ui"]
            assert [chunk["chunk_index"] for chunk in chunks] == expected
            assert {chunk["document_id"] for chunk in chunks} == {document}
            sources = [source["similarity_score"] for source in task["result"]["knowledge_sources"]]
            assert sources == [chunk["similarity_score"] for chunk in chunks] == sorted(sources, reverse=True)
        assert [result["metadata"]["chunk_index"] for result in found] == [1, 2, 0]
        assert [1 - result["distance"] for result in found] == pytest.approx([0.63, 0.45, 0.1])


async def test_an_effect_applies_to_profiles_with_a_field(serve, tmp_path):
    """``when`` plants the effect of a change of a profile."""
    path = tmp_path / "scenario.yaml"
    path.write_text("effects: [{on: input_tokens, factor: 0.5, when: {contextWindowTypeId: cwt-token-efficient}}]")
    effects = load(path).effects
    assert effects == (Effect(on="input_tokens", factor=0.5, when={"contextWindowTypeId": "cwt-token-efficient"}),)
    spent = []
    for window in ("cwt-default-balanced", "cwt-token-efficient"):
        async with serve(effects=effects, learning=False) as client:
            await change(client, contextWindowTypeId=window)
            await client.ask("OPTIM", VERSION)
            spent.append((await client.truth())[0]["input_tokens"])
    assert spent[1] == pytest.approx(spent[0] / 2, abs=2)
