"""The text of an SQL WHERE clause as a predicate in Python: parsed, checked against a table of columns, compiled.

The language is a part of DuckDB's, with its meaning; ``check.py`` has the whole of it. A compiled rule reads the
attributes of a record that the table of columns names, and reaches nothing else.
"""

from .compile import Select, compiled
from .errors import RuleError
from .tree import Column
from .types import Type

__all__ = ["Column", "RuleError", "Select", "Type", "compiled"]
