"""An S3 server in this process (moto) that refuses, answers late, and loses its answers, as seeded chance has it."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import WSGIRequestHandler, make_server

BUCKET = "bench"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "any",
    "AWS_SECRET_ACCESS_KEY": "any",
    "AWS_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *_: Any) -> None:
        """Keep the terminal free of request lines."""


@dataclass
class BadStore:
    """The application around moto's. ``rates`` has the share of requests for each kind of trouble."""

    seed: int
    rates: dict[str, float] = field(default_factory=dict)
    late_s: float = 6.0
    happened: Counter[str] = field(default_factory=Counter)
    replaces: bool = False  # a store that ignores If-None-Match

    def __post_init__(self) -> None:
        """Make moto's application."""
        self._rng = random.Random(self.seed)
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._one = threading.Lock()  # moto's own check of If-None-Match is not atomic

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        """Answer one request, or have trouble with it."""
        if self.replaces:
            environ.pop("HTTP_IF_NONE_MATCH", None)
        kind = self._draw()
        if kind == "409" and environ["REQUEST_METHOD"] != "PUT":
            kind = "500"
        if kind in ("409", "500"):
            return _say(start, kind)
        if kind == "late":
            time.sleep(self._rng.random() * self.late_s)
        with self._one:
            answer = [b"".join(self._moto(environ, start if kind != "lost" else lambda *_, **__: None))]
        if kind == "lost":
            return _say(start, "500")
        return answer

    def _draw(self) -> str:
        with self._one:
            drawn = self._rng.random()
            for kind, rate in self.rates.items():
                if drawn < rate:
                    self.happened[kind] += 1
                    return kind
                drawn -= rate
        return ""


def _say(start: Any, status: str) -> list[bytes]:
    words = {"409": "409 Conflict", "500": "500 Internal Server Error"}[status]
    body = f"<Error><Code>{words[4:]}</Code></Error>".encode()
    start(words, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
    return [body]


@contextmanager
def serve(store: BadStore) -> Iterator[str]:
    """Serve a store on a free port, with an empty bucket; yield its address."""
    rates, store.rates = store.rates, {}
    s3_backends.reset()  # moto keeps its buckets for the whole process
    server = make_server("127.0.0.1", 0, store, threaded=True, request_handler=_Quiet)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    try:
        client = boto3.client(
            "s3", endpoint_url=address, aws_access_key_id="any", aws_secret_access_key="any", region_name="us-east-1"
        )
        client.create_bucket(Bucket=BUCKET)
        store.rates = rates
        yield address
    finally:
        server.shutdown()
