"""The panels as HTML, from figures and from what the model keeps one by one."""

from base64 import b64decode
from statistics import median

from messages.dead_letter import DeadLetter
from web.page.charts import clock
from web.page.figures import Figures
from web.page.form import Submitted
from web.page.markup import Markup, element, join, table
from web.page.model import RECENT, Model, Seen

_LONGEST_TEXT = 240
_NONE = "\N{EN DASH}"


def tiles(figures: Figures, model: Model) -> Markup:
    """The numbers at the top."""
    span = "last minute" if model.minutes == 1 else f"last {model.minutes} minutes"
    delays = sorted(model.delays)
    stars = _NONE if figures.median is None else f"{figures.median:g}"
    share = f"{figures.poor / figures.ratings:.0%}" if figures.ratings else _NONE
    slow = f"99 in 100 within {seconds(delays[int(0.99 * (len(delays) - 1))])}" if delays else "no rating yet"
    return join(
        (
            _tile("Ratings a second", f"{model.rate():,.1f}", "all, over 10 s"),
            _tile("Ratings", f"{figures.ratings:,}", span),
            _tile("Median stars", stars, span),
            _tile("Poor ratings", share, f"{figures.poor:,} of at most 2 stars"),
            _tile("Alerts", f"{figures.alerts:,}", span),
            _tile("Rating to output", seconds(median(delays)) if delays else _NONE, slow),
        )
    )


def feed(figures: Figures) -> Markup:
    """The live feed."""
    if not figures.feed:
        return _nothing("No rating has come yet.")
    return element("ol", *(_rating(seen) for seen in figures.feed), class_="feed")


def unhappy(figures: Figures) -> Markup:
    """Customers with alerts, the last one of each."""
    if not figures.unhappy:
        return _nothing("No alert has come yet.")
    rows = []
    for seen, alerts in figures.unhappy:
        rating = seen.rating
        who = join(
            (
                element("strong", rating.full_name or f"customer {rating.user_id}"),
                element("span", rating.email, class_="quiet block") if rating.email else None,
            )
        )
        said = join((stars(rating.stars), element("span", short(rating.message), class_="block")))
        rows.append((who, said, f"{alerts:,}", clock(rating.rating_ts, "%H:%M:%S")))
    return table("Unhappy customers, the latest first", ("Customer", "Last rating", "Alerts", "UTC"), rows)


def unhappy_count(figures: Figures) -> str:
    """The number of customers in the panel."""
    return f"{len(figures.unhappy)} customer{'' if len(figures.unhappy) == 1 else 's'}"


def regions(figures: Figures) -> Markup:
    """The share of poor ratings by region, as bars."""
    if not figures.regions:
        return _nothing("No rating has come yet.")
    rows = [
        (one.name, _bar(one.share, f"{one.share:.1%}"), f"{one.poor:,} of {one.ratings:,}") for one in figures.regions
    ]
    return table("Share of poor ratings by region", ("Region", "Poor", "Ratings"), rows, class_="bars")


def raters(figures: Figures) -> Markup:
    """The most frequent raters, as bars."""
    if not figures.raters:
        return _nothing("No rating has come yet.")
    most = figures.raters[0].ratings
    rows = [
        (
            join((one.name or f"customer {one.user_id}", " ", status(one.club_status))),
            _bar(one.ratings / most, f"{one.ratings:,}"),
        )
        for one in figures.raters
    ]
    return table(f"Customers by ratings, of the last {RECENT:,}", ("Customer", "Ratings"), rows, class_="bars")


def letters(model: Model) -> Markup:
    """Dead letters by reason, and the last ones."""
    if not model.letters:
        return _nothing("No record has become a dead letter.")
    reasons = [(reason.step, reason.error, f"{count:,}") for reason, count in model.reasons.most_common()]
    return join(
        (
            table("Dead letters by reason", ("Step", "Error", "Read"), reasons),
            element("ol", *(_letter(letter) for letter in reversed(model.letters)), class_="letters"),
        )
    )


def submission(submitted: Submitted) -> Markup:
    """A rating that was submitted here, and what came back."""
    if submitted.seen is None or submitted.seconds is None:
        waiting = "On Kafka. Waiting for it to come back …"
        return element("p", "It did not come back." if submitted.is_over else waiting)
    rules = submitted.seen.rules
    alert = f"Alert: {', '.join(rules)}." if rules else "No alert." if submitted.is_over else ""
    return join(
        (
            element("p", f"Came back after {submitted.seconds:.1f} s. {alert}"),
            element("ol", _rating(submitted.seen), class_="feed"),
        )
    )


def stars(count: int | None) -> Markup:
    """Stars, also in words."""
    if count is None:
        return element("span", "no stars", class_="quiet")
    if not 1 <= count <= 5:
        return element("span", f"{count} stars")
    full, rest = "★" * count, "★" * (5 - count)
    return element(
        "span",
        full,
        element("span", rest, class_="rest"),
        class_="stars poor" if count <= 2 else "stars",
        role="img",
        aria_label=f"{count} of 5 stars",
    )


def status(club_status: str | None) -> Markup | None:
    """A club status as a badge."""
    if not club_status:
        return None
    return element("span", club_status, class_=f"badge {club_status.lower()}" if club_status.isalpha() else "badge")


def short(text: str | None) -> str:
    """The beginning of a text."""
    text = text or ""
    return f"{text[:_LONGEST_TEXT]}…" if len(text) > _LONGEST_TEXT else text


def seconds(value: float) -> str:
    """A duration in seconds or milliseconds."""
    return f"{value * 1000:.0f} ms" if value < 1 else f"{value:,.1f} s"


def _rating(seen: Seen) -> Markup:
    rating = seen.rating
    known = rating.full_name or rating.email
    who = known or f"customer {rating.user_id}, not known"
    return element(
        "li",
        stars(rating.stars),
        element("span", element("span", who, class_="who" if known else "quiet"), " ", status(rating.club_status)),
        element("span", short(rating.message), class_="said"),
        element(
            "span",
            element("span", "alert", class_="badge alert") if seen.rules else None,
            " ",
            " · ".join(text for text in (rating.channel, rating.region) if text),
            " ",
            element("time", clock(rating.rating_ts, "%H:%M:%S")),
            class_="quiet about",
        ),
        class_="unhappy" if seen.rules else None,
    )


def _letter(letter: DeadLetter) -> Markup:
    return element(
        "li",
        element("strong", f"{letter.step}: {letter.error}"),
        " ",
        element("span", f"{letter.topic} [{letter.partition}] at {letter.offset}", class_="quiet"),
        element("span", short(letter.message), class_="block"),
        element("code", short(_original(letter)), class_="block"),
    )


def _original(letter: DeadLetter) -> str:
    if letter.value is None:
        return "(null)"
    try:
        return b64decode(letter.value).decode(errors="replace")
    except ValueError:
        return letter.value


def _tile(label: str, value: str, hint: str) -> Markup:
    return element(
        "div",
        element("dt", label),
        element("dd", element("span", value, class_="value"), element("span", hint, class_="quiet block")),
    )


def _bar(share: float, label: str) -> Markup:
    fill = element("span", class_="fill", style=f"width:{share:.1%}")
    return element(
        "span", element("span", fill, class_="bar", aria_hidden="true"), element("span", label), class_="barred"
    )


def _nothing(text: str) -> Markup:
    return element("p", text, class_="quiet")
