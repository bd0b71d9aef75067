"""The data: what a rating, a customer, an alert and a dead letter are, and bytes to record and back.

Pure functions and msgspec Structs; nothing here does I/O or knows of Bytewax.
"""
