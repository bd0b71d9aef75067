"""An incoming webhook of Slack: an address that posts to one channel."""

import ssl

from slack_sdk import WebhookClient

from ..notices.notice import Notice
from ..notices.way import Again
from ..notices.webhook import seconds
from .verdict import LOST, judge, lost

_TIMEOUT = 10


class IncomingWebhook:
    """Posts messages by an incoming webhook. A body has ``text`` and ``blocks``; the channel is the webhook's own.

    Slack gives a webhook no way to ask for a message: one that was posted, and whose answer was lost, comes twice.
    """

    name = "Slack"
    at_once = 1

    def __init__(self, url: str) -> None:
        # The client would try again by itself, out of our sight.
        # It opens a connection for each request. One context for all spares 50 ms of CPU each, to read certificates.
        context = ssl.create_default_context()
        self._client = WebhookClient(url, timeout=_TIMEOUT, ssl=context, retry_handlers=[])

    def post(self, notice: Notice) -> None:
        """Post a message."""
        body = {**notice.body, "mrkdwn": False, "unfurl_links": False, "unfurl_media": False}
        try:
            answer = self._client.send_dict(body)
        except LOST as error:
            lost(error)
        status, code = answer.status_code, " ".join(answer.body.split())[:200]
        if status == 200:
            return
        headers = {name.lower(): value for name, value in answer.headers.items()}
        if status == 429 or status >= 500:
            after = seconds(headers.get("retry-after"))
            raise Again(f"HTTP {status} {code}".strip(), seconds=after, is_doubtful=status not in {429, 503})
        judge(code or f"http_{status}")

    def has(self, notice: Notice) -> bool:
        """A webhook cannot be asked."""
        return False
