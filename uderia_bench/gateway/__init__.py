"""The Uderia REST API over httpx: sign in, find profiles, ask, follow, cancel. The only place that knows HTTP.

Everything here speaks in our errors (``errors.CallFailed`` and ``errors.CannotRun``) and hands bodies on as bytes; it
interprets no more of them than the next call needs. Why httpx stays in here: it has had no release since December 2024, and its
maintained fork should be one import away.
"""
