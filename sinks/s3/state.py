"""What a lane keeps in the recovery store: plain values, with the version of their form."""

from collections.abc import Mapping
from typing import Any

from sinks.s3.errors import StateError

VERSION = 2

State = dict[str, Any]
"""``version``; ``series`` of the lane's objects and the number of the ``next``; its objects by how far they are:
``open`` and ``closing`` (``Object.save``), ``sealed`` (``Upload.save``)."""


def current(state: State, **defaults: Any) -> State:
    """A state in the form of this version.

    Args:
        state: of any version up to this.
        defaults: what the first version did not save: ``bucket``, ``content_type``, ``format``, ``made_by`` and
            ``part_bytes``. It took them from its settings, which are taken to be those of now.

    Raises:
        StateError: the state is of a later version.
    """
    version = state.get("version", 1)
    if version > VERSION:
        raise StateError(
            f"the recovery store was written by a later version of this job (S3 state {version}, and this one reads "
            f"{VERSION}): run that version"
        )
    if version == VERSION:
        return state
    return {
        **state,
        "version": VERSION,
        **{kind: [_object(saved, defaults) for saved in state[kind]] for kind in ("open", "closing")},
        "sealed": [_upload(saved, defaults) for saved in state["sealed"]],
    }


def _object(saved: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    more = {name: defaults[name] for name in ("format", "made_by", "part_bytes")}
    return {**saved, **more, "upload": _upload(saved["upload"], defaults)}


def _upload(saved: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    parts = [(size, tag, None if tag else data) for _, size, data, tag in saved["parts"]]
    last = saved["last"]
    return {
        "key": saved["key"],
        "bucket": defaults["bucket"],
        "content_type": defaults["content_type"],
        "rows": saved["rows"],
        "id": saved["id"],
        "parts": [*parts, (len(last), None, last)] if last else parts,
        "sealed": last is not None,
        "complete": False,
    }
