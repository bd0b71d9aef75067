"""What a person sees of a run: a live picture in a terminal, plain lines elsewhere."""

import sys
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Mapping

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text
from typing_extensions import Self

from demo.outputs import Alert

_HEADLINE = (
    "Ratings of flights joined with their customers, on generated data and stand-ins in this process: Kafka"
    " ({bootstrap}), Elasticsearch, S3, Slack.",
    "On your own: KAFKA_BOOTSTRAP_SERVERS=host:9092, ELASTICSEARCH_URL, S3_BUCKET (see README.md) and then"
    " python -m bytewax.run dataflows.ratings",
)
_NEWEST_ALERTS = 12
_NEWEST_NOTICES = 5


class Rates:
    """Totals by name into rates: how much each has grown a second, over the last few samples."""

    def __init__(self, samples: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._samples: deque[tuple[float, Mapping[str, int]]] = deque(maxlen=samples)

    def of(self, totals: Mapping[str, int]) -> dict[str, float]:
        """Take a sample, and give the rates since the oldest that is kept; none at the first."""
        now = self._clock()
        self._samples.append((now, totals))
        then, before = self._samples[0]
        return {name: (total - before[name]) / (now - then) for name, total in totals.items()} if now > then else {}


class View(ABC):
    """Shows one run: ``show`` when it is ``due``, ``alert`` and ``notice`` as they come.

    A context: it restores the terminal.
    """

    _seconds: float
    """From one picture to the next."""
    _samples: int
    """So many pictures back do rates reach."""

    def __init__(self) -> None:
        self._rates = Rates(self._samples)
        self._next = time.monotonic()

    def due(self) -> bool:
        """Whether it is time for ``show``."""
        return time.monotonic() >= self._next

    def show(self, totals: Mapping[str, int], held: int | None) -> None:
        """Show totals as rates, and how many ratings the job holds (None: not known)."""
        self._next = time.monotonic() + self._seconds
        if rates := [f"{name} {rate:,.1f}/s" for name, rate in self._rates.of(totals).items()]:
            self._show("  ".join([*rates, f"held {'?' if held is None else held}"]), totals)

    @abstractmethod
    def status(self, text: str) -> None:
        """Say what is being done now."""

    @abstractmethod
    def page(self, address: str) -> None:
        """Tell where the live page is."""

    @abstractmethod
    def alert(self, alert: Alert) -> None:
        """Show a new alert."""

    @abstractmethod
    def notice(self, text: str) -> None:
        """Show a message that reached Slack."""

    @abstractmethod
    def _show(self, rates: str, totals: Mapping[str, int]) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None


class PlainView(View):
    """Lines: the alerts one each, the rates every 5 s; of more than 50 alerts between two of these, the number."""

    _seconds, _samples = 5.0, 2
    _most_alerts = 50

    def __init__(self, bootstrap: str) -> None:
        super().__init__()
        self._alerts = self._notices = 0
        for line in _HEADLINE:
            print(line.format(bootstrap=bootstrap), flush=True)

    def status(self, text: str) -> None:  # noqa: D102
        print(text, flush=True)

    def page(self, address: str) -> None:  # noqa: D102
        print(f"page: {address}", flush=True)

    def alert(self, alert: Alert) -> None:  # noqa: D102
        self._alerts += 1
        if self._alerts <= self._most_alerts:
            print(f"alert: stars {alert.stars}, {_customer(alert)}, {alert.channel}: {alert.message}", flush=True)

    def notice(self, text: str) -> None:  # noqa: D102
        self._notices += 1
        if self._notices <= self._most_alerts:
            print(f"slack: {text}", flush=True)

    def _show(self, rates: str, totals: Mapping[str, int]) -> None:
        for count, what in ((self._alerts, "alerts"), (self._notices, "messages in Slack")):
            if count > self._most_alerts:
                print(f"and {count - self._most_alerts} more {what}", flush=True)
        self._alerts = self._notices = 0
        print(rates, flush=True)


class TerminalView(View):
    """A picture that renews itself twice a second: headline, status, rates, totals, the newest alerts."""

    _seconds, _samples = 0.5, 10

    def __init__(self, bootstrap: str, console: Console | None = None) -> None:
        super().__init__()
        self._headline = Text("\n".join(_HEADLINE).format(bootstrap=bootstrap))
        self._status = ""
        self._lines = ("", "")
        self._alerts: deque[tuple[str, Alert]] = deque(maxlen=_NEWEST_ALERTS)
        self._notices: deque[tuple[str, str]] = deque(maxlen=_NEWEST_NOTICES)
        self._live = Live(console=console, auto_refresh=False)

    def status(self, text: str) -> None:  # noqa: D102
        self._status = text
        self._draw()

    def page(self, address: str) -> None:  # noqa: D102
        self._headline.append(f"\nThe live page: {address}")
        self._draw()

    def alert(self, alert: Alert) -> None:  # noqa: D102
        self._alerts.appendleft((time.strftime("%H:%M:%S"), alert))

    def notice(self, text: str) -> None:  # noqa: D102
        self._notices.appendleft((time.strftime("%H:%M:%S"), text))

    def _show(self, rates: str, totals: Mapping[str, int]) -> None:
        self._lines = rates, "  ".join(f"{name} {total:,}" for name, total in totals.items())
        self._draw()

    def _draw(self) -> None:
        rates, totals = self._lines
        alerts = Table(box=None, expand=True, pad_edge=False)
        for name, ratio in {"time": 0, "stars": 0, "unhappy platinum customer": 2, "channel": 0, "message": 3}.items():
            alerts.add_column(name, no_wrap=True, justify="left", ratio=ratio or None)
        for when, alert in self._alerts:
            # Text, not str: what a customer wrote is no markup.
            cells = (when, str(alert.stars), _customer(alert), alert.channel or "", alert.message or "")
            alerts.add_row(*map(Text, cells))
        self._live.update(
            Group(
                Panel(self._headline),
                Text(self._status, style="dim"),
                Text(rates, style="bold"),
                Text(f"in all: {totals}", style="dim"),
                alerts,
                *(Text(f"slack {when}  {text}", no_wrap=True, overflow="ellipsis") for when, text in self._notices),
            ),
            refresh=True,
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()


def open_view(bootstrap: str) -> View:
    """Give the view that stdout is made for."""
    return TerminalView(bootstrap) if sys.stdout.isatty() else PlainView(bootstrap)


def _customer(alert: Alert) -> str:
    return f"{alert.full_name} <{alert.email}>"
