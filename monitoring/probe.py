"""A health check that needs only Python: ``python -m monitoring.probe http://127.0.0.1:3031/livez``.

The exit code is 0 if the address answers with 200; otherwise it is 1, and a line tells why.
"""

import argparse
import sys
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

_SECONDS = 5.0


def probe(url: str) -> str | None:
    """Ask an address once; give the reason why it is not healthy, None if it is."""
    try:
        # A proxy of the environment is for addresses elsewhere.
        with build_opener(ProxyHandler({})).open(url, timeout=_SECONDS) as answer:
            return None if answer.status == 200 else f"{url} answers {answer.status}"
    except HTTPError as error:
        return f"{url} answers {error.code}"
    except (OSError, HTTPException, ValueError) as error:
        return f"{url} does not answer: {error}"


def main() -> int:
    """Give the exit code."""
    parser = argparse.ArgumentParser(prog="python -m monitoring.probe", description="Ask a health endpoint once.")
    parser.add_argument("url", help="its address; 200 is healthy")
    reason = probe(parser.parse_args().url)
    if reason is not None:
        print(reason, file=sys.stderr)
    return int(reason is not None)


if __name__ == "__main__":
    sys.exit(main())
