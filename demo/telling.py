"""The account of the notifier: whether every alert was told, and how, by its journal and by what reached Slack."""

from collections.abc import Iterable
from html import unescape
from typing import Any

from typing_extensions import Self

from demo.outputs import Ended, Intent
from demo.topics import NOTIFIED
from servers.embedded.slack import CHANNEL, TOKEN, EmbeddedSlack

_COOLDOWN_SECONDS = 2
_PER_MINUTE = 1000
_EXAMPLES = 5


class Slack:
    """A Slack in this process, and what the notifier needs to know of it."""

    def __init__(self) -> None:
        self._slack = EmbeddedSlack(keep=2 * _PER_MINUTE)
        self._shown = 0

    @property
    def environment(self) -> dict[str, str]:
        """The settings of a notifier that tells here."""
        return {
            "SLACK_BOT_TOKEN": TOKEN,
            "SLACK_CHANNEL": CHANNEL,
            "SLACK_API_URL": self._slack.api_url,
            "NOTIFY_COOLDOWN_SECONDS": str(_COOLDOWN_SECONDS),
            "NOTIFY_PER_MINUTE": str(_PER_MINUTE),
            "NOTIFIED_TOPIC": NOTIFIED,
        }

    @property
    def count(self) -> int:
        """Messages that have come so far."""
        return self._slack.count

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The newest messages, as they were posted."""
        return [one.body for one in self._slack.posted]

    def new(self) -> list[str]:
        """The texts of the messages that came since the last call."""
        count = self._slack.count - self._shown
        self._shown += count
        posted = list(self._slack.posted)
        return [unescape(str(one.body["text"])) for one in posted[-count:]] if count else []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._slack.close()


class Telling:
    """Which alerts are told. Call it with every alert, and every record of the journal, in the order of each topic."""

    def __init__(self) -> None:
        self.notified = 0
        """Alerts that were told, alone or in a digest."""
        self.digests = 0
        """Messages that tell several."""
        self.messages = 0
        self._owed: set[int] = set()
        self._early: set[int] = set()  # told before the alert was read here
        self._open: dict[str, Intent] = {}
        self._twice: list[int] = []

    @property
    def owed(self) -> int:
        """Alerts that are not told yet."""
        return len(self._owed)

    def alert(self, rating_id: int) -> None:
        """Note an alert that came out."""
        if rating_id in self._early:
            self._early.remove(rating_id)
        else:
            self._owed.add(rating_id)

    def record(self, record: Intent | Ended) -> None:
        """Note a record of the notifier's journal."""
        if isinstance(record, Intent):
            self._open[record.id] = record
        elif (intent := self._open.pop(record.id, None)) is not None:
            self.messages += 1
            self.digests += intent.is_digest
            for rating_id in intent.rating_ids:
                self._tell(rating_id)

    def _tell(self, rating_id: int) -> None:
        if rating_id in self._early:
            self._twice.append(rating_id)
        elif rating_id in self._owed:
            self._owed.remove(rating_id)
            self.notified += 1
        else:
            self._early.add(rating_id)
            self.notified += 1

    def totals(self) -> dict[str, int]:
        """What was told so far."""
        return {"notified": self.notified, "digests": self.digests}

    def disagreements(self, arrived: int) -> list[str]:
        """Everything that does not agree, a line each, where so many messages reached Slack."""
        found = [(self._owed, "alerts were not told"), (self._early, "ratings were told twice, or without an alert")]
        found.append((set(self._twice), "alerts were told twice"))
        lines = [f"{len(ids)} {what}{_naming(sorted(ids))}" for ids, what in found if ids]
        if arrived != self.messages:
            lines.append(f"the notifier sent {self.messages} messages, but {arrived} reached Slack")
        return lines


def _naming(examples: Iterable[int]) -> str:
    return f" (such as {', '.join(map(str, list(examples)[:_EXAMPLES]))})"
