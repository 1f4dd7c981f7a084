"""Recognize files with keys or credentials. Agents do not read them, because what they read is sent to a model."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Final

REASON: Final = "may hold keys or passwords: such files are not read"

_COPY_SUFFIX: Final = re.compile(
    r"(?:\.(?:bak|old|orig|save|copy|tmp|swp|backup|disabled|\d{1,8})|~|[ _-]?\(\d{1,3}\))$", re.IGNORECASE
)
_KEY_FILE_NAMES: Final = re.compile(
    r"id_(?:rsa|dsa|ecdsa|ed25519|xmss)(?:_sk)?(?:\.txt)?|identity"
    r"|[._](?:netrc|pypirc|npmrc|yarnrc(?:\.yml)?|pgpass|my\.cnf|mylogin\.cnf|htpasswd|dockercfg|boto|s3cfg|git-credentials)"
    r"|(?:\.?htpasswd|netrc|pypirc|npmrc|pgpass(?:\.conf)?|shadow|kubeconfig(?:\.ya?ml)?|\.?vault-token|\.?vault_pass(?:\.txt)?)"
    r"|\.env(?:\..*)?|.*\.env|env\.local|wp-config\.php"
    r"|application_default_credentials\.json|jupyter_cookie_secret|notebook_cookie_secret|jupyterhub_cookie_secret"
    r"|jupyter_(?:server|notebook)_config\.json",
    re.IGNORECASE,
)
_KEY_ENDING_TEXT: Final = (
    ".pem .key .ppk .p8 .p12 .pfx .pkcs12 .jks .keystore .kdbx .kdb .ovpn .tfvars .tfstate .kubeconfig .keytab .gpg "
    ".age .asc .agekey .publishsettings .rdp .secret .token .pgpass .netrc"
)
_KEY_ENDINGS: Final = frozenset(_KEY_ENDING_TEXT.split())
_DATA_SUFFIXES: Final = frozenset(
    (
        "",
        ".json",
        ".jsonl",
        ".yaml",
        ".yml",
        ".toml",
        ".ini",
        ".cfg",
        ".conf",
        ".config",
        ".xml",
        ".properties",
        ".txt",
        ".csv",
    )
)
"""In files with other suffixes, such as code and documents, a word like "password" only names the subject."""
_CREDENTIAL_WORDS: Final = (
    r"credentials?|secrets?|passwords?|passwd|passphrases?|api[._ -]?keys?|access[._ -]?keys?|private[._ -]?keys?"
    r"|secret[._ -]?keys?|client[._ -]?secrets?|service[._ -]?accounts?|auth[._ -]?tokens?|access[._ -]?tokens?"
    r"|master[._ -]?key"
)
_MENTIONS_SECRET: Final = re.compile(rf"(?:.*[^A-Za-z])?(?:{_CREDENTIAL_WORDS})(?:[^A-Za-z].*)?", re.IGNORECASE)
_IS_SECRET: Final = re.compile(
    rf"(?:(?:my|our|the|prod|production|dev|test|staging|aws|gcp|azure|google|github|db|database"
    r"|user|admin|root|all)[._ -]?)?"
    rf"(?:{_CREDENTIAL_WORDS}|tokens?|keys?)(?:[._ -]?(?:prod|production|dev|test|staging|backup|new|\d{{1,4}}))?",
    re.IGNORECASE,
)
_KEY_FOLDERS: Final = frozenset(
    {".ssh", ".aws", ".azure", ".kube", ".docker", ".gnupg", ".gcloud", ".oci", ".password-store", "private_keys"}
)
_KEY_HEADER: Final = re.compile(
    rb"\s*(?:-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY|---- BEGIN SSH2 (?:ENCRYPTED )?PRIVATE|PuTTY-User-Key-File"
    rb"|AGE-SECRET-KEY-"
    rb"|# created: \S{10,40}\s+# public key: age1|\{\s*\"type\":\s*\"service_account\")"
)


def holds_keys(path: PurePath) -> bool:
    """Return whether the name of a file suggests that it contains keys or credentials.

    Args:
        path: The path relative to the folder that is read.
    """
    name = path.name
    while (shorter := _COPY_SUFFIX.sub("", name)) != name and shorter:
        name = shorter
    ending = PurePath(name).suffix.lower()
    if _KEY_FILE_NAMES.fullmatch(name) or ending in _KEY_ENDINGS or not _KEY_FOLDERS.isdisjoint(path.parts[:-1]):
        return True
    if ending not in _DATA_SUFFIXES:
        return False
    stem = name[: len(name) - len(ending)] if ending else name
    prose = ending in (".txt", ".csv", ".jsonl", "")
    return (_IS_SECRET if prose else _MENTIONS_SECRET).fullmatch(stem) is not None or (
        ending == ".json" and stem.lower() == "token"
    )


def begins_with_key(data: bytes) -> bool:
    """Return whether the content of a file begins with a private key."""
    return _KEY_HEADER.match(data) is not None
