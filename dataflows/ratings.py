"""Ratings of flights, joined with their customers; alerts about unhappy platinum customers.

Run it: ``python -m bytewax.run dataflows.ratings``. What it reads from and writes to is in ``dataflows/ports.py``.
"""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from operator import attrgetter

import bytewax.operators as op
from bytewax.dataflow import Dataflow

from dataflows import runtime
from dataflows.ports import Ports, connect
from operators.batch import KEY_GROUPS
from operators.decode import decode
from operators.each import each, where
from operators.join import Join, join_table
from records import dead_letter, enriched
from records.customer import Customer, CustomerChange, decode_customer_change
from records.enriched import EnrichedRating, alert, enrich
from records.rating import Rating, decode_rating, decode_rating_with_source, unmatched_letter
from settings import Settings, SettingsError
from sources.kafka_topics import StartupError

user_id, customer_id = attrgetter("user_id"), attrgetter("id")


def build(ports: Ports, settings: Settings) -> Dataflow:
    """The main job, between any sources and sinks."""
    flow = Dataflow("ratings")
    rating = decode_rating_with_source if settings.join.unmatched == "dead-letter" else decode_rating
    ratings = decode("decode_ratings", op.input("ratings", flow, ports.ratings), rating, user_id)
    customers = decode(
        "decode_customers", op.input("customers", flow, ports.customers), decode_customer_change, customer_id
    )

    joined = join_table("join", ratings.oks, customers.oks, left_join(ports, settings))
    alerts = each("alert", where("unhappy_platinum", joined.joined, unhappy(settings)), alert)
    unmatched = each("unmatched", joined.unmatched, partial(unmatched_letter, settings.topics.ratings))
    dead_letters = op.merge("failed", ratings.errs, customers.errs, unmatched)

    op.output("enriched", each("enriched_json", joined.joined, enriched.to_message), ports.enriched)
    op.output("alerts", each("alert_json", alerts, enriched.to_message), ports.alerts)
    op.output("dead_letters", each("dead_letter_json", dead_letters, dead_letter.to_message), ports.dead_letters)
    return flow


def unhappy(settings: Settings) -> Callable[[EnrichedRating], bool]:
    """Whether a rating calls for an alert: few stars, from a customer of a certain status, not from a test."""
    most, is_test = settings.alerts.max_stars, settings.alerts.test_channels.search
    statuses = {status.casefold() for status in settings.alerts.club_statuses}

    def is_unhappy(rating: EnrichedRating) -> bool:
        return (
            rating.stars is not None
            and rating.stars <= most
            and rating.club_status is not None
            and rating.club_status.casefold() in statuses
            and not is_test(rating.channel or "")
        )

    return is_unhappy


def left_join(ports: Ports, settings: Settings) -> Join[Rating, CustomerChange, Customer, EnrichedRating]:
    """Every rating with its customer, whom it waits for if need be."""
    return Join(
        record_type=Rating,
        key=user_id,
        change=attrgetter("id", "customer"),
        combine=enrich,
        grace=timedelta(seconds=settings.join.grace),
        unmatched=settings.join.unmatched,
        max_held=settings.join.max_held // len(KEY_GROUPS),
        on_loaded=ports.customers_loaded,
    )


def __getattr__(name: str) -> Dataflow:
    """The module's ``flow``, made when it is asked for: importing the module connects to nothing."""
    if name != "flow":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        settings = Settings()
        runtime.set_up(settings.log.level)
        return build(connect(settings), settings)
    except (SettingsError, StartupError) as error:
        raise SystemExit(f"ratings: {error}") from None
