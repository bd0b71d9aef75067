"""What the benchmark's records hold: each is made from the seed and its number alone, so all can be verified."""

from dataclasses import dataclass
from typing import Any

CLUB_STATUSES = ("bronze", "silver", "gold", "platinum")
CHANNELS = ("android", "iOS", "web", "iOS-test")
FIRST_NAMES = ("Rica", "Ruthie", "Mariejeanne", "Hashim", "Hansiain", "Robinet", "Fay", "Patti", "Even", "Clair")
LAST_NAMES = ("Blaisdell", "Brockherst", "Cocci", "Rumke", "Coda", "Leheude", "Huc", "Rosten", "Tinham", "Vardy")
COMMENTS = (
    "Universal optimal hierarchy",
    "Reverse-engineered tangible interface",
    "Multi-tiered bandwidth-monitored capability",
)
MESSAGES = (
    "why is it so difficult to keep the bathrooms clean ? it has been like that for weeks now",
    "Surprisingly good, maybe you are getting your mojo back at long last!",
    "your team here rocks! from the check-in to the gate everybody was helpful and smiling, as ever",
    "is this as good as it gets? really ? I had expected much more for the money that I paid for this",
    "thank you for the most friendly, helpful experience today at your new lounge, it is a pleasure to wait",
    "Exceeded all my expectations. Thank you ! I will recommend you to all of my friends and family",
    "worst. flight. ever. #neveragain, three hours late, and nobody to be found who could tell us why",
    "meh, the seats are old, the food is cold, but the views from up there are still worth every single penny",
)
FIRST_RATING_TIME = 1_528_800_546_808  # epoch milliseconds


@dataclass(frozen=True)
class Data:
    """`ratings` ratings, numbered from 0, by `customers` customers, numbered from 1, all of them known."""

    seed: int
    ratings: int
    customers: int

    def customer(self, number: int) -> dict[str, Any]:
        """A row of the customers' table, as Debezium writes it flattened."""
        chance = _mix(self.seed ^ number)
        first, last = FIRST_NAMES[chance % 10], LAST_NAMES[(chance >> 8) % 10]
        return {
            "id": number,
            "first_name": first,
            "last_name": last,
            "email": f"{first[0].lower()}{last.lower()}{number}@rambler.ru",
            "gender": "Female" if chance & 0x10000 else "Male",
            "club_status": CLUB_STATUSES[(chance >> 20) & 3],
            "comments": COMMENTS[(chance >> 24) % 3],
            "create_ts": "2018-06-12T11:47:30Z",
            "update_ts": "2018-06-12T11:47:30Z",
        }

    def known(self, number: int) -> dict[str, Any]:
        """What the join takes of a customer."""
        customer = self.customer(number)
        return {
            "first_name": customer["first_name"],
            "last_name": customer["last_name"],
            "full_name": f"{customer['first_name']} {customer['last_name']}",
            "email": customer["email"],
            "club_status": customer["club_status"],
            "region": None,
        }

    def rating(self, number: int) -> dict[str, Any]:
        """A rating; its Kafka timestamp is its `rating_time`."""
        chance = _mix(self.seed + number)
        return {
            "rating_id": number,
            "user_id": _mix(chance) % self.customers + 1,
            "stars": chance % 5 + 1,
            "route_id": (chance >> 8) % 10_000,
            "rating_time": FIRST_RATING_TIME + number,
            "channel": CHANNELS[(chance >> 22) & 3],
            "message": MESSAGES[(chance >> 25) & 7],
        }


def enriched(rating: dict[str, Any], known: dict[str, Any], partition: int, offset: int) -> dict[str, Any]:
    """What must come out of a rating that lies at `offset` of `partition`, by a customer of whom so much is `known`."""
    place = {"source_partition": partition, "source_offset": offset}
    return {**rating, "rating_ts": rating["rating_time"], **known, **place}


def document(enriched: dict[str, Any]) -> dict[str, Any]:
    """What must be in the search index of an enriched rating."""
    return {"@timestamp": enriched["rating_ts"], **enriched}


def _mix(number: int) -> int:
    """A well mixed 32-bit number made of another; some tenths of a microsecond."""
    number = (number ^ (number >> 16)) * 0x45D9F3B & 0xFFFFFFFF
    number = (number ^ (number >> 16)) * 0x45D9F3B & 0xFFFFFFFF
    return number ^ (number >> 16)
