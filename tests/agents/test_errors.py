from __future__ import annotations

import json

import pytest

from reasoning_widget.agents.errors import explain, redact
from reasoning_widget.agents.exceptions import AgentError

SECRETS = [
    ("Incorrect API key provided: sk-proj-abcDEF123456.", "abcDEF123456"),
    ("headers: {'Authorization': 'Bearer eyJhbGciOi.J9.abc-def'}", "eyJhbGciOi"),
    ('{"api_key": "hunter2hunter2"}', "hunter2"),
    ("OPENAI_API_KEY=abc123", "abc123"),
    ("https://user:pass@example.org/v1", "pass"),
    ("token=s3cr3t&x=1", "s3cr3t"),
    ("the key 0123456789abcdef0123456789abcdef is wrong", "0123456789abcdef"),
    ("hf_AbCdEfGhIjKl", "AbCdEfGh"),
    ("denied for AKIAIOSFODNN7EXAMPLE", "IOSFODNN"),
    ("remote: glpat-AbCdEfGhIjKlMnOpQrSt", "AbCdEfGh"),
    (json.dumps(json.dumps({"api_key": "hunter2"})), "hunter2"),
    (json.dumps(json.dumps(json.dumps({"password": "hunter2"}))), "hunter2"),
    ("Authorization: Token hunter2", "hunter2"),
    ("[('x-api-key', 'hunter2'), ('accept', '*/*')]", "hunter2"),
    ("api_key=SecretStr('hunter2')", "hunter2"),
    ("headers={b'api-key': b'hunter2'}", "hunter2"),
    ("GET https://example.org/v1?alt=sse&key=hunter2", "hunter2"),
    ("passwd=hunter2 PWD=hunter2", "hunter2"),
    ("Your API key `abcdef123456` is not valid", "abcdef"),
    ("Bearer 'abcdef123456'", "abcdef"),
    ("eyJhbGciOiJI.eyJzdWIiOiIx.c2lnbmVk", "eyJzdWIi"),
    ("-----BEGIN PRIVATE KEY-----\nMIIEvQ\nIBADAN\n-----END PRIVATE KEY-----", "IBADAN"),
]


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_text_that_looks_like_a_key_is_removed(text: str, secret: str) -> None:
    assert secret not in redact(text)


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_no_explanation_shows_a_key(text: str, secret: str) -> None:
    assert secret not in explain(RuntimeError(text))


def test_ordinary_text_is_unchanged() -> None:
    text = "The model qwen2.5-coder-0.5b-instruct at http://127.0.0.1:8080/v1 used 1200 tokens."

    assert redact(text) == text
    for said in (
        "max_tokens: 200",
        "there is no key customer_2024",
        "Token limit exceeded: 4096",
        "api_key must be set",
    ):
        assert redact(said) == said
    assert redact("skeleton.skipping of pkgutil_data") == "skeleton.skipping of pkgutil_data"


def test_a_message_for_the_person_is_shown_unchanged() -> None:
    assert explain(AgentError("Plug it in.")) == "Plug it in."


def test_an_error_of_the_agent_is_not_attributed_to_a_model() -> None:
    assert explain(TimeoutError("the lock")) == "The agent raised TimeoutError: the lock"
    assert explain(ConnectionRefusedError("db")).startswith("The agent raised ConnectionRefusedError")


def test_a_missing_module_is_named() -> None:
    assert "No module named 'soundfile'" in explain(ModuleNotFoundError("No module named 'soundfile'"))


@pytest.mark.parametrize(
    ("code", "advice"), [("InvalidApiKey", "DASHSCOPE_API_KEY"), ("Throttling.RateQuota", "Wait"), ("400", "accept")]
)
def test_codes_of_qwen_agents_own_clients_are_understood(code: str, advice: str) -> None:
    from reasoning_widget.agents.qwen import import_qwen_agent

    import_qwen_agent()
    from qwen_agent.llm.base import ModelServiceError

    assert advice in explain(ModelServiceError(code=code, message="no"), address="https://example.org/v1")
