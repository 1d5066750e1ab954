"""Tables for rustfits."""

from rustfits_tables.choice import active
from rustfits_tables.fields import Fault, Field, FieldArray, Kind, Reason
from rustfits_tables.kernels import RowDecoder, RowEncoder, TableKernels

__all__ = ["Fault", "Field", "FieldArray", "Kind", "Reason", "RowDecoder", "RowEncoder", "TableKernels", "active"]
