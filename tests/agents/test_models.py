from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
from traitlets.config import Config

from reasoning_widget.agents import models as models_module
from reasoning_widget.agents.exceptions import AgentError
from reasoning_widget.agents.local import model_files, weights
from reasoning_widget.agents.models import ModelChoice, Models, choose_model, masked, models, require

real_settings = models_module.settings

KEY = "sk-verysecret123456"


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch, tmp_path):
    """Without configuration, keys, servers and weights."""
    for name in ("REASONING_WIDGET_LLM", "DASHSCOPE_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("REASONING_WIDGET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(models_module, "settings", Models)


@pytest.fixture
def serve() -> Iterator[Callable[..., int]]:
    """Start servers that answer /v1/models with a status and a body; returns the port.

    With `shown`, a server is Ollama, which also describes the capabilities of each of these models.
    """
    servers = []

    def start(body: object, status: int = 200, shown: dict[str, object] | None = None) -> int:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(status if self.path == "/v1/models" else 404, body)

            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                known = (shown or {}).get(asked["model"]) if self.path == "/api/show" else None
                self._answer(404 if known is None else 200, known)

            def _answer(self, status: int, body: object) -> None:
                payload = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return server.server_address[1]

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def listing(*names: str) -> dict[str, object]:
    return {"object": "list", "data": [{"id": name, "object": "model"} for name in names]}


def test_without_configuration_the_missing_embedded_model_is_chosen():
    choice = choose_model(servers=())
    assert (choice.source, choice.local, choice.state) == ("embedded", True, "missing")
    assert "small model on this machine" in choice.reason
    data = choice.as_data()
    assert (data["received"], data["total"]) == (0, model_files.SMALL.bytes)


def test_each_source_takes_precedence_over_the_next_ones(monkeypatch, serve):
    servers = [("Ollama", serve(listing("qwen3:8b")))]

    def source() -> str:
        return choose_model(servers=servers).source

    assert source() == "server"
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert source() == "openai"
    monkeypatch.setenv("DASHSCOPE_API_KEY", KEY)
    assert source() == "dashscope"
    monkeypatch.setenv("REASONING_WIDGET_LLM", '{"model": "from-environment"}')
    assert source() == "environment"
    config = Config({"Models": {"llm": {"model": "from-configuration"}}})
    monkeypatch.setattr(models_module, "settings", lambda: Models(config=config))
    assert source() == "config"
    assert choose_model({"model": "given"}, servers=servers).source == "llm"


def test_the_configuration_of_a_running_ipython_is_used(monkeypatch):
    shell = SimpleNamespace(config=Config({"Models": {"llm": {"model": "from-ipython"}}}))
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    monkeypatch.setattr(models_module, "settings", real_settings)
    assert choose_model(servers=()).name == "from-ipython"


def test_openai_takes_the_model_and_address_from_the_environment(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "https://user:pw@models.example/v1?key=abc")
    monkeypatch.setenv("OPENAI_MODEL", "big-one")
    choice = choose_model(servers=())
    assert choice.llm["model"] == "big-one"
    assert "models.example/v1" in choice.reason
    assert "pw" not in choice.reason
    assert "abc" not in choice.reason


def test_the_error_for_a_url_without_a_model_names_the_variable_to_set(monkeypatch):
    monkeypatch.setenv("OPENAI_BASE_URL", "https://models.example/v1")
    with pytest.raises(AgentError, match="OPENAI_MODEL"):
        choose_model(servers=())


@pytest.mark.parametrize("text", ["{model: x}", '"qwen"', "[]", "{}"])
def test_the_error_for_an_invalid_variable_shows_a_valid_value(monkeypatch, text):
    monkeypatch.setenv("REASONING_WIDGET_LLM", text)
    with pytest.raises(AgentError, match=r'"model_server"'):
        choose_model(servers=())


def test_a_server_is_asked_for_a_model_that_can_chat(serve):
    port = serve(listing("nomic-embed-text:latest", "bge-reranker", "llama3.2:3b"))
    choice = choose_model(servers=[("Ollama", port)])
    assert choice.name == "llama3.2:3b"
    assert choice.llm["model_server"] == f"http://127.0.0.1:{port}/v1"
    assert f"Ollama was found on this machine (port {port})" in choice.reason


@pytest.mark.parametrize(
    "said",
    [
        {"capabilities": ["embedding"]},
        {"details": {"family": "bert", "families": ["bert"]}},
        {"details": {"family": "nomic-bert"}},
    ],
)
def test_an_embedding_model_of_ollama_is_not_chosen_regardless_of_its_name(serve, said):
    shown = {"paraphrase-multilingual:latest": said, "qwen3:8b": {"capabilities": ["completion", "tools"]}}
    port = serve(listing(*shown), shown=shown)

    assert choose_model(servers=[("Ollama", port)]).name == "qwen3:8b"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"<html>some other program</html>", 200),
        ({"models": []}, 200),
        ({"object": "list", "data": [{"name": "no id"}]}, 200),
        (listing("qwen3:8b"), 401),
        (listing("text-embedding-3-small"), 200),
    ],
)
def test_other_programs_on_the_port_are_not_model_servers(serve, body, status):
    assert choose_model(servers=[("llama.cpp", serve(body, status))]).source == "embedded"


