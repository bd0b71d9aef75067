"""Ratings in the ranges of kafka-connect-datagen's ``ratings_schema.avro``, where a range ends before its ``max``."""

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from random import Random
from typing import NamedTuple

import orjson

MALFORMED_EVERY = 333
"""One in so many ratings is malformed: 3 in 1000."""

USERS = range(-1, 20)
"""-1 and 0 never exist as customers."""
STARS = range(1, 5)
ROUTES = range(1, 9999)
CHANNELS = ("web", "iOS", "ios", "iOS-test", "android")
MESSAGES = (
    "worst. flight. ever. #neveragain",
    "Surprisingly good, maybe you are getting your mojo back at long last!",
    "Exceeded all my expectations. Thank you !",
    "meh",
    "(expletive deleted)",
    "is this as good as it gets? really ?",
    "airport refurb looks great, will fly outta here more!",
    "why is it so difficult to keep the bathrooms clean ?",
    "thank you for the most friendly, helpful experience today at your new lounge",
    "more peanuts please",
    "your team here rocks!",
)

_BLOCK = 1_000
"""So many ratings are drawn at a time. A field of one costs a fifth of ``randint`` so."""

Rating = dict[str, int | str]
"""rating_id, user_id, stars, route_id, rating_time, channel and message."""


class Form(NamedTuple):
    """How ratings are written."""

    encode: Callable[[Rating], bytes]
    spoilers: Sequence[Callable[[Rating], bytes]]
    """The ways of a malformed one, each in its turn."""


class GeneratedRating(NamedTuple):
    """A message for the topic of ratings."""

    rating_id: int
    """Without gaps; malformed records have one too, at least in their key."""
    value: bytes
    """The rating in its form; or malformed."""
    well_formed: bool

    @property
    def key(self) -> bytes:
        """The rating's id as text."""
        return b"%d" % self.rating_id


def _truncate(rating: Rating) -> bytes:
    whole = orjson.dumps(rating)
    return whole[: len(whole) // 2]


def as_text(rating: Rating) -> bytes:
    """Spoil a rating: a line for a person."""
    return f"rating {rating['rating_id']}: {rating['stars']} stars".encode()


def _without_user(rating: Rating) -> bytes:
    return orjson.dumps({name: field for name, field in rating.items() if name != "user_id"})


def _wrong_type(rating: Rating) -> bytes:
    return orjson.dumps(rating | {"stars": "plenty"})


def empty(_rating: Rating) -> bytes:
    """Spoil a rating: nothing is left of it."""
    return b""


JSON = Form(orjson.dumps, (_truncate, as_text, _without_user, _wrong_type, empty))


class Ratings(Iterator[GeneratedRating]):
    """Ratings by customers -1 to 19 (-1 and 0 never exist), now and then a malformed one, each kind in its turn.

    Args:
        seed: The same gives the same ratings, but for their time.
        clock: Gives the time, in seconds since the epoch; rating_time is that in milliseconds.
        form: How they are written.
        users: Whose ratings they are.
        first_id: The rating_id of the first.
        malformed_every: One in so many is malformed; None for none.
        datagen_times: rating_time is 1, 13, 25 ... with rating_id, as kafka-connect-datagen gives it, and no time.
    """

    def __init__(
        self,
        seed: int = 0,
        clock: Callable[[], float] = time.time,
        *,
        form: Form = JSON,
        users: range = USERS,
        first_id: int = 1,
        malformed_every: int | None = MALFORMED_EVERY,
        datagen_times: bool = False,
    ) -> None:
        drawn = _draw(Random(seed), users, first_id, _datagen_time if datagen_times else _epoch_time(clock))
        self._ratings = _write(drawn, form, malformed_every)

    def __next__(self) -> GeneratedRating:
        return next(self._ratings)


def _datagen_time(rating_id: int) -> int:
    return 1 + 12 * (rating_id - 1)


def _epoch_time(clock: Callable[[], float]) -> Callable[[int], int]:
    return lambda _rating_id: int(clock() * 1000)


def _draw(random: Random, users: range, first_id: int, time_of: Callable[[int], int]) -> Iterator[tuple[int, Rating]]:
    ids = count(first_id)
    fields = (users, STARS, ROUTES, CHANNELS, MESSAGES)
    while True:
        block = zip(*(random.choices(field, k=_BLOCK) for field in fields), strict=True)
        # The ids come second: zip would take one too many at the end of the block.
        for (user_id, stars, route_id, channel, message), rating_id in zip(block, ids, strict=False):
            yield (
                rating_id,
                {
                    "rating_id": rating_id,
                    "user_id": user_id,
                    "stars": stars,
                    "route_id": route_id,
                    "rating_time": time_of(rating_id),
                    "channel": channel,
                    "message": message,
                },
            )


def _write(drawn: Iterator[tuple[int, Rating]], form: Form, malformed_every: int | None) -> Iterator[GeneratedRating]:
    encode, spoilers = form
    for rating_id, rating in drawn:
        if malformed_every is None or rating_id % malformed_every:
            yield GeneratedRating(rating_id, encode(rating), well_formed=True)
        else:
            spoil = spoilers[rating_id // malformed_every % len(spoilers)]
            yield GeneratedRating(rating_id, spoil(rating), well_formed=False)
