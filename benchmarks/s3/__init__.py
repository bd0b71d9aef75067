"""The S3 comparison: the project's sink beside others', and what the archive branch costs the main job."""
