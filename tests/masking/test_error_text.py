"""Secrets that are masked in error messages only: servers quote rejected keys in sentences, in any form."""

import json

import pytest

from reasoning_widget.agents.errors import redact
from reasoning_widget.masking import mask

HEX = "0123456789abcdef0123456789abcdef"

SAID = [
    # Behind the scheme of a header
    ("Bearer abcdefgh", "abcdefgh"),
    ("bearer 'abcdef123456'", "abcdef"),
    ("sent basic dXNlcjpwYXNz to it", "dXNlcjpwYXNz"),
    ('with \\"Bearer abc~def+ghi/jkl=\\"', "abc~def"),
    # A name with its value, however both are quoted
    ("api key: hunter2", "hunter2"),
    ("api-key=hunter2", "hunter2"),
    ("apikey = hunter2", "hunter2"),
    ("API key provided: hunter2.", "hunter2"),
    ("token=s3cr3t&x=1", "s3cr3t"),
    ("token: abc", "abc"),
    ("secret='a b'", "'a"),
    ("pwd=x1", "x1"),
    ("credential: hunter2", "hunter2"),
    ("signature=hunter2", "hunter2"),
    ("authorization: hunter2", "hunter2"),
    ("Authorization: Token hunter2", "hunter2"),
    ("Authorization: ApiKey hunter2", "hunter2"),
    ("[('x-api-key', 'hunter2'), ('accept', '*/*')]", "hunter2"),
    ("api_key=SecretStr('hunter2')", "hunter2"),
    ("headers={b'api-key': b'hunter2'}", "hunter2"),
    ("secret_key=hunter2", "hunter2"),
    (json.dumps(json.dumps({"token": "hunter2"})), "hunter2"),
    # A sentence about a key
    ("Invalid API key abcdef123456", "abcdef123456"),
    ("Your API key `abcdef123456` is not valid", "abcdef"),
    ("the access key abcd****wxyz was refused", "wxyz"),
    ("The token is abc123def456.", "abc123"),
    ("password letmein99 is wrong", "letmein99"),
    # In an address
    ("GET https://example.org/v1?alt=sse&key=hunter2", "hunter2"),
    ("GET https://example.org/v1?sig=ab%2Fcd", "ab%2Fcd"),
    ("https://example.org/?code=ab1&auth=cd2", "ab1"),
    ("https://example.org/?code=ab1&auth=cd2", "cd2"),
    ("https://user:pass@example.org/v1", "pass"),
    ("https://mytoken@example.org/v1", "mytoken"),
    # By its form, however short it is
    ("-----BEGIN RSA PRIVATE KEY-----\nMIIEvQ\nIBADAN\n-----END RSA PRIVATE KEY-----", "IBADAN"),
    ("-----BEGIN PRIVATE KEY-----\nMIIEvQ\nand it breaks off", "MIIEvQ"),
    ("eyJhbGciOi.J9", "hbGciOi"),
    ("eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmVk", "eyJzdWIi"),
    ("sk-abc123", "abc123"),
    ("sk-proj-****wxyz", "wxyz"),
    ("hf_AbCdEfGhIjKl", "AbCdEfGh"),
    ("ghp_AbCdEf", "AbCdEf"),
    ("xoxb-123456", "123456"),
    ("gsk_abcdef", "abcdef"),
    ("pplx-abcdef", "abcdef"),
    ("tvly-abcdef", "abcdef"),
    ("AIza_SyAbCdEf", "SyAbCdEf"),
    ("AKIA-ABCDEF", "ABCDEF"),
    ("pypi-AgEIcHlwaS", "AgEIcHlwaS"),
    (f"the key {HEX} is wrong", HEX[:12]),
]
"""A text, and the part that must not remain."""

UNSUSPICIOUS = [
    "The model qwen2.5-coder-0.5b-instruct at http://127.0.0.1:8080/v1 used 1200 tokens.",
    "max_tokens: 200",
    "there is no key customer_2024",
    "Token limit exceeded: 4096",
    "api_key must be set",
    "skeleton.skipping of pkgutil_data",
    "Connection refused",
    "KeyError: 'name'",
    "FileNotFoundError: [Errno 2] No such file or directory: 'data/table_2024.csv'",
    "HTTPStatusError: 404 Not Found for url 'http://localhost:11434/v1/chat/completions'",
]


@pytest.mark.parametrize(("text", "secret"), SAID)
def test_secrets_in_error_messages_are_masked(text, secret):
    for said in (text, f"It failed:\n{text}\nat once", json.dumps({"error": {"message": text}})):
        assert secret not in redact(said)


@pytest.mark.parametrize("text", UNSUSPICIOUS)
def test_other_text_of_an_error_message_is_unchanged(text):
    assert redact(text) == text


@pytest.mark.parametrize(("text", "_secret"), SAID)
def test_masking_an_error_again_changes_nothing(text, _secret):
    once = redact(text)

    assert "[masked: " in once
    assert redact(once) == mask(once) == once


@pytest.mark.parametrize(
    "text", ["Basic authentication failed", "a bearer credential is needed", "Bearer token missing"]
)
def test_words_about_headers_are_unchanged(text):
    assert redact(text) == text
