"""The columns of an enriched rating.

Parquet, Avro and the mapping of the search index follow this table. Alerts and their rules name
columns of it. A test checks ``EnrichedRating`` and the documents against it.
"""

from typing import Literal, NamedTuple

Kind = Literal["text", "integer", "timestamp"]
"""An integer has 64 bits. A timestamp is one, too: epoch milliseconds."""

SearchType = Literal["keyword", "text", "byte", "integer", "long", "date"]
"""A type of Elasticsearch."""


class Column(NamedTuple):
    """A column of an enriched rating."""

    name: str
    kind: Kind
    search: SearchType
    null: bool
    """Whether it may be null."""
    source: str
    """The attribute of a ``Match`` that it is copied from."""
    doc: str


COLUMNS = (
    Column("rating_id", "integer", "long", False, "rating.rating_id", "the rating's number, by its producer"),
    Column("user_id", "integer", "long", False, "rating.user_id", "the customer's id"),
    Column("stars", "integer", "byte", True, "rating.stars", "1 to 4 from the reference's generator; not checked"),
    Column("route_id", "integer", "long", True, "rating.route_id", "the flight's route"),
    # No date: from kafka-connect-datagen it is 1, 13, 25 ...
    Column("rating_time", "integer", "long", True, "rating.rating_time", "as the producer wrote it"),
    Column("channel", "text", "keyword", True, "rating.channel", "where the customer gave the rating"),
    Column("message", "text", "text", True, "rating.message", "the customer's words"),
    Column("rating_ts", "timestamp", "date", False, "rating.rating_ts", "Kafka's timestamp of the rating"),
    Column("first_name", "text", "keyword", True, "customer.first_name", "null if the customer is not known"),
    Column("last_name", "text", "keyword", True, "customer.last_name", "null if the customer is not known"),
    Column("full_name", "text", "text", True, "customer.full_name", "the names that are there, joined by a space"),
    Column("email", "text", "keyword", True, "customer.email", "null if the customer is not known"),
    Column("club_status", "text", "keyword", True, "customer.club_status", "null if the customer is not known"),
    Column("region", "text", "keyword", True, "customer.region", "null if the customer is not known"),
    Column("source_partition", "integer", "integer", False, "rating.source_partition", "where the rating was read"),
    Column("source_offset", "integer", "long", False, "rating.source_offset", "unique with `source_partition`"),
)
