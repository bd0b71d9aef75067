"""Generated data in the shapes and ranges of the article's demo: ratings, and a customer table that changes.

Both generators give the same records for the same seed and clock, and never end. ``python -m demo.generate`` writes
the ratings to a Kafka.
"""

from demo.generate.customers import CLUB_STATUSES, MAX_CUSTOMERS, REGIONS, CustomerChange, CustomerChanges
from demo.generate.ratings import CHANNELS, MALFORMED_EVERY, MESSAGES, GeneratedRating, Ratings

__all__ = [
    "CHANNELS",
    "CLUB_STATUSES",
    "MALFORMED_EVERY",
    "MAX_CUSTOMERS",
    "MESSAGES",
    "REGIONS",
    "CustomerChange",
    "CustomerChanges",
    "GeneratedRating",
    "Ratings",
]
