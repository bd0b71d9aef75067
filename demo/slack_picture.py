"""``python -m demo.slack_picture FILE``: runs the demo, and draws two of its Slack messages. It needs Chromium.

Slack itself is not asked: the blocks that reached the demo's stand-in are laid out as Slack lays them out.
"""

import re
import tempfile
from collections.abc import Sequence
from html import escape, unescape
from pathlib import Path
from typing import Any

from demo.branches import Branches
from demo.pictures import chromium, file_to_draw
from demo.run import run
from demo.telling import Slack
from demo.topics import PARTITIONS
from demo.view import open_view
from servers.embedded.kafka import EmbeddedKafka

_SECONDS, _RATE = 12.0, 60.0
_WIDTH, _HEIGHT = 760, 900

_LINK = re.compile(r"&lt;([^|&]+)\|([^&]+)&gt;")
_STYLE = """
body { margin: 0; padding: 18px 22px; background: #fff; color: #1d1c1d; width: 700px;
  font: 15px/1.47 Lato, "Helvetica Neue", Arial, "Noto Color Emoji", sans-serif; }
.message { display: grid; grid-template-columns: 36px 1fr; gap: 0 10px; margin-bottom: 20px; }
.message:last-child { margin-bottom: 0; }
.icon { width: 36px; height: 36px; border-radius: 6px; background: #2456c7; color: #fff; display: grid;
  place-items: center; font-size: 20px; }
.by { font-weight: 900; } .by span { font-weight: 400; font-size: 11px; color: #616061; background: #ececec;
  border-radius: 3px; padding: 1px 4px; margin-left: 5px; vertical-align: 1px; }
.header { font-size: 18px; font-weight: 900; margin: 4px 0 8px; }
.section { margin: 6px 0; } .context { font-size: 12px; color: #616061; margin: 2px 0 8px; }
.fields { display: grid; grid-template-columns: 1fr 1fr; gap: 6px 16px; margin: 6px 0 8px; }
a { color: #1264a3; text-decoration: none; }
"""


def main() -> None:
    """Draw the picture."""
    file = file_to_draw("demo.slack_picture", __doc__)
    bodies = _told()
    alone = next(body for body in bodies if not _is_digest(body))
    digest = min(filter(_is_digest, bodies), key=lambda body: len(body["blocks"]))
    with chromium(_WIDTH, _HEIGHT) as shown:
        shown.set_content(page((alone, digest)))
        shown.locator("body").screenshot(path=file)


def _told() -> list[dict[str, Any]]:
    """The bodies of the messages that a run of the demo sends."""
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedKafka() as kafka,
        Branches() as branches,
        Slack() as slack,
    ):
        for topic, partitions in PARTITIONS.items():
            kafka.create_topic(topic, partitions)
        with open_view(kafka.bootstrap) as view:
            where = Path(folder)
            run(kafka.bootstrap, branches, slack, where, view, rate=_RATE, seconds=_SECONDS, stop=lambda: False)
        return slack.bodies


def _is_digest(body: dict[str, Any]) -> bool:
    return not any("fields" in block for block in body["blocks"])


def page(bodies: Sequence[dict[str, Any]]) -> str:
    """Messages as a page of HTML."""
    return f"<!doctype html><meta charset=utf-8><style>{_STYLE}</style>{''.join(map(_message, bodies))}"


def _message(body: dict[str, Any]) -> str:
    return (
        '<div class="message"><div class="icon">★</div><div><div class="by">Flight ratings<span>APP</span></div>'
        f"{''.join(map(_block, body['blocks']))}</div></div>"
    )


def _block(block: dict[str, Any]) -> str:
    if "fields" in block:
        return f'<div class="fields">{"".join(f"<div>{_text(one)}</div>" for one in block["fields"])}</div>'
    parts = block.get("elements") or [block["text"]]
    return f'<div class="{block["type"]}">{" ".join(map(_text, parts))}</div>'


def _text(text: dict[str, Any]) -> str:
    shown = escape(unescape(text["text"])).replace("\n", "<br>")
    return _LINK.sub(r'<a href="\1">\2</a>', shown) if text["type"] == "mrkdwn" else shown


if __name__ == "__main__":
    main()
