"""How pages write moments, on the clock of the data set's place, which they name; and how they write minutes."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Clock:
    """A time zone, and what people call it."""

    zone: ZoneInfo
    name: str

    def local(self, moment: datetime) -> datetime:
        """The moment on this clock."""
        return moment.astimezone(self.zone)

    def time(self, moment: datetime) -> str:
        """Such as 17:05."""
        return f"{self.local(moment):%H:%M}"

    def date(self, moment: datetime) -> str:
        """Such as Sat 5 Oct 2013."""
        local = self.local(moment)
        return f"{local:%a} {local.day} {local:%b %Y}"

    def moment(self, moment: datetime) -> str:
        """Such as Sat 5 Oct 2013, 17:05."""
        return f"{self.date(moment)}, {self.time(moment)}"


UTC_CLOCK = Clock(ZoneInfo("UTC"), "UTC")


def duration(minutes: int) -> str:
    """Minutes as people say them, such as 45 min or 4 h 59 min."""
    hours, rest = divmod(minutes, 60)
    return " ".join([*([f"{hours} h"] if hours else []), *([f"{rest} min"] if rest or not hours else [])])
