"""What listening promises: the ids of completions, whatever else comes by, at bounded memory; and every end has a word."""

from __future__ import annotations

import json
from itertools import pairwise

import anyio
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted import URL

from uderia_bench.errors import NoAnswer, Refused
from uderia_bench.gateway import notifications
from uderia_bench.gateway.notifications import Scanner
from uderia_bench.gateway.wire import Wire


def event(kind: str, **payload) -> bytes:
    """Return an event as the server writes it: the data line before the event line."""
    return b"data: " + json.dumps({"type": kind, "payload": payload}).encode() + b"\nevent: notification\n\n"


PING = b": ping\n\n"
SPOKEN = 'he said "task_id": "task-9", "rest_task_complete"'  # an answer that quotes the stream
STREAM = (
    event("new_session_created", id="s-1")
    + event("rest_task_update", task_id="task-1", session_id="s-1", event={"type": "x", "text": SPOKEN})
    + PING
    + event("rest_task_complete", task_id="task-1", session_id="s-1", turn_id=1, final_answer=SPOKEN)
    + event("status_indicator_update", target="llm", state="idle")
    + event("rest_task_complete", final_answer=SPOKEN * 50, task_id="task-2", session_id="s-2")
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=12))
def test_completions_are_found_however_the_stream_is_cut(cuts):
    """Their ids and no others: neither those of updates nor those that an answer speaks of."""
    edges = [0, *sorted(cuts), len(STREAM)]
    scanner = Scanner()
    found = [task_id for start, end in pairwise(edges) for task_id in scanner.feed(STREAM[start:end])]
    assert found == ["task-1", "task-2"]


@given(
    st.lists(st.one_of(st.binary(max_size=50), st.sampled_from([b"data:", b'"rest_task_complete"', b"\n", b'"task_id":"x"'])))
)
def test_rubbish_is_survived(parts):
    """Nothing raises, and what is found looks like an id."""
    scanner = Scanner()
    for part in parts:
        assert all(task_id.isascii() and 0 < len(task_id) <= 128 for task_id in scanner.feed(part))


def test_an_endless_line_is_dropped_and_the_next_one_read():
    """Memory holds a line of bounded length."""
    scanner = Scanner()
    for _ in range(100):
        assert scanner.feed(b"x" * 100_000) == ()
        assert len(scanner._rest) <= notifications.LONGEST_LINE
    assert scanner.feed(b"\n" + event("rest_task_complete", task_id="task-1")) == ("task-1",)


class Parts(httpx.AsyncByteStream):
    """A stream that sends parts and then raises an error, if given one."""

    def __init__(self, *parts: bytes, then: Exception | None = None) -> None:
        self._parts, self._then = parts, then

    async def __aiter__(self):
        for part in self._parts:
            yield part
        if self._then is not None:
            raise self._then


async def listened(answer) -> tuple[list[str], list[httpx.Request]]:
    """Listen to an answer until its end; return the calls, ``"open"`` first, and the requests."""
    told, asked = [], []

    def handle(request):
        asked.append(request)
        return answer

    async with Wire(URL, httpx.MockTransport(handle)) as wire:
        await notifications.listen(wire, "uuid-1", lambda: told.append("open"), told.append)
    return told, asked


@pytest.mark.anyio
async def test_a_stream_tells_from_its_opening_to_its_end():
    """By the user's id, without a token, unpacked, with a read timeout that pings keep away."""
    told, (asked,) = await listened(httpx.Response(200, stream=Parts(STREAM[:99], STREAM[99:])))
    assert told == ["open", "task-1", "task-2"]
    assert str(asked.url) == f"{URL}/api/notifications/subscribe?user_uuid=uuid-1"
    assert "Authorization" not in asked.headers
    assert asked.headers["Accept-Encoding"] == "identity"
    assert 20 < asked.extensions["timeout"]["read"] < 100


@pytest.mark.anyio
@pytest.mark.parametrize("trouble", [httpx.ReadTimeout("silent"), httpx.ReadError("reset"), OSError("away")])
async def test_a_stream_that_breaks_is_no_answer(trouble):
    """Tasks reported before the break count."""
    with pytest.raises(NoAnswer, match="notifications"):
        await listened(httpx.Response(200, stream=Parts(STREAM, then=trouble)))


@pytest.mark.anyio
async def test_a_server_without_a_stream_refuses():
    """The error has the status, so that the client does not ask again."""
    with pytest.raises(Refused) as caught:
        await listened(httpx.Response(404))
    assert caught.value.status == 404


@pytest.mark.anyio
async def test_small_parts_are_waited_for_together():
    """A nap after a part lets the next events come in one; a full part says that more is there already."""
    begun_s = anyio.current_time()
    await listened(httpx.Response(200, stream=Parts(*[PING] * 10)))
    assert anyio.current_time() - begun_s == pytest.approx(10 * notifications.NAP_S)
    begun_s = anyio.current_time()
    await listened(httpx.Response(200, stream=Parts(*[b"x" * notifications.FULL] * 10)))
    assert anyio.current_time() == begun_s
