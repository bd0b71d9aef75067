"""Tells people, in messages: each record once, or inside exactly one digest, and never faster than the limits.

The desk decides which message is due, and the gate when a post may begin. The clerk's threads write each intent to a
journal, post the message, and write that it ended. The journal is the memory: what it holds is not told again, whatever
was killed, and with or without a recovery store.
"""

from .clerk import Compose, Reject, Terms
from .desk import Desk, Limits
from .journal import Journal
from .kafka import KafkaJournal
from .notice import Entry, Notice
from .sink import NoticeSink
from .way import Again, Denied, Printer, Unwelcome, Way
from .webhook import Webhook

__all__ = [
    "Again",
    "Compose",
    "Denied",
    "Desk",
    "Entry",
    "Journal",
    "KafkaJournal",
    "Limits",
    "Notice",
    "NoticeSink",
    "Printer",
    "Reject",
    "Terms",
    "Unwelcome",
    "Way",
    "Webhook",
]
