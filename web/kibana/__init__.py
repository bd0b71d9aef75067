"""Kibana's dashboard of ratings and alerts, as saved objects to import."""
