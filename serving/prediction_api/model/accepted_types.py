"""Which types of columns a batch may have for a column of the schema: those of Arrow streams, and those of tensors."""

from collections.abc import Set
from dataclasses import dataclass

from prediction_api.arrow.arrow_types import ArrowType
from prediction_api.model.artifact import Column

SCALARS = ("number", "bool")  # what categories may be that are spelled like numbers or booleans


@dataclass(frozen=True)
class ArrowTypes:
    """The types of Arrow streams; ``spelled`` names the columns whose categories are spelled like numbers or booleans."""

    spelled: Set[str]

    def takes(self, column: Column, kind: ArrowType) -> bool:
        """Whether a column of the schema may have this type."""
        if kind.layout == "missing":
            return True
        if column.kind == "number":
            return kind.layout == "number"
        if column.kind == "datetime":
            return kind.layout == "timestamp" and bool(kind.zone) == bool(column.time_zone)
        return kind.layout in ("text", "large_text") or (column.name in self.spelled and kind.layout in SCALARS)

    def expected(self, column: Column) -> str:
        """The types that a column of the schema may have, in words."""
        if column.kind == "number":
            return "a column of a type of integers or floats"
        if column.kind == "datetime":
            return f"a column of timestamps {'with' if column.time_zone else 'without'} a time zone"
        return (
            f"a column of utf8, large_utf8 or a dictionary of them{', of integers or bool' * (column.name in self.spelled)}"
        )


@dataclass(frozen=True)
class TensorTypes:
    """The types of tensors; ``spelled`` names the columns whose categories are spelled like numbers or booleans."""

    spelled: Set[str]

    def takes(self, column: Column, kind: ArrowType) -> bool:
        """Whether a column of the schema may have this type."""
        if column.kind == "number":
            return kind.layout == "number"
        return kind.layout == "text" or (column.name in self.spelled and kind.layout in SCALARS)

    def expected(self, column: Column) -> str:
        """The types that a column of the schema may have, in words."""
        if column.kind == "number":
            return "a tensor of FP16, FP32, FP64, INT8 to INT64 or UINT8 to UINT64"
        if column.kind == "datetime":
            return "a tensor of BYTES, which hold dates and times in ISO 8601"
        return f"a tensor of BYTES{', of numbers or BOOL' * (column.name in self.spelled)}"
