"""Find passwords in the arguments of commands, and in `.netrc` files."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from .secret import PLACEHOLDER, Secret

_NETRC: Final = re.compile(
    r"(?:\bmachine\s{1,8}\S{1,200}|\bdefault)\s{1,8}login\s{1,8}\S{1,200}\s{1,8}(?:account\s{1,8}\S{1,200}\s{1,8})?"
    r"password\s{1,8}(?P<value>\S++)"
)
_COMMAND: Final = re.compile(
    r"(?<![\w.])(?P<name>curl|https?|xh|wget|mysql\w*|mariadb[\w-]{0,20}|mycli|sshpass|redis-cli|mongo\w*|sqlcmd|bcp"
    r"|docker|podman|nerdctl|helm|oras|skopeo|ldap\w+|unzip|zip|7z|openssl|smbclient|rpcclient|xfreerdp|az|kinit|snmp\w+"
    r"|lftp|ftp|rclone|htpasswd|net)(?:\.exe)?(?=[\s\"',])",
    re.IGNORECASE,
)
_GAP: Final = r"(?:[\"']?,?[ \t]{1,4}|=)"
_SHELL_VALUE: Final = (
    r"(?:[\\\0]{0,3}\"(?P<dq>[^\"\\\n]{1,300})|[\\\0]{0,3}'(?P<sq>[^'\\\n]{1,300})|(?P<bare>[^\s\"'`\\;|<>]{1,300}))"
)
_USER: Final = re.compile(rf"(?<![\w-])(?:-[a-zA-Z]{{0,4}}u|-U|-a|--user|--proxy-user|--auth|-u){_GAP}?{_SHELL_VALUE}")
_ATTACHED: Final = re.compile(rf"(?<![\w-])-p{_SHELL_VALUE}")
_SEPARATE: Final = {flag: re.compile(rf"(?<![\w-])-{flag}{_GAP}?{_SHELL_VALUE}") for flag in ("p", "P", "a", "w")}
_FLAGS: Final = {
    "sshpass": "p", "redis-cli": "a", "sqlcmd": "P", "bcp": "P", "docker": "p", "podman": "p", "nerdctl": "p",
    "helm": "p", "oras": "p", "unzip": "P", "zip": "P", "7z": "p", "az": "p",
}  # fmt: skip
"""The flag that precedes a password, by command."""
_PASSIN: Final = re.compile(r"(?<![\w-])-pass(?:in|out)?[ \t]{1,4}[\"']?pass:(?P<value>[^\s\"']{1,300})")
_PERCENT: Final = re.compile(r"(?<![\w-])-U[ \t]{0,4}[\"']?[^\s\"'%]{1,80}%(?P<value>[^\s\"']{1,300})")
_USER_COMMANDS: Final = frozenset({"curl", "http", "https", "xh", "lftp"})
_ATTACHED_COMMANDS: Final = ("mysql", "mariadb", "mycli")
"""Commands that take a password only if it directly follows `-p`: after a space comes the name of a database."""
_SPECIAL_PATTERNS: Final = {"openssl": _PASSIN, "smbclient": _PERCENT, "rpcclient": _PERCENT}
_LOGIN_COMMANDS: Final = frozenset({"docker", "podman", "nerdctl", "helm", "oras", "az"})
"""Commands whose flag precedes a password only in the subcommand `login`."""
_MAX_COMMAND: Final = 2_000


def find_in_commands(text: str, *, unfinished: bool) -> Iterator[Secret]:
    """Find the passwords in the arguments of commands.

    Args:
        text: The text.
        unfinished: Whether the text is incomplete at its end.
    """
    for found in _NETRC.finditer(text):
        if not PLACEHOLDER.fullmatch(found["value"]) and "[masked" not in found["value"]:
            yield Secret(found.start("value"), found.end("value"), "password")
    calls = list(_COMMAND.finditer(text))
    for number, call in enumerate(calls):
        end = calls[number + 1].start() if number + 1 < len(calls) else len(text)
        end = _end_of_command(text, call.end(), min(end, call.end() + _MAX_COMMAND))
        for start, stop in _passwords(text, call["name"].lower(), call.end(), end):
            value = text[start:stop]
            is_cut_off = unfinished and stop == len(text)
            if (
                value
                and (is_cut_off or len(value) >= 3)
                and not PLACEHOLDER.fullmatch(value)
                and "[masked" not in value
            ):
                yield Secret(start, stop, "password")


def _end_of_command(text: str, start: int, end: int) -> int:
    """Return the end of a command: the first line break that no backslash escapes."""
    at = start
    while (at := text.find("\n", at, end)) >= 0:
        if text[at - 1] != "\\":
            return at
        at += 1
    return end


def _passwords(text: str, command: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Yield the spans of the passwords in a command's arguments."""
    if command in _USER_COMMANDS:
        for found in _USER.finditer(text, start, end):
            at, stop = _value_span(found)
            colon = text.find(":", at, stop)
            if colon >= 0 and not text.startswith("//", colon + 1):
                yield colon + 1, stop
    elif command.startswith(_ATTACHED_COMMANDS):
        yield from map(_value_span, _ATTACHED.finditer(text, start, end))
    elif (pattern := _SPECIAL_PATTERNS.get(command)) is not None:
        yield from (found.span("value") for found in pattern.finditer(text, start, end))
    elif (flag := _password_flag(command)) is not None and (
        command not in _LOGIN_COMMANDS or "login" in text[start:end]
    ):
        yield from map(_value_span, _SEPARATE[flag].finditer(text, start, end))


def _password_flag(command: str) -> str | None:
    if command.startswith(("mongo", "ldap")):
        return "p" if command.startswith("mongo") else "w"
    return _FLAGS.get(command)


def _value_span(found: re.Match[str]) -> tuple[int, int]:
    return found.span("dq" if found["dq"] is not None else "sq" if found["sq"] is not None else "bare")
