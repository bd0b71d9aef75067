"""Avro under a schema registry: the wire format, the registry, its schemas, and the readers made of them.

Generic: nothing here knows of Bytewax or of what the records mean.
"""
