"""What the answers of Slack mean: the lists of its error codes. Pure."""

import http.client
import socket
from typing import NoReturn
from urllib.error import URLError

from ..notices.way import Again, Denied, Unwelcome

_AGAIN = frozenset(
    {
        "fatal_error",
        "internal_error",
        "message_limit_exceeded",
        "rate_limited",
        "ratelimited",
        "request_timeout",
        "rollup_error",
        "service_unavailable",
        "team_added_to_org",
    }
)
"""Of these the ones below may have posted the message all the same."""
_DOUBTFUL = frozenset({"fatal_error", "internal_error", "request_timeout", "service_unavailable"})

_DENIED = frozenset(
    {
        "access_denied",
        "account_inactive",
        "ekm_access_denied",
        "enterprise_is_restricted",
        "invalid_auth",
        "invalid_token",
        "missing_scope",
        "no_active_hooks",
        "no_permission",
        "no_service",
        "no_service_id",
        "no_team",
        "not_allowed_token_type",
        "not_authed",
        "org_login_required",
        "team_access_not_granted",
        "team_disabled",
        "token_expired",
        "token_revoked",
        "two_factor_setup_required",
    }
)
"""Whatever the message: somebody has to renew a token, a right or a webhook."""

POSTED_BEFORE = frozenset({"duplicate_channel_not_found", "duplicate_message_not_found"})
"""A message of this ``client_msg_id`` was posted, and somebody has deleted it or its channel since."""


def judge(code: str, seconds: float | None = None) -> None:
    """Raise what an error code means.

    A code on no list is taken for the message's own fault: Slack names what passes by waiting, and a message that holds
    up all others for ever is worse than a dead letter.

    Raises:
        Again, Denied, Unwelcome
    """
    if code in _AGAIN:
        raise Again(code, seconds=seconds, is_doubtful=code in _DOUBTFUL)
    if code in _DENIED:
        raise Denied(code)
    raise Unwelcome(code, code)


def lost(error: Exception) -> NoReturn:
    """Raise what a request without an answer means.

    Raises:
        Again
    """
    reason = error.reason if isinstance(error, URLError) else error
    never_sent = isinstance(reason, ConnectionRefusedError | socket.gaierror)
    raise Again(f"{type(reason).__name__}: {reason}", is_doubtful=not never_sent) from None


LOST = (OSError, http.client.HTTPException, ValueError)
"""What a request without a usable answer raises."""
