"""Flows that are not about ratings, on the same operators and sinks."""
