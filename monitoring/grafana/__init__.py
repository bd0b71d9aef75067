"""Grafana's dashboard of running flows."""
