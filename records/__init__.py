"""The data: what a rating, a customer and an alert are, and their messages to records and back.

Pure functions and msgspec Structs; nothing here does I/O or knows of Bytewax.
"""
