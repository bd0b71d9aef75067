"""Slack as a way out of ``sinks/notices/``: ``bot.py`` and ``incoming.py``, which need slack_sdk; the rest does not."""
