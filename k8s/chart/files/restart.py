"""Delete the pods of a StatefulSet that are not of its newest revision, all at once.

The processes of a Bytewax cluster start and stop together. Run in a pod: ``restart.py STATEFULSET LABEL_SELECTOR``.
"""

import json
import os
import ssl
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import Request, urlopen

ACCOUNT = Path(os.environ.get("SERVICE_ACCOUNT", "/var/run/secrets/kubernetes.io/serviceaccount"))
SECONDS = 60.0


def call(method: str, path: str) -> dict[str, Any]:
    """Ask the API server, in the namespace of this pod."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    path = path.format(namespace=(ACCOUNT / "namespace").read_text())
    server = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    request = Request(f"https://{server}{path}", method=method)
    request.add_header("Authorization", f"Bearer {(ACCOUNT / 'token').read_text()}")
    with urlopen(request, timeout=10, context=ssl.create_default_context(cafile=ACCOUNT / "ca.crt")) as answer:  # noqa: S310
        return json.load(answer)  # type: ignore[no-any-return]


def newest_revision(name: str) -> str:
    """The revision that the controller has made of the StatefulSet as it is now.

    Raises:
        TimeoutError: the controller has not seen it within SECONDS.
    """
    deadline = time.monotonic() + SECONDS
    while True:
        found = call("GET", f"/apis/apps/v1/namespaces/{{namespace}}/statefulsets/{name}")
        if found.get("status", {}).get("observedGeneration", 0) >= found["metadata"]["generation"]:
            return str(found["status"]["updateRevision"])
        if time.monotonic() > deadline:
            raise TimeoutError(f"the controller has not seen the newest {name} for {SECONDS:.0f} s")
        time.sleep(0.5)


def main() -> None:
    """Delete the pods, and say how many."""
    name, selector = sys.argv[1:]
    stale = quote(f"{selector},controller-revision-hash!={newest_revision(name)}")
    deleted = call("DELETE", f"/api/v1/namespaces/{{namespace}}/pods?labelSelector={stale}")
    print(f"restarting {len(deleted.get('items', []))} pods of {name}")


if __name__ == "__main__":
    try:
        main()
    except OSError as error:
        sys.exit(f"restart: {error}")
