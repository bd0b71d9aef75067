"""Every setting, one file a component; read from the environment, checked at the start."""

from settings.alerts import Alerts
from settings.cluster import Cluster
from settings.dead_letters import DeadLetters
from settings.elasticsearch import Search
from settings.environment import SettingsError
from settings.formats import Formats, SchemaRegistry
from settings.health import Health
from settings.intake import Intake
from settings.join import Join
from settings.kafka import Kafka, Topics
from settings.log import Log
from settings.notify import Notify, Slack
from settings.page import Page
from settings.s3 import Archive
from settings.settings import Settings
from settings.statistics import Statistics
from settings.status import Status

__all__ = [
    "Alerts",
    "Archive",
    "Cluster",
    "DeadLetters",
    "Formats",
    "Health",
    "Intake",
    "Join",
    "Kafka",
    "Log",
    "Notify",
    "Page",
    "SchemaRegistry",
    "Search",
    "Settings",
    "SettingsError",
    "Slack",
    "Statistics",
    "Status",
    "Topics",
]
