"""Page views joined with users, from two topics of Kafka to an index of Elasticsearch.

Run it: ``python -m bytewax.run "examples.page_views:flow('localhost:9092', 'http://localhost:9200')"``.
"""

import threading
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import partial
from operator import attrgetter
from typing import Any, TypeVar

import bytewax.operators as op
import msgspec
from bytewax.dataflow import Dataflow
from bytewax.operators import KeyedStream

from messages.decoder import Decoder
from operators.batch import KEY_GROUPS, Batch, group_index
from operators.decode import decode
from operators.each import Oks, each
from operators.join import Join, join_table
from operators.limit import FailureLimit
from operators.output import output_with_ticks
from sinks.elasticsearch import Cluster, Document, ElasticsearchSink, Rejected
from sinks.kafka import KafkaMessage, KafkaSink, KafkaWriter
from sources.kafka import KafkaSource
from sources.tick import TickSource

T = TypeVar("T")


class View(msgspec.Struct, gc=False):
    """Somebody has looked at a page."""

    id: str
    user: int
    page: str


class User(msgspec.Struct, gc=False):
    """A row of the table of users; without a country it is deleted."""

    id: int
    country: str | None = None


class Seen(msgspec.Struct, gc=False):
    """A view, with the country of its user."""

    id: str
    page: str
    country: str | None


def json(kind: type[T]) -> Decoder[T]:
    """Decodes messages of JSON."""
    return Decoder(lambda message: msgspec.json.decode(message.value() or b"", type=kind))


def to_document(seen: Seen) -> Document:
    """A view in its index."""
    return Document("views", seen.id, msgspec.json.encode(seen))


def letters(failures: Iterable[object]) -> list[KafkaMessage]:
    """Messages about records that could not be decoded, joined or encoded."""
    return [KafkaMessage(None, msgspec.json.encode(str(failure))) for failure in failures]


def users_of_views(on_loaded: Callable[[], None]) -> Join[View, User, User, int, Seen]:
    """Each view with its user as it is now; the last change of a user wins."""
    return Join(
        record_type=View,
        key=attrgetter("user"),
        change=lambda user: (user.id, user if user.country else None, 0, ()),
        stale=lambda _known, _new: False,
        advance=lambda _known, new: new,
        complete=lambda _known, new, _untold: new,
        combine=lambda view, user: Seen(view.id, view.page, user.country if user else None),
        grace=timedelta(seconds=5),
        unmatched="emit",
        on_loaded=on_loaded,
    )


def flow(kafka: str, elasticsearch: str, stopping: Callable[[], bool] = lambda: False) -> Dataflow:
    """From the topics ``views`` and ``users`` to the index ``views``; what cannot go its way, to the topic ``odd``."""
    config = {"bootstrap.servers": kafka, "group.id": "page-views"}
    loaded, oks = threading.Event(), Oks()
    odd = KafkaSink("odd", config, lane_of=group_index)

    def reject(rejected: list[Rejected]) -> None:
        writer = KafkaWriter("odd", config)
        writer.write(KafkaMessage(document.id, document.body) for document in rejected)
        writer.flush()

    flow = Dataflow("page_views")
    source = partial(KafkaSource, config=config, stopping=stopping)
    views_in = op.input("views", flow, source("views", ready=loaded.is_set))
    users_in = op.input("users", flow, source("users", whole_topic=True))
    ticks = op.input(
        "ticks", flow, TickSource(tuple((key, Batch[KafkaMessage]()) for key in KEY_GROUPS), stopping=stopping)
    )

    limit = partial(FailureLimit, 0.5, 1000)
    views = decode("decode_views", views_in, json(View), attrgetter("user"), limit())
    users = decode("decode_users", users_in, json(User), attrgetter("id"), limit())
    join = join_table("join", views.oks, users.oks, users_of_views(loaded.set), limit)
    documents = oks(each("document", join.joined, to_document, limit()))
    index = ElasticsearchSink(Cluster((elasticsearch,)), reject, lane_of=group_index, stopping=stopping)
    output_with_ticks("index", documents, ticks, index)

    errors: KeyedStream[Any] = op.merge("errors", views.errs, users.errs, join.errs, *oks.errs)
    output_with_ticks("odd", op.map_value("letters", errors, letters), ticks, odd)
    return flow
