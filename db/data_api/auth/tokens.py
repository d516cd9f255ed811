"""Tokens (JWT, RFC 7519) of users who logged in."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt

ALGORITHM, ISSUER = "HS256", "ontime-data-api"
CLAIMS = ["sub", "iat", "exp"]
LEEWAY = timedelta(seconds=30)  # by which the clock of the replica that issued it may be ahead of ours


@dataclass(frozen=True)
class Token:
    """The content of a valid token: the user's id, and when it was issued."""

    user_id: int
    issued: datetime


class Tokens:
    """Issues and reads tokens with one secret, which all replicas share."""

    def __init__(self, secret: str, lasts: timedelta) -> None:
        self._secret, self.lasts = secret, lasts

    def issue(self, user_id: int, now: datetime) -> str:
        """A token for a user, valid from now on."""
        claims = {"sub": str(user_id), "iat": now.timestamp(), "exp": now + self.lasts, "iss": ISSUER}
        return jwt.encode(claims, self._secret, ALGORITHM)

    def read(self, token: str) -> Token | None:
        """The content of a token, or None if it is not ours, altered or expired."""
        try:
            claims = jwt.decode(
                token, self._secret, [ALGORITHM], issuer=ISSUER, options={"require": CLAIMS, "verify_iat": False}
            )
            issued = datetime.fromtimestamp(claims["iat"], UTC)
            return Token(int(claims["sub"]), issued) if issued <= datetime.now(UTC) + LEEWAY else None
        except (jwt.InvalidTokenError, ValueError, TypeError, OverflowError):
            return None
