"""From settings to sources and sinks, one file a connection; ``ratings.py`` puts them together."""
