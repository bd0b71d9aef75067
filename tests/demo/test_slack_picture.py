"""The picture of Slack messages shows what a message says, and nothing that it does."""

from dataflows.notices import Writing, entry
from demo.slack_picture import page
from records.read_alert import Alert
from servers.embedded.messages import message


def test_a_message_is_shown_as_slack_shows_it() -> None:
    alert = Alert(1, 7, full_name="Ada <b>Byron</b>", email="ada@example.com", stars=1, message="<!channel> &amp;")
    told = entry("alerts", {}, message(b"", topic="alerts", partition=0, offset=0, timestamp=1), alert)
    shown = page([Writing().slack([told], False)])
    assert "<b>" not in shown
    assert "1 star from Ada &lt;b&gt;Byron&lt;/b&gt;" in shown
    assert "&lt;!channel&gt; &amp;amp;" in shown
    assert '<a href="mailto:ada@example.com">Write to them</a>' in shown
