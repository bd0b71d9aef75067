"""The accounting: what was produced against what came out, in memory bounded by what is still under way."""

from collections.abc import Iterable

from demo.outputs import Enriched

_EXAMPLES = 5
_SUBMITTED = 10**15
"""The ids of ratings that were submitted on the live page are times in microseconds, far above ours."""


def calls_for_alert(rating: Enriched) -> bool:
    """Whether a platinum customer is unhappy, outside of tests: at most 2 stars. Case does not matter."""
    return (
        rating.stars is not None
        and rating.stars <= 2
        and (rating.club_status or "").casefold() == "platinum"
        and "test" not in (rating.channel or "").casefold()
    )


class _Errors:
    """How often something went wrong, and its first examples."""

    def __init__(self) -> None:
        self.count = 0
        self.examples: list[object] = []

    def add(self, example: object) -> None:
        self.count += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(example)


class Ledger:
    """Which ratings are outstanding, which alerts and dead letters are owed, and what should not have come.

    Rating ids count up from 1. Only outstanding ones are kept, in a run of days too: one that is not outstanding
    but was produced has come out before. A rating that somebody submitted on the live page is owed from its first
    output on. Call it with every record that was produced, and with every one that came
    out; the outputs may come in any order.
    """

    def __init__(self) -> None:
        self.ratings = 0
        """Well-formed ratings produced."""
        self.malformed = 0
        """Malformed ratings produced."""
        self.enriched_ratings = 0
        """Distinct enriched ratings that came out; likewise the next two."""
        self.alerts = 0
        self.dead_letters = 0
        self._last_id = 0
        self._ratings_owed: set[int] = set()
        self._dead_letters_owed: set[int] = set()
        self._alerts_owed: set[int] = set()
        self._early_alerts: set[int] = set()  # they came before their enriched rating did
        self._submitted: set[int] = set()
        self._errors: dict[str, _Errors] = {}

    @property
    def outstanding(self) -> int:
        """How many outputs are owed and have not come yet."""
        return len(self._ratings_owed) + len(self._dead_letters_owed) + len(self._alerts_owed)

    def produced(self, rating_id: int, *, well_formed: bool) -> None:
        """Note a rating that was produced. Its id must be greater than all before."""
        self._last_id = rating_id
        if well_formed:
            self.ratings += 1
            self._ratings_owed.add(rating_id)
        else:
            self.malformed += 1
            self._dead_letters_owed.add(rating_id)

    def enriched(self, rating: Enriched) -> None:
        """Note an enriched rating that came out, and the alert that it calls for."""
        rating_id = rating.rating_id
        self._take_up(rating_id)
        if rating_id not in self._ratings_owed:
            self._unexpected("enriched rating", rating_id)
            return
        self._ratings_owed.remove(rating_id)
        self.enriched_ratings += 1
        called_for, came = calls_for_alert(rating), rating_id in self._early_alerts
        self._early_alerts.discard(rating_id)
        if called_for and not came:
            self._alerts_owed.add(rating_id)
        elif came and not called_for:
            self._error("alert that its enriched rating does not call for", rating_id)

    def alert(self, rating_id: int) -> None:
        """Note an alert that came out."""
        self._take_up(rating_id)
        if rating_id in self._alerts_owed:
            self._alerts_owed.remove(rating_id)
        elif rating_id in self._ratings_owed and rating_id not in self._early_alerts:
            self._early_alerts.add(rating_id)
        else:
            self._unexpected("alert", rating_id)
            return
        self.alerts += 1

    def dead_letter(self, rating_id: int) -> None:
        """Note a rating's dead letter that came out."""
        if rating_id in self._dead_letters_owed:
            self._dead_letters_owed.remove(rating_id)
            self.dead_letters += 1
        else:
            self._unexpected("dead letter", rating_id)

    def unreadable(self, why: str) -> None:
        """Note a record that came out and breaks the contract."""
        self._error("unreadable record", why)

    def lost(self, held: int) -> int:
        """Ratings that neither came out nor are held by the job; below 0 when it holds more than it can."""
        return self.ratings - self.enriched_ratings - held

    def totals(self) -> dict[str, int]:
        """What went in and came out so far, by name, in the order in which it is told."""
        return {
            "ratings": self.ratings,
            "enriched": self.enriched_ratings,
            "alerts": self.alerts,
            "dead-letters": self.dead_letters,
        }

    def summary(self, held: int) -> dict[str, int]:
        """The totals and what they come to, where the job still holds ``held`` ratings."""
        return self.totals() | {"held": held, "lost": self.lost(held)}

    def disagreements(self, held: int) -> list[str]:
        """Everything that does not agree, a line each; none when all is well."""
        lines = []
        if lost := self.lost(held):
            lines.append(
                f"lost {lost}: of {self.ratings} ratings {self.enriched_ratings} came out enriched and {held} are held"
                + _naming(sorted(self._ratings_owed))
            )
        if owed := self._dead_letters_owed:
            lines.append(f"{len(owed)} malformed ratings have no dead letter{_naming(sorted(owed))}")
        if owed := self._alerts_owed:
            lines.append(f"{len(owed)} enriched ratings call for an alert that did not come{_naming(sorted(owed))}")
        if early := self._early_alerts:
            lines.append(f"{len(early)} alerts came without their enriched rating{_naming(sorted(early))}")
        lines += [f"{errors.count} x {kind}{_naming(errors.examples)}" for kind, errors in self._errors.items()]
        return lines

    def _take_up(self, rating_id: int) -> None:
        """Owe the outputs of a rating that was submitted on the page, once."""
        if rating_id >= _SUBMITTED and rating_id not in self._submitted:
            self._submitted.add(rating_id)
            self.ratings += 1
            self._ratings_owed.add(rating_id)

    def _unexpected(self, what: str, rating_id: int) -> None:
        produced = 0 < rating_id <= self._last_id
        self._error(
            f"{what} that came before or is not called for" if produced else f"{what} of a rating never produced",
            rating_id,
        )

    def _error(self, kind: str, example: object) -> None:
        self._errors.setdefault(kind, _Errors()).add(example)


def _naming(examples: Iterable[object]) -> str:
    named = ", ".join(str(example) for example in list(examples)[:_EXAMPLES])
    return f" (such as {named})" if named else ""
