"""Who may call at the very beginning: the first admin, once, and the key of the prediction service."""

import logging
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from data_api import keys
from data_api.crud import api_keys, locks, users
from data_api.logs import LOGGER
from data_api.models import Role
from data_api.passwords import Passwords
from data_api.settings import Settings

SERVICE, KEY = "prediction-service", "first"
logger = logging.getLogger(LOGGER)


def ensure(session: Session, settings: Settings, passwords: Passwords) -> None:
    """Makes them where they are missing. One at a time: replicas may start together.

    An admin is made only while there is none. A key that was revoked stays so, and one that changed in the environment is
    made beside the old one, which goes on until it is revoked.
    """
    locks.hold(session)
    now = datetime.now(UTC)
    password = settings.secret("first_admin_password")
    if not users.has_admin(session):
        if password is None:
            logger.warning("there is no admin: set FIRST_ADMIN_PASSWORD, and start again")
        elif users.by_name(session, settings.first_admin):
            logger.warning("there is no admin, and FIRST_ADMIN is the name of another user: set it to another name")
        else:
            users.make(session, settings.first_admin, Role.ADMIN, passwords.hash(password), now)
            logger.info("the first admin is made", extra={"user": settings.first_admin})
    if key := settings.secret("first_service_key"):
        digest = keys.digest(key)
        if api_keys.by_digest(session, digest) is None:
            owner = users.by_name(session, SERVICE) or users.make(session, SERVICE, Role.SERVICE, None, now)
            api_keys.make(session, owner.user_id, f"{KEY}-{digest[:12]}", digest, now)
            logger.info("the key of the prediction service is made", extra={"user": SERVICE})
