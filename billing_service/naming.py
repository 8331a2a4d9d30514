"""The utility's own name, as its documents bear it."""

from __future__ import annotations

from datetime import datetime

from billing_service.problems import refused
from billing_service.settings import Settings
from billing_service.store import events, utilities
from billing_service.store.connect import Connection

LONGEST = 200


def name_in(conn: Connection, settings: Settings, name: str, now: datetime) -> bool:
    """Name the settings' utility, inside a transaction; False where it has that name. Refused: nothing, too long, signs that cannot be printed."""
    given = " ".join(name.split())
    if not given or len(given) > LONGEST or not given.isprintable():
        raise refused("utility-name-wrong", longest=LONGEST)
    before = utilities.name_of(conn, settings.utility)
    if given == before:
        return False
    utilities.set_name(conn, settings.utility, given)
    events.append(conn, settings.utility, now, settings.user, "utility.named", settings.utility, {"name": given, "before": before})
    return True
