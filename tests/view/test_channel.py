"""What a page gets of a channel: a snapshot first, then what changed since the number it has."""

from __future__ import annotations

import json

from uderia_bench.view.channel import Channel


def filled():
    """Return a channel after two changes."""
    channel = Channel()
    channel.publish("first", {"a": 1, "b": 1}, {"one": "<p>1</p>"})
    channel.publish("second", {"b": 2}, {"two": "<p>2</p>"})
    return channel


def test_a_new_page_gets_a_snapshot():
    """Every field and part, with the number of the last change."""
    channel = filled()
    message = json.loads(channel.since(None))
    assert message == {
        "seq": channel.first + 1,
        "kind": "snapshot",
        "since": None,
        "state": {"a": 1, "b": 2},
        "parts": {"one": "<p>1</p>", "two": "<p>2</p>"},
    }


def test_a_page_that_has_a_number_gets_what_changed_since():
    """Only the second change, and nothing more after it."""
    channel = filled()
    message = json.loads(channel.since(channel.first))
    assert (message["kind"], message["since"]) == ("delta", channel.first)
    assert (message["state"], message["parts"]) == ({"b": 2}, {"two": "<p>2</p>"})
    assert json.loads(channel.since(channel.seq))["state"] == {}


def test_a_number_of_another_start_gets_a_snapshot():
    """Numbers of an earlier start are lower, and one from the future is unknown."""
    channel = filled()
    for number in (channel.first - 1, channel.seq + 1, 0):
        assert json.loads(channel.since(number))["kind"] == "snapshot"
