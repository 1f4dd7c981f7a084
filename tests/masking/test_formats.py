"""The formats of `formats` are masked in any context, and harmless texts are not."""

import json

import pytest

from reasoning_widget.masking import mask, mask_json, mask_texts
from tests.masking.formats import INNOCENT, KEYS, PASSWORD

TOLD_BY_THEIR_END = ("crates.io", "pair, turned")


def pieces_left(secret: str, text: str, longest: int = 6) -> list[str]:
    """Return the pieces of a secret that a text still contains and that are too long for a coincidence."""
    size = min(longest, len(secret))
    return [secret[i : i + size] for i in range(len(secret) - size + 1) if secret[i : i + size] in text]


@pytest.mark.parametrize("each", KEYS, ids=lambda each: each.name)
def test_every_format_is_masked(each):
    masked = mask(each.text)

    assert "[masked: " in masked
    assert pieces_left(each.secret, masked) == []


@pytest.mark.parametrize("each", KEYS, ids=lambda each: each.name)
def test_every_format_is_masked_within_other_text(each):
    for text in (f"First.\n\n{each.text}\n\nLast.", json.dumps({"code": f"a\n{each.text}\nb"}), f"x\n{each.text}"):
        assert pieces_left(each.secret, mask(text)) == [], text
    assert pieces_left(each.secret, json.dumps(mask_json({"a": [{"b": each.text}]}))) == []


@pytest.mark.parametrize("each", KEYS, ids=lambda each: each.name)
def test_masking_a_format_again_changes_nothing(each):
    assert mask(mask(each.text)) == mask(each.text)


@pytest.mark.parametrize(
    "each", [each for each in KEYS if each.name not in TOLD_BY_THEIR_END], ids=lambda each: each.name
)
def test_wherever_a_text_is_cut_off_at_most_a_few_characters_of_a_secret_are_left(each):
    for length in range(len(each.text)):
        assert pieces_left(each.secret, mask(each.text[:length], unfinished=True), 12) == []


@pytest.mark.parametrize("text", INNOCENT)
def test_harmless_text_is_unchanged(text):
    assert mask(text) == text
    assert mask_json({"said": text}) == {"said": text}


def test_there_are_enough_secrets_and_harmless_texts():
    assert len({each.name for each in KEYS}) == len(KEYS) >= 74
    assert len(INNOCENT) >= 60


@pytest.mark.parametrize(
    "value",
    [
        {"name": "API_KEY", "value": PASSWORD},
        {"env": [{"value": PASSWORD, "type": "plain", "name": "DB_PASSWORD"}]},
        {"passwords": ["letmein99", PASSWORD]},
        {"password": {"value": PASSWORD, "since": 2024}},
        {"headers": [["X-Api-Key", PASSWORD], ["Authorization", f"token {PASSWORD}"]]},
        {"headers": {"Authorization": f"Token {PASSWORD}", "Cookie": f"session={PASSWORD}"}},
        {"args": ["mysql", "-u", "root", f"-p{PASSWORD}"]},
        {"args": ["curl", "-u", f"me:{PASSWORD}", "https://x.example"]},
        {"args": ["login", "--password", PASSWORD]},
        {"kty": "RSA", "n": "abc", "d": PASSWORD},
        {"pin": 1, "password": PASSWORD},
    ],
)
def test_secrets_in_structured_values_are_masked_by_their_names(value):
    masked = json.dumps(mask_json(value))

    assert PASSWORD not in masked
    assert "[masked: " in masked


def test_a_number_that_is_a_password_is_masked():
    assert mask_json({"password": 98765432, "max_tokens": 2048, "api_key_count": 3}) == {
        "password": "[masked: password]",
        "max_tokens": 2048,
        "api_key_count": 3,
    }


def test_texts_that_belong_together_are_masked_as_one():
    secret = "ghp_" + "a1B2" * 9
    for at in range(1, len(secret)):
        texts = mask_texts(["use ", secret[:at], secret[at:], " now"])
        assert "".join(texts) == "use [masked: GitHub token] now"
    assert mask_texts(["password=", "Tr0ub4dor", " and more"]) == ["password=", "[masked: password]", " and more"]
    assert mask_texts(["a", "", "b"]) == ["a", "", "b"]
    assert mask_texts([]) == []


def test_the_end_of_a_private_key_is_masked_without_its_beginning():
    line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSj"
    text = f"The rest of the log\n{line}\n{line}\n-----END RSA PRIVATE KEY-----\nend"

    assert mask(text) == "The rest of the log\n[masked: private key]\nend"
    assert mask("no key\n-----END RSA PRIVATE KEY-----") == "no key\n-----END RSA PRIVATE KEY-----"
