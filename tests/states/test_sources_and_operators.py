"""The states of sources and operators, each with a file that shows it. A state that changes needs a new version.

After a change of shape: raise the version in the tag, add the new file, and remove the old one unless it can be read.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from operators import state as operators
from operators.state import JoinState, TallyState, WindowsState
from records.rating import SourcedRating
from sources.kafka import state as sources
from sources.kafka.position import Position
from sources.kafka.state import PartitionState

FOLDER = Path(__file__).parent


class Form(NamedTuple):
    """A state, and how it is stored."""

    state: Any
    pack: Callable[[Any], bytes]
    unpack: Callable[[bytes], Any]
    plain: Callable[[bytes], Any]
    """What is stored, without the types."""


FORMS = [
    Form(
        PartitionState("ratings", Position(1_205, (1_201, 1_203), "c2VydmljZS1pZA")),
        sources.pack,
        lambda stored: sources.unpack(stored, "a partition"),
        msgspec.json.decode,
    ),
    Form(
        JoinState(
            [
                SourcedRating(7, 42),
                SourcedRating(
                    8,
                    43,
                    4,
                    9_113,
                    1_519_304_105_213,
                    "iOS",
                    "ok",
                    1_519_304_106_000,
                    3,
                    17,
                    b"key",
                    b"{}",
                    [("h", None)],
                ),
            ]
        ),
        operators.pack,
        lambda stored: operators.unpack(stored, JoinState[SourcedRating], "join"),
        msgspec.msgpack.decode,
    ),
    Form(
        TallyState(
            [((29_583_645, "web", "gold", None, 4, False), 17)],
            [((29_583_645, "web", "gold", None, 1, False), 2)],
            {0: 1_775_018_700_000, 3: 1_775_018_701_250},
        ),
        operators.pack,
        lambda stored: operators.unpack(stored, TallyState, "tally"),
        msgspec.msgpack.decode,
    ),
    Form(
        WindowsState(
            [((29_583_645, "web", "gold", None, 4, False), 17, 0), ((29_583_646, None, None, None, None, True), 1, 2)],
            {0: 1_775_018_700_000, 3: 1_775_018_701_250},
            29_583_640,
            29_583_641,
        ),
        operators.pack,
        lambda stored: operators.unpack(stored, WindowsState, "windows"),
        msgspec.msgpack.decode,
    ),
]


def golden(form: Form) -> Path:
    return FOLDER / f"{type(form.state).__struct_config__.tag}.json"


@pytest.mark.parametrize("form", FORMS, ids=lambda form: golden(form).name)
def test_a_state_is_stored_as_its_file_shows(form: Form) -> None:
    stored = form.pack(form.state)
    text = msgspec.json.format(msgspec.json.encode(form.plain(stored))).decode() + "\n"
    assert text == golden(form).read_text(), (
        f"{golden(form).name} has another shape: does the state need a new version?"
    )
    assert form.unpack(stored) == form.state


def test_every_file_is_of_a_state() -> None:
    files = {path for prefix in ("sources", "operators") for path in FOLDER.glob(f"{prefix}.*.json")}
    assert files == {golden(form) for form in FORMS}
