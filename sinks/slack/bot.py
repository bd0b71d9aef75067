"""Slack's API, by a bot's token."""

import logging
import re
import ssl
from typing import Any

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError

from ..notices.notice import Notice
from ..notices.way import Again, Denied, Unwelcome
from ..notices.webhook import seconds
from .verdict import LOST, POSTED_BEFORE, judge, lost

log = logging.getLogger(__name__)

EVENT_TYPE = "ratings_notice"
"""Of the metadata of every message, in which the message's id is looked for."""

_TIMEOUT = 10
_AT_ONCE = 16
_PAGES, _PAGE = 20, 100
_EARLIER_SECONDS = 300
_CODE = re.compile(r"[a-z][a-z0-9_]*")
_CHANNEL_ID = re.compile(r"[CDG][A-Z0-9]{6,}")


class SlackBot:
    """Posts messages by ``chat.postMessage``. A body has its arguments ``text`` and ``blocks``.

    Slack does not promise to recognise a message that it is sent twice. (``client_msg_id`` is sent, which its errors
    mention and its documents do not explain.) So a message in doubt is looked for in the channel's history, by an id in
    its metadata. That needs the scope ``channels:history`` or ``groups:history``, and the channel's id: it is known
    from the settings, or from an earlier answer in this process.
    """

    name = "Slack"

    def __init__(self, token: str, channel: str, url: str = "https://slack.com/api/") -> None:
        """Connect to nothing yet.

        Args:
            token: Of the bot; it has the scope ``chat:write``.
            channel: The id or the name of the channel for notices that name none.
            url: Of the API, with a slash at its end.
        """
        self.at_once = _AT_ONCE if _CHANNEL_ID.fullmatch(channel) else 1
        self._channel = channel
        # The client would try again by itself, out of our sight.
        # It opens a connection for each request. One context for all spares 50 ms of CPU each, to read certificates.
        context = ssl.create_default_context()
        self._client = WebClient(token, base_url=url, timeout=_TIMEOUT, ssl=context, retry_handlers=[])
        self._ids: dict[str, str] = {}

    def post(self, notice: Notice) -> None:
        """Post a message."""
        to = notice.to or self._channel
        try:
            answer = self._client.chat_postMessage(
                channel=to,
                **notice.body,
                mrkdwn=False,
                unfurl_links=False,
                unfurl_media=False,
                metadata={"event_type": EVENT_TYPE, "event_payload": {"id": notice.id}},
                client_msg_id=notice.id,
            )
        except SlackApiError as error:
            if _code(error) not in POSTED_BEFORE:
                _judge(error)
        except (SlackClientError, *LOST) as error:
            lost(error)
        else:
            self._ids[to] = str(answer.get("channel") or to)

    def has(self, notice: Notice) -> bool:
        """Look for a message in the history of its channel, from five minutes before it was made."""
        to = notice.to or self._channel
        channel = to if _CHANNEL_ID.fullmatch(to) else self._ids.get(to)
        if channel is None:
            log.warning("the history of %s cannot be looked at without its id: a message may come twice", to)
            return False
        try:
            return any(_id(message) == notice.id for message in self._history(channel, notice.at / 1000))
        except SlackApiError as error:
            try:
                _judge(error)
            except (Denied, Unwelcome) as why:
                log.warning("the history of %s cannot be looked at, a message may come twice: %s", to, why)
            return False
        except (SlackClientError, *LOST) as error:
            lost(error)

    def _history(self, channel: str, at: float) -> "list[dict[str, Any]]":
        messages: list[dict[str, Any]] = []
        cursor: str | None = None
        for _ in range(_PAGES):
            answer = self._client.conversations_history(
                channel=channel,
                oldest=f"{at - _EARLIER_SECONDS:.6f}",
                limit=_PAGE,
                include_all_metadata=True,
                cursor=cursor,
            )
            messages += answer.get("messages") or []
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or None
            if cursor is None:
                break
        return messages


def _judge(error: SlackApiError) -> None:
    headers = {name.lower(): value for name, value in error.response.headers.items()}
    wait = headers.get("retry-after")
    status = error.response.status_code
    if status == 429 or status >= 500:
        raise Again(f"HTTP {status}", seconds=seconds(wait), is_doubtful=status not in {429, 503})
    if not _CODE.fullmatch(code := _code(error)):
        raise Again(f"HTTP {status}, and an answer that is not Slack's", is_doubtful=True)
    judge(code, seconds(wait))


def _code(error: SlackApiError) -> str:
    answer = error.response.data
    return str(answer.get("error") or "") if isinstance(answer, dict) else ""


def _id(message: dict[str, Any]) -> str | None:
    metadata = message.get("metadata") or {}
    payload = metadata.get("event_payload") or {}
    return payload.get("id") if metadata.get("event_type") == EVENT_TYPE else None
