"""The Elasticsearch comparison: the project's sink beside others', and what the search branch costs the main job."""
