"""Find secrets by their context: a name, a command, a header or a neighbouring cell.

Code without secrets is left unchanged: identifiers, attributes, calls, environment lookups, shell variables. An
unquoted word of letters is ambiguous. It is masked in the notation of settings, commands and addresses
(``password=letmein``), because a leaked password does more harm than a missing word. It is left in the notation of code
and prose: after a space or a colon (``token = session``, ``secret: patience``), and in the arguments of a call
(``connect(token=session)``).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from .commands import find_in_commands
from .names import (
    IDENTIFIER,
    MAX_WORD_LENGTH,
    MIN_SECRET_LENGTH,
    NAME,
    is_code,
    is_secret_cell,
    is_secret_value,
    label_for,
)
from .secret import PLACEHOLDER, Secret
from .tables import find_in_tables

_BETWEEN: Final = (
    r"(?:[\\\0]{0,3}[\"'`]|&quot;)?\]?[*_]{0,3}"
    r"(?:[ \t]{0,4}:[ \t]{0,4}[A-Za-z]{3,10}(?=[ \t]{0,4}=))?"  # a type, as in `password: str = …`
    r"[ \t]{0,4}(?:=>|:=|[=!]==?|[:=\uff1a])[*_]{0,3}[ \t]{0,4}[*_]{0,3}(?:[bfru]{1,2}(?=\\?[\"']))?"
)
_TAGS: Final = (
    r"[*_]{0,3}[ \t]{0,4}:?[ \t]{0,4}(?:(?:[ \t]{1,4}[\w:-]{1,30}=[\"'][^\"'<>\n]{0,40}[\"']){0,3}>)?\s{0,8}"
    r"(?:</?[A-Za-z][^<>\n]{0,80}>\s{0,20}:?[ \t]{0,4}){0,5}"
)
_FIELD: Final = r"(?:name|key|variable|var|env|id|field|label|header|param(?:eter)?|property|title|type|k)"
_CONTENT: Final = r"(?:value|val|content|default|secret|v)"
_EQUALS: Final = r"[\\\0]{0,3}[\"']?[ \t]{0,8}[:=][ \t]{0,8}"

_NAMES: Final = re.compile(NAME, re.IGNORECASE)
_ASSIGNED: Final = re.compile(_BETWEEN)
_STATED_AFTER: Final = re.compile(
    r"[\"'`*_]{0,3}[ \t]{1,4}(?:is|was|ist|lautet)[ \t]{0,2}:?[ \t]{1,4}[*_]{0,3}", re.IGNORECASE
)
_MIXED_VALUE: Final = re.compile(
    r"(?:[*_`]{0,3}:?[*_]{0,3}\s{1,12}|[*_`]{0,3}[ \t]{1,4}[-\u2013\u2014][ \t]{1,4})[\"'`]?"
    r"(?P<value>(?=[^\s\"'`]{0,60}[A-Z])(?=[^\s\"'`]{0,60}[a-z])(?=[^\s\"'`]{0,60}\d[^\s\"'`\d]{0,60}\d"
    r"|[^\s\"'`]{0,60}\d\d)[^\s\"'`<>|\\]{8,64}+)(?![^\s\"'`.,;:!?)*])"
)
"""A value after a name with too many kinds of characters to be a word."""
_FLAG: Final = re.compile(r"(?<![\w-])--?(?:[a-z]{1,20}-){0,3}\Z", re.IGNORECASE)
_AFTER_FLAG: Final = re.compile(r"[\"']?,?[ \t]{1,4}")
_TAGGED: Final = re.compile(rf"{_TAGS}(?<=>)\s{{0,8}}(?P<value>[^\s<>]{{4,1000}}+)(?=\s{{0,8}}(?:<|\Z))")
_CELL: Final = re.compile(
    r"[*_`]{0,3}[ \t]{0,40}\|[ \t]{0,40}[*_`]{0,3}(?P<value>[^\s|`]{1,1000}+)(?=[`*_]{0,3}[ \t]{0,200}(?:\||$))",
    re.MULTILINE,
)
_FIELD_WITH_NAME: Final = re.compile(
    rf"(?<![A-Za-z]){_FIELD}{_EQUALS}[\\\0]{{0,3}}[\"']?[^\s\"'=:<>{{}}\\]{{0,60}}\Z", re.IGNORECASE
)
_FIELD_WITH_VALUE: Final = re.compile(
    rf"[\\\0]{{0,3}}[\"']?[ \t]{{0,8}}[,;]?(?:[^{{}}<>]{{0,200}}?[\s,;])??\s{{0,20}}"
    rf"[\\\0]{{0,3}}[\"']?{_CONTENT}{_EQUALS}",
    re.IGNORECASE,
)
_VALUE_BEFORE_NAME: Final = re.compile(
    rf"(?<![A-Za-z])value[\\\0]{{0,3}}[\"']{_EQUALS}[\\\0]{{0,3}}\"(?P<value>[^\"\\\n]{{4,1000}})[\\\0]{{0,3}}\"[^{{}}<>]{{0,120}}?"
    rf"[\"'](?:name|key){_EQUALS}[\\\0]{{0,3}}[\"'][^\s\"'=:<>{{}}\\]{{0,60}}?(?P<name>{NAME})[\\\0]{{0,3}}[\"']",
    re.IGNORECASE,
)
_MAY_CONTAIN_NAME: Final = re.compile(
    r"pass|pwd|kennwort|secret|key|token|bearer|basic|auth|contrase|credential|identified|login|senha|[^\x00-\u2fff]",
    re.IGNORECASE,
)

_AUTHORIZATION: Final = re.compile(
    r"authorization(?:[\\\0]{0,3}[\"'`])?\]?[*]{0,2}[ \t]{0,4}(?:=>|[:=]|,(?=[ \t]{0,4}[\\\0]{0,3}[bf]?[\"']))"
    r"[*]{0,2}[ \t]{0,4}(?:[\\\0]{0,3}[bf]?[\"'`])?"
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9-]{2,20})[ \t]{1,4})?(?P<value>[^\s\"'`<>\\,;]++)",
    re.IGNORECASE,
)
_SCHEMES: Final = ("bearer", "basic", "token", "digest")
_BEARER: Final = re.compile(
    r"\bBearer[ \t]{1,4}(?P<value>(?=[A-Za-z+/_.~-]{0,400}\d)[A-Za-z0-9+/_.~-]{4,}+=*)", re.IGNORECASE
)
_BASIC: Final = re.compile(r"\bBasic[ \t]{1,4}(?P<value>[A-Za-z0-9+/_-]{8,}+=*)", re.IGNORECASE)
_DOCKER: Final = re.compile(r"[\"']auth[\\\0]{0,3}[\"']\s{0,4}:\s{0,4}[\\\0]{0,3}[\"'](?P<value>[A-Za-z0-9+/]{8,}+=*)")
_COOKIE: Final = re.compile(
    r"cookie(?:[\\\0]{0,3}[\"'])?\]?[ \t]{0,4}[:=,][ \t]{0,4}(?:[\\\0]{0,3}[\"'`])?[\w.%-]{1,80}="
    r"(?P<value>[^\s;\"'`<>\\]{4,4000}(?:;[ \t]{0,2}[^\n\"'`<>\\]{0,4000})?)",
    re.IGNORECASE,
)
_QUERY: Final = re.compile(
    r"[?&;](?P<name>sig|signature|x-amz-signature|x-amz-security-token|x-goog-signature|key|code|auth|hmac|otp|pw|pass"
    r"|passwd|sessionid|session|sid|jwt|apikey|subscription-key)=(?P<value>[^\s\"'`&<>\\)]++)",
    re.IGNORECASE,
)
_ADDRESS: Final = re.compile(r"://(?P<user>[^\s/:@\"'<>\[]{0,100}):(?P<value>[^\s\"'`<>|\\]{1,300})")
_ADDRESS_KEY: Final = re.compile(r"://(?P<value>(?=[A-Za-z_-]{0,60}\d)[A-Za-z0-9_-]{20,100})@")
_PORT: Final = re.compile(r"\d{1,5}(?:[/?#),;.\]]|\Z)")
_PGPASS: Final = re.compile(
    r"^[\w.*-]{1,100}:(?:\d{3,5}|\*):[^:\s]{1,60}:[^:\s]{1,60}:(?P<value>[^\s:]{4,200})$", re.MULTILINE
)
_AWS_SECRET: Final = re.compile(
    r"\bA[KS]IA[A-Z0-9]{16}[\s,:;|\"']{1,20}(?P<value>(?=[A-Za-z/+]{0,40}\d)[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"
)
_JWK: Final = re.compile(
    r"[\\\0]{0,3}[\"'](?:d|p|q|dp|dq|qi|k)[\\\0]{0,3}[\"']\s{0,4}:\s{0,4}[\\\0]{0,3}[\"'](?P<value>[\w-]{16,}+)"
)
_KAGGLE: Final = re.compile(
    r"[\"']username[\"']\s{0,4}:\s{0,4}[\"'][^\"'\n]{1,80}[\"']\s{0,4},\s{0,8}[\"']key[\"']\s{0,4}:\s{0,4}[\"']"
    r"(?P<value>[0-9a-f]{32})"
)

_STANDALONE: Final = (
    ((":",), _PGPASS, "password"),
    (("AKIA", "ASIA"), _AWS_SECRET, "key"),
    (("kty",), _JWK, "key"),
    (("ookie", "OOKIE"), _COOKIE, "cookie"),
    (("username",), _KAGGLE, "key"),
)
"""Substrings of which a text must contain one, the pattern, and the label."""
_LOGIN_STATEMENT: Final = re.compile(
    r"(?:\bidentified[ \t]{1,4}by[ \t]{1,4}(?:password[ \t]{1,4})?|\bSecureString[ \t]{1,4}"
    r"|\b(?:auth|login)[ \t]{0,2}=?[ \t]{0,2}\([ \t]{0,2}[\"'][^\"'\n]{1,60}[\"'],[ \t]{0,2})"
    r"[\\\0]{0,3}[\"'](?P<value>(?=[^\"'\n]{0,60}\d)[^\s\"'\\]{6,200}+)[\\\0]{0,3}[\"']",
    re.IGNORECASE,
)

_CALL_OR_SUBSCRIPT: Final = re.compile(r"[A-Za-z_][\w.]*[\[(]")
_JUDGED_LENGTH: Final = 300  # how many characters of a value decide whether it is a secret
_MAX_VALUE: Final = 65_536
_OPENING_QUOTE: Final = re.compile(r"[\\\0]{0,3}[\"'`]|&quot;|&#39;")
_QUOTED_BODIES: Final = {quote: re.compile(rf"(?:[^{quote}\\\n]++|\\.)*+") for quote in "\"'`"}
_BARE_VALUE: Final = re.compile(r"[^\s\"'`,;&<>(){}\[\]\\|]++")
_SPACED_VALUE: Final = re.compile(r"[^\s\"'`<>\\|]++")


class _Value(NamedTuple):
    """The span of the value after a name."""

    start: int
    end: int
    quoted: bool


def find_by_context(text: str, *, unfinished: bool = False) -> Iterator[Secret]:
    """Find the secrets that their context identifies.

    Args:
        text: The text.
        unfinished: Whether the text is incomplete. Then the beginning of a secret at its end counts as a secret.
    """
    if "://" in text:
        yield from _find_in_addresses(text, unfinished=unfinished)
    yield from find_in_commands(text, unfinished=unfinished)
    if "?" in text or "&" in text:
        for found in _QUERY.finditer(text):
            yield from _find_in_query(found, unfinished=unfinished)
    for contained, pattern, word in _STANDALONE:
        if any(each in text for each in contained):
            yield from _find_pattern(text, pattern, word)
    if _MAY_CONTAIN_NAME.search(text) is None:
        return
    yield from _find_in_headers(text, unfinished=unfinished)
    yield from _find_pattern(text, _LOGIN_STATEMENT, "password")
    for found in _VALUE_BEFORE_NAME.finditer(text) if "value" in text else ():
        if is_secret_value(found["name"], found["value"]):
            yield Secret(found.start("value"), found.end("value"), label_for(found["name"]))
    names = list(_NAMES.finditer(text))
    done = 0
    for name in names:
        if name.start() >= done:
            secret = _find_next_to_name(text, name, unfinished=unfinished)
            if secret is not None:
                yield secret
                done = secret.end
    yield from find_in_tables(text, names)


def _find_next_to_name(text: str, name: re.Match[str], *, unfinished: bool) -> Secret | None:
    """Return the secret next to a name, in any of the known notations; None if there is none."""
    end = name.end()
    before = text[max(0, name.start() - 100) : name.start()]
    places = []
    if found := _ASSIGNED.match(text, end):
        places.append((found.end(), found[0]))
    if before.endswith("-") and _FLAG.search(before) and (found := _AFTER_FLAG.match(text, end)):
        places.append((found.end(), found[0]))
    if found := _STATED_AFTER.match(text, end):
        places.append((found.end(), ": "))
    if _FIELD_WITH_NAME.search(before) and (found := _FIELD_WITH_VALUE.match(text, end)):
        places.append((found.end(), "= "))
    for at, between in places:
        if secret := _find_value(text, name[0], between, at, unfinished=unfinished):
            return secret
    for pattern in (_TAGGED, _CELL, _MIXED_VALUE):
        if (found := pattern.match(text, end)) and is_secret_cell(name[0], found["value"]):
            return Secret(found.start("value"), found.end("value"), label_for(name[0]))
    return None


def _find_pattern(text: str, pattern: re.Pattern[str], word: str) -> Iterator[Secret]:
    for found in pattern.finditer(text):
        if not PLACEHOLDER.fullmatch(found["value"]) and "[masked" not in found["value"]:
            yield Secret(found.start("value"), found.end("value"), word)


# Beside a name ----------------------------------------------------------------------------------------------------


def _find_value(text: str, name: str, between: str, at: int, *, unfinished: bool) -> Secret | None:
    value = _read_value(text, at, between, at + _JUDGED_LENGTH)
    if value is None:
        return None
    word = text[value.start : value.end]
    is_cut_off = unfinished and value.end == len(text)
    if not value.quoted and is_code(word, between, text[value.end : value.end + 1]):
        return None
    if not is_secret_value(name, word, unfinished=is_cut_off):
        return None
    if value.end >= at + _JUDGED_LENGTH:
        value = _read_value(text, at, between, at + _MAX_VALUE) or value
    return Secret(value.start, value.end, label_for(name))


def _read_value(text: str, at: int, between: str, limit: int) -> _Value | None:
    """Read the value at `at`: a quoted text, or an unquoted one up to its delimiter; at most up to `limit`."""
    opening = _OPENING_QUOTE.match(text, at)
    if opening is None:
        if "=" not in between and between[-1:] in " \t*_\uff1a" and (found := _SPACED_VALUE.match(text, at, limit)):
            kept = found[0] if found.end() == len(text) else found[0].rstrip(".,;:!?)]}*_")
            if kept and not _CALL_OR_SUBSCRIPT.match(kept) and "[masked" not in kept:
                return _Value(at, at + len(kept), quoted=False)
        found = _BARE_VALUE.match(text, at, limit)
        return found and _Value(at, found.end(), quoted=False)
    quote, start = opening[0], opening.end()
    if len(quote) == 1 and text.startswith(quote * 2, start):
        quote, start = quote * 3, start + 2
    if len(quote) == 1:
        body = _QUOTED_BODIES[quote].match(text, start, limit)
        end = body.end() if body else start
    else:
        end = text.find(quote, start, limit)
        end = min(len(text), limit) if end < 0 else end
        line = text.find("\n", start, end) if len(quote) != 3 else -1
        end = line if line >= 0 else end
    return _Value(start, end, quoted=True) if end > start else None


# Addresses, headers, queries ----------------------------------------------------------------------------------------


def _find_in_addresses(text: str, *, unfinished: bool) -> Iterator[Secret]:
    for found in _ADDRESS.finditer(text):
        value = found["value"]
        at = value.rfind("@")
        if at > 0 and not (_PORT.match(value) and not value[:at].isdigit()) and not PLACEHOLDER.fullmatch(value[:at]):
            yield Secret(found.start("value"), found.start("value") + at, "password")
        elif at < 0 and unfinished and found.end() == len(text) and not _PORT.match(value):
            yield Secret(found.start("value"), found.end("value"), "password")
    for found in _ADDRESS_KEY.finditer(text):
        yield Secret(found.start("value"), found.end("value"), "token")


def _find_in_headers(text: str, *, unfinished: bool) -> Iterator[Secret]:
    for found in _AUTHORIZATION.finditer(text):
        value = found["value"]
        is_cut_off = unfinished and found.end() == len(text)
        known = is_cut_off or (
            len(value) >= MIN_SECRET_LENGTH and (not value.isalpha() or len(value) > MAX_WORD_LENGTH)
        )
        plain = value.rstrip(")]}.,")
        is_code = IDENTIFIER.fullmatch(plain) or _CALL_OR_SUBSCRIPT.match(value)
        is_not_secret = is_code or PLACEHOLDER.fullmatch(value) or value.lower() in _SCHEMES
        if known and not is_not_secret and "[masked" not in value:
            yield Secret(found.start("value"), found.end("value"), "token")
    for found in _BEARER.finditer(text):
        if len(found["value"]) >= 16 or (unfinished and found.end() == len(text)):
            yield Secret(found.start("value"), found.end("value"), "token")
    for pattern in (_BASIC, _DOCKER):
        for found in pattern.finditer(text):
            is_cut_off = unfinished and found.end() == len(text) and any(sign.isdigit() for sign in found["value"])
            if is_cut_off or _is_basic_credentials(found["value"]):
                yield Secret(found.start("value"), found.end("value"), "token" if pattern is _BASIC else "password")


def _is_basic_credentials(value: str) -> bool:
    """Whether a value is the base64 of a user name and a password."""
    try:
        text = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return False
    return ":" in text and text.isprintable()


def _find_in_query(found: re.Match[str], *, unfinished: bool) -> Iterator[Secret]:
    value, name = found["value"], found["name"].lower()
    is_cut_off = unfinished and found.end() == len(found.string)
    if name in ("pw", "pass", "passwd"):
        is_distinctive = len(value) >= 4
    else:
        is_distinctive = len(value) >= (12 if name != "code" else 20) and any(sign.isdigit() for sign in value)
    if (is_cut_off or is_distinctive) and not PLACEHOLDER.fullmatch(value) and "[masked" not in value:
        yield Secret(found.start("value"), found.end("value"), "password" if name.startswith("p") else "key")
