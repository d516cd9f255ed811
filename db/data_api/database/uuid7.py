"""UUIDs of version 7 (RFC 9562): their first 48 bits are the Unix time in milliseconds, so that ids sort by time.

A window of time is therefore a range of ids: the primary key alone answers for it, and months of rows can be divided by it.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
VERSION_AND_VARIANT, VERSION_7 = 0xF << 76 | 0x3 << 62, 7 << 76 | 2 << 62
MILLISECOND = timedelta(milliseconds=1)


def milliseconds_of(found: UUID) -> int:
    """When an id was made, in milliseconds since 1970."""
    return found.int >> 80


def is_version_7(found: UUID) -> bool:
    """Whether an id is a UUID of version 7 in the variant of RFC 9562."""
    return found.int & VERSION_AND_VARIANT == VERSION_7


def time_of(found: UUID) -> datetime:
    """When an id was made, in UTC, to the millisecond."""
    return EPOCH + milliseconds_of(found) * MILLISECOND


def first_at(time: datetime) -> UUID:
    """The smallest 128-bit number that an id made at ``time`` or later can be; times before 1970 count as 1970."""
    milliseconds = -((EPOCH - time) // MILLISECOND)  # rounded up: an id of the millisecond before is earlier
    return UUID(int=max(0, milliseconds) << 80)
