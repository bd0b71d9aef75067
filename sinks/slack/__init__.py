"""Slack as a way out of ``sinks/notices/``: a bot's token and a channel, or an incoming webhook."""

from .bot import SlackBot
from .incoming import IncomingWebhook

__all__ = ["IncomingWebhook", "SlackBot"]
