"""Decide which hosts may receive the user's credentials.

Passwords, tokens and a judge's key go only to hosts that the user named: in the environment, on the command line, with
``uderia-bench login``, or by answering a question. An experiment, and the manifest of a run that came by mail, may name
any host. Without this rule, its author could collect the credentials of everybody who runs it.

Why hosts on this machine are an exception only while the environment names no other machine: the tutorial's server runs
here, and what is sent to it does not leave the machine. Credentials that belong to another machine (``UDERIA_URL``) stay
away from local programs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from uderia_bench.errors import NotSignedIn

SERVER = "UDERIA_URL"
"""Variable with the address of the server that the user's credentials belong to."""
JUDGE = "UDERIA_JUDGE_URL"
"""Variable with the address of the judge that the judge's key belongs to."""
THIS_MACHINE = "localhost"


def refuse_all(_: str) -> bool:
    """Answer no. This is the default without a terminal."""
    return False


class Trust:
    """The hosts that the user named, and a way to ask about others."""

    def __init__(self, addresses: Iterable[str] = (), ask: Callable[[str], bool] = refuse_all) -> None:
        self._hosts = {host for address in addresses if (host := host_of(address))}
        self._ask = ask

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that the user named so far, sorted."""
        return tuple(sorted(self._hosts))

    def require(self, url: str, environ: Mapping[str, str], *, what: str, judge: bool = False) -> None:
        """Raise ``NotSignedIn`` if ``url`` may not receive ``what``, such as "your UDERIA_TOKEN".

        A judge's key belongs to the host of ``UDERIA_JUDGE_URL``, all else to that of ``UDERIA_URL``.
        """
        host = host_of(url)
        variable = JUDGE if judge else SERVER
        own = host_of(environ.get(variable, ""))
        if host in self._hosts or (host and host == own):
            return
        named = {host_of(environ.get(name, "")) for name in ({JUDGE, SERVER} if judge else {SERVER})} - {None}
        if host == THIS_MACHINE and named <= {THIS_MACHINE}:
            return
        if host and self._ask(f"The experiment names {url}. Send {what} to {host}?"):
            self._hosts.add(host)
            return
        belongs = f"they belong to {own} ({variable})" if own else f"{variable} is not set"
        raise NotSignedIn(
            f"the experiment names {url}: {what} is not sent to {host}, because {belongs}; "
            f"if you trust that host, use --trust-server {host}"
        )


def host_of(address: str) -> str | None:
    """Return the host of a URL, ``host:port`` or host, in lower case; ``localhost`` for every name of this machine."""
    try:
        host = urlsplit(address if "://" in address else f"//{address}").hostname
    except ValueError:  # a wrong address in brackets
        return None
    host = (host or "").rstrip(".")
    return (THIS_MACHINE if is_loopback(host) else host) or None


def is_loopback(host: str) -> bool:
    """Whether a name or address is that of this machine, without a DNS lookup."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
