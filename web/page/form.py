"""A rating that a person submits, until it comes back enriched."""

import time
from collections.abc import Mapping

import msgspec

from web.intake import body
from web.intake.answers import Refusal, Refused
from web.intake.health import Health
from web.intake.topic import Topic
from web.page.markup import Markup, element
from web.page.model import Model, Origin, Seen

_BACK_SECONDS = 30.0
_ALERT_SECONDS = 5.0
"""An alert may come as much later than its rating."""

_encode = msgspec.json.Encoder().encode


class Submitted:
    """A rating that is on Kafka, and what came back."""

    def __init__(self, origin: Origin, began: float) -> None:
        self._origin, self._began = origin, began
        self.seen: Seen | None = None
        """The enriched rating, once it has come out."""
        self.seconds: float | None = None
        """The seconds that it took."""
        self.is_over = False
        """Whether no more is expected."""

    def look(self, model: Model) -> None:
        """Look for the rating in what came out."""
        waited = time.monotonic() - self._began
        if self.seen is None and (seen := model.recent.get(self._origin)) is not None:
            self.seen, self.seconds = seen, waited
        if self.seconds is None or self.seen is None:
            self.is_over = waited > _BACK_SECONDS
        else:
            self.is_over = bool(self.seen.rules) or waited > self.seconds + _ALERT_SECONDS


class Form:
    """Writes ratings as the intake does: the same checks, the same topic, acknowledged by Kafka."""

    def __init__(self, topic: Topic, health: Health) -> None:
        self._topic, self._health = topic, health

    async def submit(self, fields: Mapping[str, object]) -> Submitted:
        """Write a rating. Its id is the time in microseconds.

        Args:
            fields: of FIELDS, all texts.

        Raises:
            Refusal: a field cannot be used, or Kafka did not take the rating; ``refused.reason`` says why.
        """
        began = time.monotonic()
        rating = {
            "rating_id": time.time_ns() // 1000,
            "user_id": _number(fields.get("user_id")),
            "stars": _number(fields.get("stars")),
            "channel": fields.get("channel") or None,
            "message": fields.get("message") or None,
        }
        posted = body.read(_encode(rating), 1)
        if trouble := self._health.trouble:
            raise Refusal(Refused("kafka_away", trouble))
        (place,) = await self._topic.write(posted)
        return Submitted((place.partition, place.offset), began)


def _number(text: object) -> object:
    """The number of a text; what is no number is left for the intake to refuse."""
    return int(text) if isinstance(text, str) and text.strip().lstrip("-").isdecimal() and len(text) < 20 else text


def _field(name: str, label: str, **attributes: object) -> Markup:
    return element("label", element("span", label), element("input", name=name, **attributes), class_="field")


def _star(count: int) -> Markup:
    checked = "checked" if count == 2 else None
    return element("label", element("input", type="radio", name="stars", value=count, checked=checked), str(count))


FIELDS = element(
    "div",
    element(
        "div",
        _field("user_id", "Customer number", type="number", required="required", value=2),
        _field("channel", "Channel", value="web", maxlength=30),
        class_="pair",
    ),
    element(
        "fieldset",
        element("legend", "Stars"),
        element("div", *map(_star, range(1, 6)), class_="choices"),
    ),
    _field("message", "Message", value="meh", maxlength=500),
    class_="submit",
)
"""The fields of the form."""
