"""Keys and tokens, masked wherever they stand in what is saved.

They are told by their own form, or by a name beside them that says so. Hashes and UUIDs in prose are neither. The
scanners that there are for repositories miss the keys of today's models and find secrets in every second word.

Code that holds no secret stays as it is: an identifier, an attribute, a call, a lookup in the environment, a variable
of a shell. A word of letters alone and without quotes may be either. It is masked where it is written as settings,
commands and addresses have it, ``password=letmein``: a password that gets out does more harm than a word that is
missing. It stays where code and prose have it: behind a space or a colon (``token = session``, ``secret: patience``),
and among the arguments of a call (``connect(token=session)``).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from typing import Any, Final

_FORMS: Final = tuple(
    (word, needles, re.compile(begin + rest, re.DOTALL), re.compile(rf"{begin}[\w./-]{{0,400}}\Z"))
    for word, needles, begin, rest in (
        (
            "private key",
            ("-----BEGIN",),
            r"-----BEGIN ([A-Z0-9 ]{0,30}PRIVATE KEY[A-Z ]{0,6})-----",
            r".*?(?:-----END \1-----|\Z)",
        ),
        ("Anthropic key", ("sk-ant-",), r"\bsk-ant-", r"[A-Za-z0-9_-]{16,}"),
        (
            "API key",
            ("sk-",),
            r"\bsk-(?:[a-z]{2,8}-(?:v\d-)?)?(?=[A-Za-z_-]{0,60}\d)",
            r"[A-Za-z0-9_]{16,}[A-Za-z0-9_-]*",
        ),
        ("Groq key", ("gsk_",), r"\bgsk_", r"[A-Za-z0-9]{20,}"),
        ("xAI key", ("xai-",), r"\bxai-(?=[A-Za-z_-]{0,60}\d)", r"[A-Za-z0-9_-]{20,}"),
        ("Perplexity key", ("pplx-",), r"\bpplx-", r"[A-Za-z0-9]{20,}"),
        ("NVIDIA key", ("nvapi-",), r"\bnvapi-", r"[A-Za-z0-9_-]{20,}"),
        ("Tavily key", ("tvly-",), r"\btvly-", r"[A-Za-z0-9-]{16,}"),
        ("LangSmith key", ("lsv2_",), r"\blsv2_(?:pt|sk)_", r"[A-Za-z0-9_]{20,}"),
        ("Replicate token", ("r8_",), r"\br8_", r"[A-Za-z0-9]{20,}"),
        ("Stripe key", ("k_live_", "k_test_"), r"\b[sr]k_(?:live|test)_", r"[A-Za-z0-9]{16,}"),
        ("GitHub token", ("gh", "github_pat_"), r"\b(?:gh[pousr]_|github_pat_)", r"[A-Za-z0-9_]{30,}"),
        ("GitLab token", ("glpat-", "gldt-", "glrt-"), r"\bgl(?:pat|dt|rt)-", r"[A-Za-z0-9_-]{20,}"),
        ("AWS key", ("AKIA", "ASIA"), r"\bA[KS]IA(?=[A-Z0-9]{4})", r"[A-Z0-9]{16}\b"),
        ("Slack token", ("xox", "xapp-"), r"\b(?:xox[abeoprs]|xapp)-", r"[A-Za-z0-9-]{10,}"),
        (
            "Slack webhook",
            ("hooks.slack.com",),
            r"https://hooks\.slack\.com/(?:services|workflows)/",
            r"[A-Za-z0-9/_-]{20,}",
        ),
        ("Google key", ("AIza",), r"\bAIza", r"[A-Za-z0-9_-]{35}"),
        ("Google token", ("ya29.", "GOCSPX-"), r"\b(?:ya29\.|GOCSPX-)", r"[A-Za-z0-9_-]{20,}"),
        ("Hugging Face token", ("hf_",), r"\bhf_", r"[A-Za-z0-9]{30,}"),
        ("DigitalOcean token", ("_v1_",), r"\bdo[opr]_v1_", r"[a-f0-9]{32,}"),
        ("SendGrid key", ("SG.",), r"\bSG\.(?=[A-Za-z0-9_-]{4})", r"[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
        ("npm token", ("npm_",), r"\bnpm_", r"[A-Za-z0-9]{36}"),
        ("package registry token", ("pypi-",), r"\bpypi-", r"[A-Za-z0-9_-]{50,}"),
        (
            "token",
            (".eyJ",),
            r"(?<![A-Za-z0-9_-])eyJ(?=[A-Za-z0-9_-]{8})",
            r"[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}",
        ),
    )
)
"""A word for what it is, what a text must contain for a closer look, the form, and how it looks where a text breaks
off."""

_NAME: Final = (
    r"(?:(?<![A-Za-z])pass|passw(?:or)?d|passphrase|pwd|secret|token"
    r"|(?:api|access|account|private|secret|auth)[_ -]?key)(?:[_-][A-Za-z0-9_]{1,20})?"
)
"""What a secret is called, or how its name ends."""

_BETWEEN: Final = (
    r"\\?[\"']?\]?(?:[ \t]{0,4}:[ \t]{0,4}[A-Za-z]{3,10}(?=[ \t]{0,4}=))?"  # a type, as in `password: str = …`
    r"[ \t]{0,4}(?:=>|:=|[=!]==?|[:=])[ \t]{0,4}(?:[bfr]{1,2}(?=\\?[\"']))?"
)
_IN_BARE: Final = r"[^\s\"'`,;&<>(){}\[\]\\|]"
_VALUE: Final = rf"(?:(?P<quote>\\?[\"'`])(?P<quoted>[^\"'`\\\n]{{4,}}+)(?P=quote)|(?P<bare>{_IN_BARE}{{6,}}+))"
_NAMED: Final = re.compile(rf"(?P<name>{_NAME})(?P<between>{_BETWEEN}){_VALUE}", re.IGNORECASE)
_FLAG: Final = re.compile(
    rf"(?P<name>(?<![\w-])--(?:[a-z]{{1,20}}-){{0,3}}{_NAME})(?P<between>[ \t]{{1,4}}){_VALUE}", re.IGNORECASE
)
_MEMBER: Final = re.compile(rf".{{0,60}}{_NAME}", re.IGNORECASE)
_NAMES_ONE: Final = re.compile(rf"(?=\D*\d{{0,3}}\Z).{{0,60}}{_NAME}", re.IGNORECASE)
_IN_HEADER: Final = re.compile(
    r"\b(?P<before>(?:Bearer|Basic)[ \t]{1,4})(?=\S{0,400}\d)[A-Za-z0-9+/_.~-]{16,}=*", re.IGNORECASE
)
_IN_ADDRESS: Final = re.compile(r"(?P<before>://[^\s/:@\"'<>\[]{0,100}:)[^\s/@\"'<>\[]{3,200}(?=@)")
_BEARS: Final = re.compile(r"pass|pwd|secret|key|token|bearer|basic", re.IGNORECASE)

_NAMED_AT_END: Final = re.compile(
    rf"(?P<name>{_NAME})(?P<between>{_BETWEEN})"
    rf"(?:(?P<quote>\\?[\"'`])(?P<quoted>[^\"'`\n]++)|(?P<bare>{_IN_BARE}++))\Z",
    re.IGNORECASE,
)
_HEADER_AT_END: Final = re.compile(
    r"\b(?P<before>(?:Bearer|Basic)[ \t]{1,4})(?=\S{0,400}\d)[A-Za-z0-9+/_.~-]{1,400}=*\Z", re.IGNORECASE
)
_ADDRESS_AT_END: Final = re.compile(
    r"(?P<before>://[^\s/:@\"'<>\[]{0,100}:)(?!\d{1,5}\Z)[^\s/@\"'<>\[]{1,200}\Z"  # digits are a port
)
_END: Final = 4_096
"""Characters at the end of a text that breaks off in which the last secret of it begins."""

_PLACEHOLDER: Final = re.compile(
    r"(?:your|my|the|an?|some|example|sample|dummy|change|changeme|insert|enter|none|null|undefined|true|false"
    r"|str|string|bytes|int|os|env|environ|self|process|getpass|input|config|settings)(?:[-_. ][a-z]+)*\d{0,3}"
    r"|\$(?:[{(].*|(?:env:)?(?-i:[A-Z_][A-Z0-9_]*|[a-z_]+(?:[A-Z][a-z]+)*)[-.]?)"
    r"|%(?:\(.*|[A-Z_]+%)|\*{3,}.*|<[^>]*>.*|\{.*\}.*|xxx.*|\.\.\..*|[a-z]+://.*",
    re.IGNORECASE,
)
_IDENTIFIER: Final = re.compile(
    r"[A-Za-z]*_[A-Za-z_]*"  # in snake case
    r"|[a-z]+(?:[A-Z][a-z]+)+"  # in camel case
    r"|[A-Za-z_]+\d{0,2}(?:\.[A-Za-z_]+\d{0,2})+"  # an attribute
)
_IN_CALL: Final = re.compile(r"_?[A-Za-z]+\d{0,2}(?:_[A-Za-z]*\d{0,2})*")
_CALLED: Final = re.compile(r"[A-Za-z_][\w.]*")
_MAY_BE_DIGITS: Final = re.compile(r".*(?:pass|passw(?:or)?d|passphrase|pwd|secret|key)", re.IGNORECASE)
_LONGEST_WORD: Final = 24  # letters; a longer word is made up by a machine
_MIN_BITS: Final = 2.5  # of entropy a character: "aaaaaaaa" and the like are placeholders


def mask(text: str, *, unfinished: bool = False) -> str:
    """`text`, in which ``[masked: <what it was>]`` stands in the place of each secret.

    Args:
        text: What is to be saved.
        unfinished: Whether it breaks off, because more is to come or was cut: there the beginning of a secret is one.
    """
    for word, needles, form, _ in _FORMS:
        if any(needle in text for needle in needles):
            text = form.sub(_mark(word), text)
    if "://" in text:
        text = _IN_ADDRESS.sub(rf"\g<before>{_mark('password')}", text)
    if _BEARS.search(text) is not None:
        text = _IN_HEADER.sub(rf"\g<before>{_mark('token')}", text)
        text = _NAMED.sub(_mark_named, text)
        if "--" in text:
            text = _FLAG.sub(_mark_named, text)
    return text[:-_END] + _mask_end(text[-_END:]) if unfinished else text


def _mask_end(text: str) -> str:
    for word, _, _, begun in _FORMS:
        text = begun.sub(_mark(word), text)
    text = _ADDRESS_AT_END.sub(rf"\g<before>{_mark('password')}", text)
    text = _HEADER_AT_END.sub(rf"\g<before>{_mark('token')}", text)
    return _NAMED_AT_END.sub(_mark_named, text)


def mask_json(value: Any, *, unfinished: bool = False) -> Any:
    """A JSON value in which every text is masked, as is all text beside a name that says that it is a secret.

    Args:
        value: What is to be saved.
        unfinished: See `mask`.
    """
    if isinstance(value, str):
        return mask(value, unfinished=unfinished)
    if isinstance(value, list):
        return [mask_json(item, unfinished=unfinished) for item in value]
    if isinstance(value, dict):
        return {mask(name): _mask_member(name, item, unfinished=unfinished) for name, item in value.items()}
    return value


def _mask_member(name: str, value: Any, *, unfinished: bool) -> Any:
    if isinstance(value, str) and _MEMBER.fullmatch(name) and _is_secret(name, value):
        return _mark(_word(name))
    return mask_json(value, unfinished=unfinished)


def _mark(what: str) -> str:
    return f"[masked: {what}]"


def _mark_named(found: re.Match[str]) -> str:
    quoted, name, between = found["quoted"], found["name"], found["between"]
    unfinished = found.re is _NAMED_AT_END
    if quoted is None:
        follows = found.string[found.end() : found.end() + 1]
        if _is_code(found["bare"], between, follows) or not _is_secret(name, found["bare"], unfinished=unfinished):
            return found[0]
    elif not _is_secret(name, quoted, unfinished=unfinished):
        return found[0]
    quote = found["quote"] or ""
    return f"{name}{between}{quote}{_mark(_word(name))}{'' if unfinished else quote}"


def _word(name: str) -> str:
    name = name.lower()
    if "pass" in name or "pwd" in name:
        return "password"
    return "token" if "token" in name else "key" if "key" in name else "secret"


def _is_code(word: str, between: str, follows: str) -> bool:
    """Whether a word without quotes beside a secret's name is no secret itself, but what a program calls one.

    Args:
        word: The word.
        between: What stands between the name and it.
        follows: The character behind it.
    """
    word = word.rstrip(".:!?")
    if _IDENTIFIER.fullmatch(word) or (follows in ("(", "[") and _CALLED.fullmatch(word)):
        return True
    in_call = follows in ("(", "[", ")", ",")
    if word.isalpha():
        return in_call or "=" not in between or " " in between
    return in_call and "_" in word and _IN_CALL.fullmatch(word) is not None


def _is_secret(name: str, value: str, *, unfinished: bool = False) -> bool:
    """Whether what stands beside a secret's name is one, and no placeholder, count, or prose about it."""
    if "[masked" in value or _PLACEHOLDER.fullmatch(value) or _NAMES_ONE.fullmatch(value):
        return False
    if value.replace(".", "").isdigit() and not (value.isdigit() and _MAY_BE_DIGITS.fullmatch(name)):
        return False
    if not unfinished and _word(name) == "token" and (value.isalpha() or _IDENTIFIER.fullmatch(value)):
        return len(value) > _LONGEST_WORD  # parsers have tokens, too: `token == "keyword"`
    return unfinished or (" " not in value.strip() and _bits(value) >= _MIN_BITS)


def _bits(text: str) -> float:
    """The entropy of a text, in bits a character."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())
