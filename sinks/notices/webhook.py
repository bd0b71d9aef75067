"""Any URL that takes JSON, as a way out: a service of one's own, or one that makes a page or a chat message of it."""

import json
from collections.abc import Mapping

import urllib3
from urllib3.util import Timeout

from .notice import Notice
from .way import Again, Denied, Unwelcome

_TIMEOUT = Timeout(connect=5, read=10)
_MOST_SHOWN = 200
_LONGEST_SECONDS = 3600.0


class Webhook:
    """Posts a body as JSON. The header ``Idempotency-Key`` has the message's id: the same one if it is posted again."""

    at_once = 16

    def __init__(self, url: str) -> None:
        self.name = urllib3.util.parse_url(url).host or "webhook"
        self._url = url
        self._http = urllib3.PoolManager(timeout=_TIMEOUT, retries=False, maxsize=self.at_once)

    def post(self, notice: Notice) -> None:
        """Post a message; any 2xx accepts it."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": notice.id}
        try:
            answer = self._http.request("POST", self._url, body=json.dumps(notice.body).encode(), headers=headers)
        except urllib3.exceptions.NewConnectionError as error:
            raise Again(_in_a_line(str(error))) from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Again(_in_a_line(str(error)), is_doubtful=True) from None
        judge(answer.status, answer.headers, answer.data[:_MOST_SHOWN].decode(errors="replace"))

    def has(self, notice: Notice) -> bool:
        """The URL cannot be asked: it knows a repetition by the header."""
        return False


def judge(status: int, headers: Mapping[str, str], text: str) -> None:
    """Raise what an answer means, unless it accepts.

    Raises:
        Again, Denied, Unwelcome
    """
    said = _in_a_line(f"HTTP {status} {text}".strip())
    if 200 <= status < 300:
        return
    if status in {408, 425, 429} or status >= 500:
        # A gateway's error tells nothing of what is behind it.
        raise Again(said, seconds=seconds(headers.get("Retry-After")), is_doubtful=status not in {425, 429, 503})
    if status in {401, 403, 407}:
        raise Denied(said)
    raise Unwelcome(f"http_{status}", said)


def seconds(retry_after: str | None) -> float | None:
    """The seconds of a ``Retry-After``, an hour at most; None if it has none that can be read."""
    try:
        return min(max(0.0, float(retry_after or "")), _LONGEST_SECONDS)
    except ValueError:
        return None


def _in_a_line(text: str) -> str:
    return " ".join(text.split())[:_MOST_SHOWN]
