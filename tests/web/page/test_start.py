"""`python -m web` that cannot start says so in one line."""

import pytest

from servers.job import piped
from web.listen import listen

SECONDS = 120


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({}, "PAGE_HOST 127.0.0.1 and PAGE_PORT {port} cannot be listened on: Address already in use"),
        ({"PAGE_HOST": "0.0.0.0"}, "PAGE_HOST is '0.0.0.0', but PAGE_TOKEN is not set"),  # noqa: S104
        ({"PAGE_PORT": "0", "KAFKA_SECURITY_PROTOCOL": "none"}, "KAFKA_SECURITY_PROTOCOL: "),
    ],
)
def test_one_line_tells_why(variables: dict[str, str], line: str) -> None:
    with listen("127.0.0.1", 0, "PAGE") as listener:
        port = str(listener.getsockname()[1])
        process = piped("web", **{"PAGE_PORT": port, **variables})
        try:
            out, errors = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
    assert (process.returncode, out) == (1, "")
    assert errors.startswith(line.format(port=port))
    assert errors.count("\n") == 1
