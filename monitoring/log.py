"""The log of a process: text for people, or a JSON object a line for machines.

What Bytewax's Rust code writes, of peers that it connects to and of panics, stays text in both.
"""

import json
import logging
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from types import TracebackType
from typing import Any

from typing_extensions import override

from settings.log import Log

log = logging.getLogger(__name__)

_HANDLER = "standard error"
_LONGEST_CHAIN, _MOST_FRAMES = 10, 50
_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def set_up(settings: Log, **fields: str | int) -> None:
    """Log to standard error, warnings and uncaught exceptions as well.

    A second call replaces the settings of the first one. A log that something else has set up, such as pytest, stays.

    Args:
        settings: level and format.
        fields: of each JSON object: the name of the flow, for example.
    """
    if any(handler.name != _HANDLER for handler in logging.root.handlers):
        return
    is_json = settings.format == "json"
    handler = logging.StreamHandler(sys.stderr)
    handler.name = _HANDLER
    handler.setFormatter(_Json(fields) if is_json else logging.Formatter(_TEXT))
    logging.basicConfig(level=settings.level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    quiet = settings.level != "DEBUG"
    for name in ("librdkafka", "elastic_transport", "slack_sdk"):
        # Their important lines also reach us as errors.
        logging.getLogger(name).setLevel(logging.CRITICAL if quiet else logging.NOTSET)
    for name in ("botocore", "httpx"):
        logging.getLogger(name).setLevel(logging.WARNING if quiet else logging.NOTSET)
    # Python's own hooks write text.
    sys.excepthook = _log_uncaught if is_json else sys.__excepthook__
    threading.excepthook = _log_uncaught_in_thread if is_json else threading.__excepthook__


def last_line(line: str) -> SystemExit:
    """The exception that ends the process with code 1 and this line, in the format of the log."""
    if sys.excepthook is not _log_uncaught:
        return SystemExit(line)
    log.critical("the process ends: %s", line)
    return SystemExit(1)


class _Json(logging.Formatter):
    """A line of JSON for a record, with ``fields``, and with what is in the record's ``extra``.

    The event is the message before its values are put in, unless there is an extra ``event``. So it is the same for all
    lines of one place in the code.
    """

    def __init__(self, fields: Mapping[str, str | int]) -> None:
        super().__init__()
        self._fields = fields

    @override
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": f"{datetime.fromtimestamp(record.created, timezone.utc):%Y-%m-%dT%H:%M:%S.%fZ}",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": str(record.msg),
            "message": record.getMessage(),
            "values": record.args or [],
            **self._fields,
            **{name: value for name, value in vars(record).items() if name not in _OF_EVERY_RECORD},
        }
        if record.exc_info and record.exc_info[1] is not None:
            line["exceptions"] = list(_chain(record.exc_info[1]))
        return json.dumps(line, default=str)


_OF_EVERY_RECORD = {*vars(logging.makeLogRecord({})), "message", "asctime", "taskName"}


def _chain(error: BaseException) -> Iterator[dict[str, Any]]:
    """The exception, then its causes, each with the places in the code that it passed. Variables may be secret."""
    seen = set[int]()
    following: BaseException | None = error
    while following is not None and id(following) not in seen and len(seen) < _LONGEST_CHAIN:
        seen.add(id(following))
        frames = traceback.extract_tb(following.__traceback__)[-_MOST_FRAMES:]
        yield {
            "type": type(following).__name__,
            "message": str(following),
            "frames": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
        }
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
    else:
        log.critical("an exception ends the process", exc_info=(kind, error, trace))


def _log_uncaught_in_thread(caught: threading.ExceptHookArgs) -> None:
    if caught.exc_value is not None:
        exception = (caught.exc_type, caught.exc_value, caught.exc_traceback)
        log.error("an exception ends thread %s", caught.thread and caught.thread.name, exc_info=exception)
