"""Keys and tokens are masked, and what only looks a little like them is not."""

import hashlib
import json
import uuid

import pytest

from reasoning_widget.export.mask import mask, mask_json

ENCODED = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTYifQ.Zm9vYmFyYmF6cXV4"


@pytest.mark.parametrize(
    ("secret", "word"),
    [
        ("sk-" + "a1B2" * 12, "API key"),
        ("sk-proj-" + "a1B2" * 12, "API key"),
        ("sk-ant-api03-" + "a1B2" * 12, "Anthropic key"),
        ("ghp_" + "a1B2" * 9, "GitHub token"),
        ("github_pat_" + "a1B2_" * 12, "GitHub token"),
        ("AKIAIOSFODNN7EXAMPLE", "AWS key"),
        ("xoxb-1234567890-abcdef", "Slack token"),
        ("AIza" + "a1B2c" * 7, "Google key"),
        ("hf_" + "a1B2" * 9, "Hugging Face token"),
        ("glpat-" + "a1B2" * 5, "GitLab token"),
        (ENCODED, "token"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz\n-----END OPENSSH PRIVATE KEY-----", "private key"),
        ("-----BEGIN RSA PRIVATE KEY-----\nb3BlbnNz, and then it breaks off", "private key"),
    ],
)
def test_what_shows_by_its_form_that_it_is_a_secret_is_masked(secret, word):
    assert mask(f"use ({secret}) now") in (f"use ([masked: {word}]) now", f"use ([masked: {word}]")
    assert secret not in json.dumps(mask_json({"a": [{"b": f"x {secret}"}]}))


@pytest.mark.parametrize(
    "text",
    [
        "password=Tr0ub4dor&3",
        "password=letmein",
        "DB_PASSWORD: 'Tr0ub4dor'",
        'api_key = "0123456789abcdef0123"',
        '{"api_key": "0123456789abcdef0123"}',
        r"{\"client_secret\": \"0123456789abcdef0123\"}",
        "OPENAI_API_KEY=abcd1234efgh5678",
        "export HF_TOKEN=abcd1234efgh5678",
        "https://x.example/?access_token=abcd1234efgh5678&page=2",
        "Authorization: Bearer abcd1234efgh5678",
        "postgres://me:Tr0ub4dor@localhost/db",
    ],
)
def test_what_stands_beside_a_name_of_a_secret_is_masked(text):
    masked = mask(text)

    assert "[masked: " in masked
    assert not any(secret in masked for secret in ("Tr0ub4dor", "letmein", "0123456789abcdef", "abcd1234efgh5678"))


def test_a_member_of_an_object_is_masked_by_its_name():
    masked = mask_json({"password": "Tr0ub4dor", "user": "me", "tokens": 12, "nested": [{"api_key": "abcd1234"}]})

    assert masked == {
        "password": "[masked: password]",
        "user": "me",
        "tokens": 12,
        "nested": [{"api_key": "[masked: key]"}],
    }


def test_masked_arguments_are_json_still():
    arguments = json.dumps({"url": "https://x.example", "token": "abcd1234efgh5678", "code": f"login('{ENCODED}')"})

    assert json.loads(mask(arguments)) == {
        "url": "https://x.example",
        "token": "[masked: token]",
        "code": "login('[masked: token]')",
    }


@pytest.mark.parametrize(
    "text",
    [
        f"commit {hashlib.sha1(b'x').hexdigest()}, sha256 {hashlib.sha256(b'x').hexdigest()}",
        f"id {uuid.UUID(int=0x123E4567E89B12D3A456426614174000)}",
        "the answer has 512 tokens; max_tokens=2048; token_count: 17",
        "The primary key: customer_id. The secret: patience.",
        "password = os.environ['PASSWORD']",
        'api_key = getenv("API_KEY")',
        "api_key=your-key-here, token=<token>, password=${PASSWORD}, secret=********",
        "scikit-learn 1.5 and sk-learn; a risk-based-approach-to-2024-planning",
        "def login(password: str, token: str) -> None",
        "compass: north12, bypass: lane42, tokenizer=cl100k_base",
        "see https://docs.example.org:8080/keys/management#tokens",
    ],
)
def test_prose_hashes_and_placeholders_stay_as_they_are(text):
    assert mask(text) == text


def test_masking_again_changes_nothing():
    once = mask(f"password=Tr0ub4dor {ENCODED} Bearer abcd1234efgh5678 a://b:Tr0ub4dor@c")

    assert mask(once) == once
