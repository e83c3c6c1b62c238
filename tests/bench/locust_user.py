"""Locust's ``FastHttpUser`` doing the scenario: session, query, polls to the end, session read; one trial after the other.

Locust runs as a library, with its statistics but without its web page and console. It keeps nothing of what it reads.
``python -m bench.locust_user URL USERS TRIALS_EACH EVERY_S``, in the environment of ``requirements/bench.txt``
"""

# ruff: noqa: I001 - locust patches the standard library and has to be imported first
from __future__ import annotations

from locust import FastHttpUser, constant, task
from locust.env import Environment
from locust.exception import StopUser

import json
import sys
import time

import gevent

from bench import machine, server


SPAWN_PER_S = 100  # beyond it Locust warns


def ask(url: str, users: int, trials_each: int, every_s: float) -> list[dict]:
    """Let so many users ask so many questions each and return what was seen of each question."""
    token, profile = server.sign_in(url)
    headers = {"Authorization": f"Bearer {token}"}
    seen = []

    class Asker(FastHttpUser):
        host = url
        wait_time = constant(0)
        left = trials_each

        @task
        def trial(self) -> None:
            if not self.left:
                raise StopUser
            self.left -= 1
            session = self.client.post("/api/v1/sessions", json={"profile_id": profile}, headers=headers).json()["session_id"]
            query = {"prompt": server.PROMPT, "profile_id": profile}
            sent_s = time.perf_counter()
            path = f"/api/v1/sessions/{session}/query"
            accepted = self.client.post(path, json=query, headers=headers, name="query").json()
            while self._read(accepted["status_url"], "task")["status"] not in server.TERMINAL:
                gevent.sleep(every_s)
            seen_s = time.perf_counter() - sent_s
            self._read(f"/api/v1/sessions/{session}/details", "details")
            seen.append({"task_id": accepted["task_id"], "sent_s": sent_s, "seen_s": seen_s})

        def _read(self, path: str, name: str) -> dict:
            return self.client.get(path, headers=headers, name=name).json()

    runner = Environment(user_classes=[Asker]).create_local_runner()
    runner.start(users, spawn_rate=SPAWN_PER_S)
    while len(seen) < users * trials_each:
        gevent.sleep(0.05)
    runner.quit()
    return seen


if __name__ == "__main__":
    machine.take(machine.client_core())
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    found = ask(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
    told = {"wall_s": time.perf_counter() - wall_s, "cpu_s": time.process_time() - cpu_s, "trials": found}
    sys.stdout.write(json.dumps(told) + "\n")
