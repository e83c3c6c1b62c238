"""An S3 server for benchmarks: SeaweedFS as one process, from the environment of ``make bench``."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import boto3
from botocore.exceptions import BotoCoreError, ClientError

WEED = Path(__file__).resolve().parents[2] / ".venv-bench/bin/weed"
BUCKET = "bench"
KEY, SECRET, REGION = "any", "any-secret", "us-east-1"
STARTS_WITHIN_S = 60.0
GRPC = 10_000  # what SeaweedFS adds to a port for the second one of a part
PARTS = ("master", "volume", "filer", "s3")


@contextmanager
def serve(folder: Path) -> Iterator[dict[str, str]]:
    """Serve an empty bucket from a directory; yield the environment by which a client finds it."""
    if not WEED.exists():
        raise SystemExit(f"{WEED}: not installed: use 'make bench', which installs it")
    actions = ["Admin", "Read", "Write", "List"]
    identity = {"name": "bench", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": actions}
    (folder / "s3.json").write_text(json.dumps({"identities": [identity]}))
    (folder / "data").mkdir()
    ports = dict(zip(PARTS, _free(len(PARTS)), strict=True))
    address = f"http://127.0.0.1:{ports['s3']}"
    command = [str(WEED), "server", f"-dir={folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    command += ["-s3", f"-s3.config={folder / 's3.json'}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
    command += [f"-{part}.port={port}" for part, port in ports.items()]
    with (folder / "weed.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _make_bucket(address)
        yield {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
            "AWS_ALLOW_HTTP": "true",
        }
    finally:
        server.terminate()
        server.wait()


def _make_bucket(address: str) -> None:
    """Make the bucket as soon as the server answers."""
    client = boto3.client("s3", endpoint_url=address, aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name=REGION)
    until = time.monotonic() + STARTS_WITHIN_S
    while True:
        with suppress(BotoCoreError, ClientError):
            client.create_bucket(Bucket=BUCKET)
            client.put_object(Bucket=BUCKET, Key="ready", Body=b"")
            client.delete_object(Bucket=BUCKET, Key="ready")
            return
        if time.monotonic() > until:
            raise SystemExit(f"{WEED} did not start within {STARTS_WITHIN_S:g} s")
        time.sleep(0.5)


def _free(count: int) -> list[int]:
    """Return free ports whose second ports are free as well."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(20_000, 40_000)
        with suppress(OSError), socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", port))
            two.bind(("127.0.0.1", port + GRPC))
            found.append(port)
    return found
