"""Ratings of flights, joined with their customers; alerts by rules, about unhappy platinum customers for instance.

Run it: ``python -m bytewax.run dataflows.ratings``. ``dataflows/ports.py`` has what it reads from and writes to.
"""

from datetime import timedelta
from functools import partial
from operator import attrgetter

import bytewax.operators as op
from bytewax.dataflow import Dataflow

from dataflows import decoders, latency, letters, search, statistics
from dataflows.alerts import by_topic, selected, step_id
from dataflows.ports import Ports
from dataflows.rules import load
from dataflows.start import start
from dataflows.wiring.ratings import connect
from messages.unavailable import spellings
from messages.version import Version, advance, is_stale
from operators.batch import KEY_GROUPS
from operators.decode import decode
from operators.each import Oks, each, together
from operators.join import Join, join_table
from operators.limit import FailureLimit
from operators.output import output_with_ticks
from operators.stop import stop_together
from operators.wait import wait_together
from records import enriched, rating
from records.customer import Customer, CustomerChange, completed
from records.enriched import NOBODY, Match
from records.rating import Rating, SourcedRating, WideRating, without_source
from settings import Settings


def build(ports: Ports, settings: Settings) -> Dataflow:
    """The main job, between any sources and sinks."""
    flow = Dataflow("ratings")
    keep_source = settings.join.unmatched == "dead-letter"
    of_ratings = decoders.of_ratings(settings.formats.ratings, ports.schemas, keep_source=keep_source)
    unavailable = spellings(settings.formats.unavailable)
    of_customers = decoders.of_customers(settings.formats.customers, ports.schemas, unavailable)

    limit = partial(FailureLimit, settings.dead_letters.max_share, settings.dead_letters.max_in_a_row)
    oks = Oks()  # what a step cannot process leaves the picture here, and is a dead letter below

    ratings = decode("decode_ratings", op.input("ratings", flow, ports.ratings), of_ratings, user_id, limit())
    changes = op.input("customers", flow, ports.customers)
    customers = decode("decode_customers", changes, of_customers, customer_id, limit())
    join = join_table("join", ratings.oks, customers.oks, with_customer(ports, settings), limit)
    alerted = selected(load(settings.alerts.rules, settings.topics.alerts), join.joined, oks)
    alerts = by_topic(alerted, oks)
    counted = statistics.counted(settings.statistics, join.joined, alerted.values()) if ports.statistics else None

    if avro := ports.enriched_avro:
        enriched_out = oks(together("enriched_avro", join.joined, avro.encode, limit()))
    else:
        enriched_out = oks(together("enriched_json", join.joined, enriched.encode_matches, limit()))
    enriched_out = latency.measured("latency", enriched_out)

    ticks = op.input("ticks", flow, ports.ticks)
    stop_together("stop", ticks, ports.stop)
    wait_together("wait", ticks, ports.waits)
    output_with_ticks("enriched", enriched_out, ticks, ports.enriched)
    for topic, of_topic in alerts.items():
        output_with_ticks(step_id(topic, settings.topics.alerts), of_topic, ticks, ports.alerts[topic])
    if ports.statistics and counted is not None:
        op.output("statistics", counted, ports.statistics)
    if ports.search:
        enriched_json = (
            oks(together("search_json", join.joined, enriched.encode_matches, limit())) if avro else enriched_out
        )
        every_alert = op.merge("search_alerts", *alerts.values())
        documents = search.documents(settings.search, ratings.oks, enriched_json, every_alert, oks, limit, counted)
        output_with_ticks("search", documents, ticks, ports.search)
    if ports.archive:
        rows = oks(each("archive_rows", join.joined, enriched.enrich, limit()))
        output_with_ticks("archive", rows, ticks, ports.archive)

    unmatched = oks(each("unmatched", join.unmatched, partial(rating.unmatched, settings.topics.ratings), limit()))
    malformed = op.merge("malformed", ratings.errs, customers.errs, unmatched)
    failed = op.merge("failed", join.errs, *oks.errs)
    dead_letters = letters.messages(malformed, failed, ports.letters)
    output_with_ticks("dead_letters", dead_letters, ticks, ports.dead_letters)
    return flow


user_id, customer_id = attrgetter("user_id"), attrgetter("id")


def with_customer(ports: Ports, settings: Settings) -> Join[Rating, CustomerChange, Customer, Version, Match]:
    """Every rating with its customer as it is now; one whose customer is not known waits for it."""
    keeps_source = settings.join.unmatched == "dead-letter"
    return Join(
        # What waited may have been stored under the other policy.
        record_type=SourcedRating if keeps_source else WideRating,
        key=user_id,
        change=attrgetter("id", "customer", "version", "untold"),
        stale=is_stale,
        advance=advance,
        complete=completed,
        combine=match_without_source if keeps_source else Match,
        no_row=NOBODY,
        grace=timedelta(seconds=settings.join.grace),
        unmatched=settings.join.unmatched,
        max_held=settings.join.max_held // len(KEY_GROUPS),
        on_loaded=ports.customers_loaded,
    )


def match_without_source(rating: Rating, customer: Customer) -> Match:
    """Join one rating with its customer: its Kafka record is no longer needed."""
    return Match(without_source(rating), customer)


def __getattr__(name: str) -> Dataflow:
    """The module's ``flow``, made when it is asked for: importing the module connects to nothing."""
    if name != "flow":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return start("ratings", lambda settings: build(connect(settings), settings))
