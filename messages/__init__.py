"""Kafka messages to records and back, for any flow: JSON, Avro under a schema registry, dead letters.

Nothing here knows of Bytewax or of what the records mean.
"""
