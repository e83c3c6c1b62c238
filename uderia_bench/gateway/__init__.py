"""The Uderia REST API over httpx: sign in, find profiles, ask, follow, cancel. All HTTP code is here.

Errors are those of ``uderia_bench.errors`` (``CallFailed`` and ``CannotRun``), and bodies are passed on as bytes. Each call
decodes only what the next call needs. Why httpx is imported only here: it has had no release since December 2024, and
its maintained fork should be one import away.
"""