def test_an_option_selects_a_larger_model_or_a_file(monkeypatch, tmp_path):
    monkeypatch.setattr(models_module, "settings", lambda: Models(embedded="1.5b"))
    assert choose_model(servers=()).name == model_files.LARGE.title
    own = tmp_path / "mine.gguf"
    own.write_bytes(b"GGUF")
    monkeypatch.setattr(models_module, "settings", lambda: Models(embedded=str(own)))
    choice = choose_model(servers=())
    assert (choice.name, choice.state) == ("mine", "ready")
    monkeypatch.setattr(models_module, "settings", lambda: Models(embedded="7b"))
    with pytest.raises(AgentError, match=r"0\.5b or 1\.5b"):
        choose_model(servers=())


def test_the_report_names_the_choice_and_the_skipped_models(monkeypatch, serve):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    report = repr(models(servers=[("vLLM", serve(listing("served-model")))]))
    assert "`OPENAI_API_KEY` is set" in report
    assert "→ OPENAI_API_KEY" in report
    assert "DASHSCOPE_API_KEY  " in report
    assert "served-model, but an earlier one is there" in report
    assert "(not downloaded), but an earlier one is there" in report
    assert KEY not in report


def test_keys_are_in_no_representation_and_are_never_sent():
    llm = {
        "model": "m",
        "api_key": KEY,
        "model_server": f"https://me:{KEY}@host/v1?token={KEY}",
        "generate_cfg": {"extra_headers": {"Authorization": KEY}, "max_tokens": 5, "list": [{"password": KEY}]},
    }
    choice = choose_model(llm)
    shown = f"{choice!r} {choice} {masked(llm)} {choice.as_data()} {models(llm, servers=())!r}"
    assert KEY not in shown
    assert "'max_tokens': 5" in shown
    assert choice.llm["api_key"] == KEY  # the client needs it


def test_the_error_for_a_missing_model_says_how_to_download_or_replace_it():
    with pytest.raises(AgentError, match=r"Download model.*reasoning-widget model pull.*OPENAI_API_KEY"):
        require(choose_model(servers=()))


def test_the_error_for_missing_llama_cpp_says_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(AgentError, match=r'pip install "reasoning-widget\[local\]"'):
        require(choose_model(servers=()))


def test_a_remote_model_requires_no_installation():
    require(ModelChoice({"model": "m"}, "m", "llm", "because"))


def test_with_downloaded_weights_the_embedded_model_is_ready(monkeypatch):
    monkeypatch.setattr(weights, "is_downloaded", lambda model: True)
    assert choose_model(servers=()).state == "ready"
