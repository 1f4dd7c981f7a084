"""Find secrets by pattern: by a distinctive format, or by the name of a service next to them.

Most of the patterns are gitleaks' rules: ``LICENSE-gitleaks.txt`` has their license, and
`tests.fixtures.make_mask_rules` converts them. The patterns below are for services that gitleaks does not know, or for
which its rules are stricter than a reader would be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import Final, NamedTuple

from .secret import Secret, entropy

_PREFIXED: Final[tuple[tuple[str, tuple[str, ...], str], ...]] = (
    (
        "private key",
        ("-----begin",),
        r"-----BEGIN (?s:[A-Z0-9 ]{0,30}PRIVATE KEY[A-Z ]{0,6}-----.*?(?:-----END [A-Z0-9 ]{0,40}-----|\Z))",
    ),
    (
        "private key",
        ("---- begin ssh2",),
        r"---- BEGIN (?s:SSH2 [A-Z ]{0,20}PRIVATE KEY ----.*?(?:---- END [A-Z0-9 ]{0,40} ----|\Z))",
    ),
    ("private key", ("private-lines:",), r"Private-Lines:(?s:.*?(?:Private-(?:MAC|Hash): ?[0-9a-f]*|\Z))"),
    ("private key", ("age-secret-key-",), r"AGE-SECRET-KEY-(?:PQ-)?1[A-Z0-9]{20,}"),
    ("Anthropic key", ("sk-ant-",), r"sk-ant-[A-Za-z0-9_-]{16,}"),
    ("API key", ("sk-",), r"sk-(?:[a-z]{2,8}-(?:v\d-)?)?(?=[A-Za-z_-]{0,60}\d)[A-Za-z0-9_]{16,}[A-Za-z0-9_-]*"),
    ("API key", ("sk_",), r"sk_(?:prod_)?(?=[a-z]{0,40}\d)[a-f0-9]{40,}"),
    ("Groq key", ("gsk_",), r"gsk_[A-Za-z0-9]{20,}"),
    ("xAI key", ("xai-",), r"xai-(?=[A-Za-z_-]{0,60}\d)[A-Za-z0-9_-]{20,}"),
    ("Cerebras key", ("csk-",), r"csk-[A-Za-z0-9]{20,}"),
    ("Perplexity key", ("pplx-",), r"pplx-[A-Za-z0-9]{20,}"),
    ("NVIDIA key", ("nvapi-",), r"nvapi-[A-Za-z0-9_-]{20,}"),
    ("Tavily key", ("tvly-",), r"tvly-[A-Za-z0-9-]{16,}"),
    ("Jina key", ("jina_",), r"jina_[A-Za-z0-9_-]{24,}"),
    ("Fireworks key", ("fw_",), r"fw_(?=[A-Za-z]{0,30}\d)[A-Za-z0-9]{20,}"),
    ("Pinecone key", ("pcsk_",), r"pcsk_[A-Za-z0-9_]{20,}"),
    ("LangSmith key", ("lsv2_",), r"lsv2_(?:pt|sk)_[A-Za-z0-9_]{20,}"),
    ("Replicate token", ("r8_",), r"r8_[A-Za-z0-9]{20,}"),
    ("Stripe key", ("sk_live_", "sk_test_", "rk_live_", "rk_test_"), r"[sr]k_(?:live|test)_[A-Za-z0-9]{10,}"),
    ("Stripe secret", ("whsec_",), r"whsec_[A-Za-z0-9+/=]{20,}"),
    ("GitHub token", ("gho_", "ghp_", "ghr_", "ghs_", "ghu_"), r"gh[pousr]_[A-Za-z0-9_]{30,}"),
    ("GitHub token", ("github_pat_",), r"github_pat_[A-Za-z0-9_]{30,}"),
    (
        "GitLab token",
        ("glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glsoat-", "glagent-", "gloas-", "glimt-"),
        r"gl(?:pat|dt|rt|cbt|ptt|ft|soat|agent|oas|imt)-[A-Za-z0-9_-]{20,}(?:\.[A-Za-z0-9_-]{2,})*",
    ),
    ("AWS key", ("akia", "asia"), r"A[KS]IA[A-Z0-9]{16}"),
    ("Slack token", tuple(f"xox{kind}-" for kind in "abeoprs"), r"xox[abeoprs]-[A-Za-z0-9-]{10,}"),
    ("Slack token", ("xoxe.xox", "xapp-"), r"(?:xoxe\.xox[bp]|xapp)-[A-Za-z0-9-]{10,}"),
    (
        "Slack webhook",
        ("hooks.slack.com/",),
        r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9/_+-]{20,}",
    ),
    (
        "Discord webhook",
        ("discord.com/api/webhooks/", "discordapp.com/api/webhooks/"),
        r"discord(?:app)?\.com/api/webhooks/\d{5,25}/[\w-]{20,}",
    ),
    ("Google key", ("aiza",), r"AIza[A-Za-z0-9_-]{35}"),
    ("Google token", ("ya29.",), r"ya29\.[A-Za-z0-9_-]{20,}"),
    ("Google secret", ("gocspx-",), r"GOCSPX-[A-Za-z0-9_-]{20,}"),
    ("Google refresh token", ("1//",), r"1//[A-Za-z0-9_-]{20,}"),
    ("Hugging Face token", ("hf_",), r"hf_[A-Za-z0-9]{30,}"),
    ("DigitalOcean token", ("doo_v1_", "dop_v1_", "dor_v1_"), r"do[opr]_v1_[a-f0-9]{32,}"),
    ("SendGrid key", ("sg.",), r"SG\.(?=[A-Za-z0-9_-]{4})[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,}"),
    ("npm token", ("npm_",), r"npm_[A-Za-z0-9]{30,}"),
    ("package registry token", ("pypi-",), r"pypi-[A-Za-z0-9_-]{50,}"),
    ("package registry token", ("cio",), r"cio(?=[A-Za-z]{0,30}\d)[A-Za-z0-9]{32}(?!\w)"),
    ("package registry token", ("oy2",), r"oy2[a-z0-9]{43}(?!\w)"),
    ("token", ("eyj",), r"eyJ[A-Za-z0-9_-]{8,2000}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    (
        "token",
        ("eyj",),
        r"eyJ[A-Za-z0-9_-]{16,2000}\.[A-Za-z0-9_-]{0,600}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]{8,}){2}",
    ),
    ("Vault token", ("hvs.", "hvb.", "hvr."), r"hv[sbr]\.[A-Za-z0-9_-]{20,}"),
    ("Vault token", ("s.",), r"s\.(?=[A-Za-z]{0,23}\d)[A-Za-z0-9]{24}(?!\w)"),
    ("Databricks token", ("dapi", "dkea"), r"d(?:api|kea)[a-f0-9]{30,}(?:-\d)?"),
    ("Notion token", ("ntn_",), r"ntn_[A-Za-z0-9]{30,}"),
    ("Notion token", ("secret_",), r"secret_(?=[A-Za-z]{0,40}\d)[A-Za-z0-9]{32,}"),
    ("Linear key", ("lin_api_", "lin_oauth_", "lin_wh_"), r"lin_(?:api|oauth|wh)_[A-Za-z0-9]{20,}"),
    ("Mailgun key", ("key-",), r"key-[a-f0-9]{32}(?!\w)"),
    ("Shopify token", ("shp",), r"shp(?:at|ca|pa|ss|tka|ua)_[a-fA-F0-9]{24,}"),
    ("Docker token", ("dckr_pat_", "dckr_oat_"), r"dckr_[po]at_[A-Za-z0-9_-]{16,}"),
    ("Tailscale key", ("tskey-",), r"tskey-[a-z]{2,12}-[A-Za-z0-9]{6,}(?:-[A-Za-z0-9]{8,})?"),
    ("Supabase key", ("sbp_", "sb_secret_"), r"(?:sbp_[a-f0-9]{32,}|sb_secret_[A-Za-z0-9_-]{20,})"),
    ("Figma token", ("figd_",), r"figd_[A-Za-z0-9_-]{20,}"),
    ("Neon key", ("napi_",), r"napi_[a-z0-9]{40,}"),
    ("Netlify token", ("nfp_",), r"nfp_[A-Za-z0-9]{30,}"),
    ("Render key", ("rnd_",), r"rnd_(?=[A-Za-z]{0,30}\d)[A-Za-z0-9]{24,}"),
    ("CircleCI token", ("ccipat_",), r"CCIPAT_[A-Za-z0-9]{16,}_[a-f0-9]{30,}"),
    ("Buildkite token", ("bkua_",), r"bkua_[a-f0-9]{30,}"),
    ("Contentful token", ("cfpat-",), r"CFPAT-[A-Za-z0-9_-]{30,}"),
    ("HubSpot token", ("pat-na1-", "pat-eu1-"), r"pat-(?:na|eu)1-[0-9a-f-]{30,}"),
    ("Atlassian token", ("atatt3", "atctt3", "atbb"), r"AT(?:ATT3|CTT3|BB)[A-Za-z0-9_=-]{24,}"),
    ("Mapbox token", ("sk.eyj",), r"sk\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{16,}"),
    ("New Relic key", ("nrak-", "nrii-", "nrjs-"), r"NR(?:AK|II|JS)-[A-Za-z0-9-]{19,}"),
    ("Grafana token", ("glc_", "glsa_"), r"gl(?:c|sa)_[A-Za-z0-9+/_]{30,}=*"),
    ("SonarQube token", ("squ_", "sqp_", "sqa_"), r"sq[upa]_[a-f0-9]{40}"),
    ("PayPal token", ("access_token$",), r"access_token\$(?:production|sandbox)\$[a-z0-9]{8,}\$[a-f0-9]{20,}"),
    ("Square token", ("sq0csp-", "sq0atp-"), r"sq0(?:csp|atp)-[A-Za-z0-9_-]{20,}"),
    ("Tencent key", ("akid",), r"AKID(?=[A-Za-z]{0,32}\d)[A-Za-z0-9]{32}"),
    ("Alibaba key", ("ltai",), r"LTAI[A-Za-z0-9]{12,}"),
    ("Volcengine key", ("aklt",), r"AKLT(?=[A-Za-z]{0,40}\d)[A-Za-z0-9_-]{30,}"),
    ("Sentry token", ("sntrys_", "sntryu_"), r"sntry[su]_[A-Za-z0-9+/=_]{30,}"),
    ("Dropbox token", ("sl.",), r"sl\.(?:u\.)?(?=[A-Za-z_-]{0,60}\d)[A-Za-z0-9_-]{60,}"),
    ("Doppler token", ("dp.",), r"dp\.(?:pt|st|ct|scim|audit|sa)\.(?:[a-z0-9_-]{2,35}\.)?[A-Za-z0-9]{30,}"),
    ("cookie", ("2|1:0|",), r"2\|1:0\|\d{1,4}:\d{1,20}\|\d{1,4}:[^|\s]{1,200}\|\d{1,4}:[^|\s]{0,4000}\|[0-9a-f]{32,}"),
    ("cookie", ("_xsrf=2|", "_xsrf=2%7c"), r"_xsrf=2(?:\||%7C)[0-9a-fA-F|%]{16,}"),
    (
        "password hash",
        ("$1$", "$2a$", "$2b$", "$2y$", "$5$", "$6$", "$y$", "$apr1$", "$argon2"),
        r"\$[\w=,]{1,30}\$[\w./$=,+-]{20,}",
    ),
)
"""The label, the possible prefixes in lower case, and the pattern of each kind."""

_UNPREFIXED: Final[tuple[tuple[str, str, str], ...]] = (
    ("Telegram token", ":a", r"(?<![\w/+])\d{6,12}:A[A-Za-z0-9_-]{34}(?![\w-])"),
    ("Discord token", ".", r"(?<![\w.-])[MNO][A-Za-z0-9_-]{23,27}\.[A-Za-z0-9_-]{6}\.[A-Za-z0-9_-]{27,}"),
    ("Mailchimp key", "-us", r"(?<!\w)[0-9a-f]{32}-us\d{1,2}(?!\w)"),
    ("Mailgun key", "-", r"(?<![\w-])[0-9a-f]{32}-[0-9a-f]{8}-[0-9a-f]{8}(?![\w-])"),
    ("Azure secret", "q~", r"(?<![\w~.-])[A-Za-z0-9_~.]{3}\dQ~[A-Za-z0-9_~.-]{31,34}(?![\w~-])"),
    ("Asana token", "1/", r"(?<![\w/])[12]/\d{10,20}(?:/\d{10,20})?:[a-f0-9]{32}"),
)
"""Secrets without a distinctive prefix: the label, a substring that the text must contain, and the pattern."""

_AMBIGUOUS_PREFIXES: Final = frozenset({"cio", "oy2", "shp", "sl.", "1//", "key-", "sk", "s.", "sc_"})
"""Prefixes that too many other words share to be masked without the rest of the secret."""

_DATA_URL: Final = re.compile(r"data:(?:image|audio|video|font)/[\w.+-]{1,40};base64,[A-Za-z0-9+/=\s]{0,4}")
_BASE64: Final = re.compile(r"[A-Za-z0-9+/=]*")
_ASCII_LOWER: Final = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}
_MIN_ENTROPY: Final = 2.0
_NAME_TO_VALUE: Final = re.compile(
    r"[ \t\w.-]{0,20}+[\s'\"*]{0,4}+(?:=>|:{1,3}=|\|\||\?=|[=>:,|])[`'\"\s=*]{0,6}+", re.ASCII
)
"""Matches the text between the name of a service and its secret."""


class _Pattern(NamedTuple):
    """A pattern of secrets, and their label."""

    label: str
    source: str

    @property
    def regex(self) -> re.Pattern[str]:
        """The compiled pattern. It is compiled when first needed, because compiling all patterns takes 0.1 s."""
        return _compiled(self.source)


class _Vendor(NamedTuple):
    """A service whose secrets look like any identifier, so that they are recognized only next to its name."""

    names: str
    patterns: tuple[_Pattern, ...]


@cache
def _compiled(source: str) -> re.Pattern[str]:
    return re.compile(source, re.ASCII)


class _Rules(NamedTuple):
    patterns: dict[str, list[_Pattern]]
    """By prefix, in lower case."""
    anywhere: list[tuple[str, _Pattern]]
    vendors: dict[str, list[_Vendor]]


@cache
def _rules() -> _Rules:
    data = json.loads(resources.files(__package__).joinpath("gitleaks.json").read_text("utf-8"))
    rules = _Rules({}, [], {})
    rows: list[tuple[str, list[str] | tuple[str, ...], str, list[str]]] = [
        *((label, prefixes, regex, []) for label, prefixes, regex in _PREFIXED if regex),
        *((label, prefixes, regex, *(rest or [[]])) for label, prefixes, regex, *rest in data["keys"]),
    ]
    for label, prefixes, regex, contains in rows:
        if contains:
            rules.anywhere.append((contains[0], _Pattern(label, regex)))
        for prefix in prefixes:
            # A prefix of letters and digits may occur within base64.
            boundary = r"(?<![A-Za-z0-9+/])" if prefix.isalnum() else r"(?<![A-Za-z0-9])"
            boundary = r"(?<![\w-])" if prefix == "eyj" else boundary  # keeps many in a row linear
            boundary = boundary if prefix[:1].isalnum() else ""
            rules.patterns.setdefault(prefix, []).append(_Pattern(label, boundary + regex))
    rules.anywhere.extend((contains, _Pattern(label, regex)) for label, contains, regex in _UNPREFIXED)
    grouped: dict[tuple[str, ...], tuple[list[str], str, list[_Pattern]]] = {}
    for label, prefixes, names, regex in data["values"]:
        group = grouped.setdefault((names, *prefixes), (prefixes, names, []))
        group[2].append(_Pattern(label, regex + r"(?!\w)"))
    for prefixes, names, patterns in grouped.values():
        for prefix in prefixes:
            rules.vendors.setdefault(prefix, []).append(_Vendor(names, tuple(patterns)))
    return rules


def find_by_pattern(text: str) -> Iterator[Secret]:
    """Find the secrets that match a pattern, by themselves or next to the name of a service."""
    rules = _rules()
    lower = text.lower()
    if len(lower) != len(text):
        lower = text.translate(_ASCII_LOWER)
    media = list(_embedded_media(text)) if "base64," in lower else []
    for prefix, patterns in rules.patterns.items():
        at = lower.find(prefix)
        while at >= 0:
            end = at + 1
            for pattern in patterns:
                if (found := pattern.regex.match(text, at)) and not _is_inside(media, at):
                    end = _end_of_word(text, found.end())
                    yield Secret(at, end, pattern.label)
                    break
            at = lower.find(prefix, end)
    yield from _find_unprefixed(text, lower)
    for prefix, vendors in rules.vendors.items():
        at = lower.find(prefix)
        while at >= 0:
            for vendor in vendors:
                yield from _find_vendor_secret(text, at, vendor)
            at = lower.find(prefix, at + len(prefix))


def _find_unprefixed(text: str, lower: str) -> Iterator[Secret]:
    """Find the secrets without a distinctive prefix."""
    if "-----end" in lower:
        yield from _find_ends_of_private_keys(text)
    for contains, pattern in _rules().anywhere:
        if contains in lower:
            for found in pattern.regex.finditer(text):
                yield Secret(found.start(), found.end(), pattern.label)


def _find_ends_of_private_keys(text: str) -> Iterator[Secret]:
    """Find the remains of private keys whose beginnings were removed."""
    for found in _PRIVATE_KEY_END.finditer(text):
        start = found.start()
        lines = text[max(0, start - _MAX_PRIVATE_KEY) : start].split("\n")
        if lines.pop().strip():
            continue  # not at the beginning of a line
        while lines and _PRIVATE_KEY_LINE.fullmatch(lines[-1]):
            start -= len(lines.pop()) + 1
        if start < found.start():
            yield Secret(start, found.end(), "private key")


_PRIVATE_KEY_END: Final = re.compile(r"-----END [A-Z0-9 ]{0,30}PRIVATE KEY[A-Z ]{0,6}-----")
_PRIVATE_KEY_LINE: Final = re.compile(r"[A-Za-z0-9+/=]{16,}\r?|=[A-Za-z0-9+/]{4}\r?")
_MAX_PRIVATE_KEY: Final = 16_384


def _end_of_word(text: str, end: int) -> int:
    """Extend a match to the end of its word: patterns match only as much as identifies a secret."""
    while end < len(text) and (text[end] == "_" or (text[end].isalnum() and text[end].isascii())):
        end += 1
    return end


def _find_vendor_secret(text: str, at: int, vendor: _Vendor) -> Iterator[Secret]:
    named = _compiled(vendor.names).match(text, at)
    joined = _NAME_TO_VALUE.match(text, named.end()) if named else None
    if joined is None:
        return
    for pattern in vendor.patterns:
        found = pattern.regex.match(text, joined.end())
        # Both the name of a service and words of the right length are common.
        if found and any(sign.isdigit() for sign in found[0]) and entropy(found[0]) >= _MIN_ENTROPY:
            yield Secret(found.start(), found.end(), pattern.label)
            return


def find_cut_off(text: str, start: int) -> Iterator[Secret]:
    """Find text at the end of an incomplete text that may be the beginning of a secret.

    Args:
        text: The text.
        start: The position at which to start searching.
    """
    lower = text.lower()
    if len(lower) != len(text):
        lower = text.translate(_ASCII_LOWER)
    start = max(start, len(text.rstrip(_KEY_CHARACTERS)))
    for prefix, patterns in _rules().patterns.items():
        at = lower.find(prefix, start)
        if at < 0 or prefix in _AMBIGUOUS_PREFIXES or (at and text[at - 1].isalnum() and text[at - 1].isascii()):
            continue
        rest = text[at + len(prefix) :]
        is_distinctive = len(prefix) >= 3 and not prefix.isalnum() and prefix not in _NEEDS_DIGITS
        if (rest and is_distinctive) or any(sign.isdigit() for sign in rest) or (prefix.isalnum() and rest.isupper()):
            yield Secret(at, len(text), patterns[0].label)
    last = _LAST_WORD.search(text, start)
    if last and any(map(str.isdigit, last[0])) and any(map(str.isalpha, last[0])):
        yield Secret(last.start(), len(text), "token")  # only its missing end might identify it
    last = _LAST_RUN.search(text, start)
    if last and all(any(map(kind, last[0])) for kind in (str.isdigit, str.isupper, str.islower)):
        yield Secret(last.start(), len(text), "token")


_LAST_WORD: Final = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{8,}\Z")
_LAST_RUN: Final = re.compile(r"(?<![A-Za-z0-9_.~+-])[A-Za-z0-9_.~+-]{12,}=*\Z")
_NEEDS_DIGITS: Final = frozenset(
    {"sk-", "api-", "test_", "live_", "sc_", "ext_", "key-", "pat.", "sat.", "dp.", "sl.", "ico-", "secret_"}
)
_KEY_CHARACTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.~+/=|:%$-"


def _embedded_media(text: str) -> Iterator[tuple[int, int]]:
    """Yield the spans of embedded media: text in them that looks like a key is a coincidence."""
    for found in _DATA_URL.finditer(text):
        end = _BASE64.match(text, found.end())
        yield found.start(), end.end() if end else found.end()


def _is_inside(spans: list[tuple[int, int]], at: int) -> bool:
    return any(start <= at < end for start, end in spans)
