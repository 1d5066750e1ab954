"""What a URL may show of itself, and what in it is a credential."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, unquote, urlsplit

from rustfits.plugin import without_user

_SECRET_WORDS = ("signature", "token", "secret", "passw", "credential", "apikey", "accesskey", "auth")
_SECRET_ENDS = ("sig", "key", "sas", "pwd", "policy")  # of a name
_HIDDEN = "..."
_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s'\"<>]+", re.IGNORECASE)
_NAMED = re.compile(r"((?:authorization|password|secret|token|signature)\w*['\"]?\s*[:=]\s*)[^\s,;]+", re.IGNORECASE)


def shown_url(url: str) -> str:
    """Return a URL without user, password and fragment, and without the values of what in the query may be a key."""
    shown, query_mark, query = without_user(url).partition("#")[0].partition("?")
    if query_mark:
        shown += "?" + "&".join(map(_shown_pair, query.split("&")))
    return shown


def has_secrets(url: str) -> bool:
    """Return whether a URL holds what `shown_url` leaves out."""
    return shown_url(url) != url.partition("#")[0]


def _shown_pair(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    word = unquote(name).lower()
    secret = any(each in word for each in _SECRET_WORDS) or re.split("[-_.]", word)[-1] in _SECRET_ENDS
    return f"{name}={_HIDDEN}" if equals and secret else pair


def shown_error(error: BaseException) -> str:
    """Return what an error of another library says, with the URLs in it as `shown_url` has them, on one line."""
    text = _URL.sub(lambda found: shown_url(found[0]), str(error))
    text = " ".join(_NAMED.sub(lambda found: found[1] + _HIDDEN, text).split())
    return f"{type(error).__name__}: {text[:300]}" if text else type(error).__name__


def user_of(url: str) -> tuple[SplitResult, str | None, str]:
    """Return the parts of a URL, and the user and the password in it, decoded; None if there is no user."""
    parts = urlsplit(url)
    user = parts.username
    return parts, None if user is None else unquote(user), unquote(parts.password or "")
