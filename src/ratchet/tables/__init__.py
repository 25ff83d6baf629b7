"""Tables of a person's own: read as they are, and turned into numbers by what the training split says."""

from ratchet.tables.columns import Column, code_table
from ratchet.tables.reading import NoColumnError, Setting, TableError, TableSettings, columns_of, read_frame
from ratchet.tables.targets import TargetColumn, describe_target_column, target_values
from ratchet.tables.transform import TableTransform

__all__ = [
    "Column",
    "NoColumnError",
    "Setting",
    "TableError",
    "TableSettings",
    "TableTransform",
    "TargetColumn",
    "code_table",
    "columns_of",
    "describe_target_column",
    "read_frame",
    "target_values",
]
