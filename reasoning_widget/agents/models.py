"""Choose the language model in a fixed order, and give the reason for the choice.

Imports nothing heavy. Keys are never shown: they stay in the environment or in the given configuration.
"""

from __future__ import annotations

import http.client
import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from traitlets import Dict, Float, Unicode
from traitlets.config import Configurable

from ..host import traitlets_config
from ..protocol import ModelData
from .exceptions import AgentError
from .local import server, weights
from .local.model_files import MODELS

LOCAL_SERVERS: Final = (("Ollama", 11434), ("LM Studio", 1234), ("llama.cpp", 8080), ("vLLM", 8000))
"""The names and default ports of the local model servers that are searched for."""

EMBEDDED: Final = "embedded"
_LLM_VARIABLE: Final = "REASONING_WIDGET_LLM"
_EXAMPLE: Final = '{"model": "qwen3:8b", "model_server": "http://localhost:11434/v1"}'
_PROBE_SECONDS: Final = 0.5
_MAX_PROBE_BYTES: Final = 1024 * 1024
_NOT_FOR_CHAT: Final = re.compile(
    r"embed|rerank|whisper|\btts\b|speech|transcri|moderation|dall-e|diffusion|\bclip\b|\bbge-|\bgte-|\be5-|minilm",
    re.IGNORECASE,
)
_SECRET: Final = re.compile(r"key|token|secret|passw|auth|credential|header|cookie", re.IGNORECASE)
_HARMLESS: Final = frozenset({"max_tokens", "max_input_tokens", "max_completion_tokens"})


class Models(Configurable):
    """The default model: `c.Models…` in a Jupyter or IPython configuration file."""

    llm = Dict(help="A Qwen-Agent model configuration. If empty, a model is searched for.").tag(config=True)
    embedded = Unicode(
        "0.5b", help="The embedded model: '0.5b' (0.5 GB), '1.5b' (1.1 GB, better) or the path of a GGUF file."
    ).tag(config=True)
    idle_minutes = Float(10.0, help="Minutes without use after which the process of the embedded model exits.").tag(
        config=True
    )


@dataclass(frozen=True, repr=False)
class ModelChoice:
    """The model that answers, and why this one was chosen.

    Attributes:
        llm: Its Qwen-Agent configuration. It can contain a key, so do not show it.
        name: Its name.
        source: ``llm``, ``config``, ``environment``, ``dashscope``, ``openai``, ``server`` or ``embedded``.
        reason: A sentence that explains the choice.
        local: Whether it is the small embedded model.
        state: ``missing`` if the weights of the embedded model are not downloaded, otherwise ``ready``.
    """

    llm: dict[str, Any]
    name: str
    source: str
    reason: str
    local: bool = False
    state: Literal["ready", "missing"] = "ready"

    def as_data(self) -> ModelData:
        """Return the choice in the form in which it is sent to pages."""
        data: ModelData = {
            "name": self.name,
            "source": self.source,
            "reason": self.reason,
            "local": self.local,
            "state": self.state,
        }
        if self.state == "missing" and self.llm.get("model") in MODELS:
            model = MODELS[self.llm["model"]]
            data |= {"received": weights.downloaded_bytes(model), "total": model.bytes}
        return data

    def __repr__(self) -> str:
        return (
            f"ModelChoice(name={self.name!r}, source={self.source!r}, state={self.state!r}, llm={masked(self.llm)!r})"
        )


@dataclass(frozen=True)
class Considered:
    """A place where a model was searched for.

    Attributes:
        place: The name of the place.
        found: What was found there, as text.
        chosen: Whether this is the model that answers.
    """

    place: str
    found: str
    chosen: bool


@dataclass(frozen=True, repr=False)
class ModelReport:
    """Which model was chosen and why, and what else was considered. It prints as a short text.

    Attributes:
        choice: The model that answers.
        considered: Every place where a model was searched for, in order.
    """

    choice: ModelChoice
    considered: tuple[Considered, ...]

    def __repr__(self) -> str:
        state = "" if self.choice.state == "ready" else f" {weights.HOW_TO_DOWNLOAD}"
        lines = [f"{self.choice.name}: {self.choice.reason}{state}", ""]
        width = max(len(each.place) for each in self.considered)
        lines += [f"{'→' if each.chosen else ' '} {each.place:<{width}}  {each.found}" for each in self.considered]
        return "\n".join(lines)


def choose_model(
    llm: dict[str, Any] | None = None, *, servers: Sequence[tuple[str, int]] = LOCAL_SERVERS
) -> ModelChoice:
    """Return the first model that is available, in the order of `models`.

    Args:
        llm: A Qwen-Agent model configuration. If given, it is chosen.
        servers: The names and local ports of the model servers to search for on this machine.

    Raises:
        AgentError: A configuration is unusable; the text says which one and what to do.
    """
    for _, look in _candidates(llm, servers):
        found = look()
        if isinstance(found, ModelChoice):
            return found
    raise AssertionError  # the embedded model can always be chosen


def models(llm: dict[str, Any] | None = None, *, servers: Sequence[tuple[str, int]] = LOCAL_SERVERS) -> ModelReport:
    """Find out which model answers, and why.

    Models are searched for in this order: an explicit `llm`; the configuration ``c.Models.llm``;
    ``REASONING_WIDGET_LLM`` (JSON); ``DASHSCOPE_API_KEY``; ``OPENAI_API_KEY`` or ``OPENAI_BASE_URL``; a model server on
    this machine; the embedded model.

    Args:
        llm: A Qwen-Agent model configuration.
        servers: The names and local ports of the model servers to search for on this machine.

    Raises:
        AgentError: A configuration is unusable; the text says which one and what to do.
    """
    choice: ModelChoice | None = None
    considered = []
    for place, look in _candidates(llm, servers):
        found = look()
        if isinstance(found, ModelChoice):
            text = f"{found.name}" + ("" if found.state == "ready" else " (not downloaded)")
            considered.append(
                Considered(place, text if choice is None else f"{text}, but an earlier one is there", choice is None)
            )
            choice = choice or found
        else:
            considered.append(Considered(place, found, chosen=False))
    assert choice is not None
    return ModelReport(choice, tuple(considered))


def settings() -> Models:
    """Return the configuration of the running IPython; outside IPython, the defaults."""
    return Models(config=traitlets_config())


def masked(value: Any) -> Any:
    """Return a copy of a configuration without its secrets: keys, and users, passwords and queries of URLs."""
    if isinstance(value, dict):
        return {k: "…" if _SECRET.search(str(k)) and k not in _HARMLESS and v else masked(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [masked(item) for item in value]
    if isinstance(value, str) and "://" in value:
        return _address(value)
    return value


# The candidates, in order ---------------------------------------------------------------------------------------------

_Lookup = Callable[[], ModelChoice | str]
"""Returns the choice, or the reason why there is none."""


def _candidates(llm: dict[str, Any] | None, servers: Sequence[tuple[str, int]]) -> Iterator[tuple[str, _Lookup]]:
    yield "llm=…", lambda: _configured(llm, "llm", "it was given as `llm`") if llm else "not given"
    yield "c.Models.llm", _from_traitlets
    yield _LLM_VARIABLE, _from_environment
    yield "DASHSCOPE_API_KEY", _from_dashscope
    yield "OPENAI_API_KEY", _from_openai
    yield "a server on this machine", lambda: _from_servers(servers)
    yield "the embedded model", _from_embedded


def _configured(llm: Any, source: str, because: str) -> ModelChoice:
    """Return the choice for an explicit configuration."""
    if not isinstance(llm, dict) or not (llm.get("model") or llm.get("model_type")):
        raise AgentError(
            f"The model configuration ({because}) is invalid: it needs at least a `model`, as in `{_EXAMPLE}`."
        )
    if llm.get("model_type") == EMBEDDED:
        return _embedded(llm, source, f"A small model on this machine answers: {because}.")
    name = str(llm.get("model") or llm["model_type"])
    where = next((str(llm[k]) for k in ("api_base", "base_url", "model_server") if llm.get(k)), "")
    at = f" at {_address(where)}" if "://" in where else ""
    return ModelChoice(dict(llm), name, source, f"{name}{at} answers: {because}.")


def _from_traitlets() -> ModelChoice | str:
    llm = dict(settings().llm)
    return _configured(llm, "config", "`c.Models.llm` in the configuration says so") if llm else "not configured"


def _from_environment() -> ModelChoice | str:
    text = os.environ.get(_LLM_VARIABLE, "").strip()
    if not text:
        return "not set"
    try:
        llm = json.loads(text)
    except ValueError as error:
        raise AgentError(
            f"{_LLM_VARIABLE} is not JSON ({error}). Correct it, for example to `{_EXAMPLE}`, or unset it."
        ) from None
    return _configured(llm, "environment", f"`{_LLM_VARIABLE}` is set")


def _from_dashscope() -> ModelChoice | str:
    if not os.environ.get("DASHSCOPE_API_KEY", "").strip():
        return "not set"
    llm = {"model": "qwen-plus", "model_type": "qwen_dashscope"}  # reads the key from the environment itself
    return ModelChoice(llm, "qwen-plus", "dashscope", "qwen-plus answers: `DASHSCOPE_API_KEY` is set.")


def _from_openai() -> ModelChoice | str:
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    address = os.environ.get("OPENAI_BASE_URL", "").strip()
    if not key and not address:
        return "not set, nor OPENAI_BASE_URL"
    name = os.environ.get("OPENAI_MODEL", "").strip()
    if not name and address:
        raise AgentError("`OPENAI_BASE_URL` is set: set `OPENAI_MODEL`, too, to one of its models.")
    name = name or "gpt-4o-mini"
    llm: dict[str, Any] = {"model": name, "model_type": "oai"}  # reads the key from the environment itself
    if address:
        llm["model_server"] = address
    because = "`OPENAI_BASE_URL`" if address else "`OPENAI_API_KEY`"
    at = f" at {_address(address)}" if address else ""
    return ModelChoice(llm, name, "openai", f"{name}{at} answers: {because} is set.")


def _from_servers(servers: Sequence[tuple[str, int]]) -> ModelChoice | str:
    if not servers:
        return "not looked for"
    with ThreadPoolExecutor(len(servers)) as pool:
        found = list(pool.map(lambda each: _models_at(each[1]), servers))
    for (title, port), names in zip(servers, found, strict=True):
        for name in names:
            if not _NOT_FOR_CHAT.search(name) and _can_chat(port, name):
                # The client requires a key, which these servers ignore.
                address = f"http://127.0.0.1:{port}/v1"
                llm = {"model": name, "model_type": "oai", "model_server": address, "api_key": "none"}
                reason = f"{name} answers: {title} was found on this machine (port {port})."
                return ModelChoice(llm, name, "server", reason)
    looked = ", ".join(f"{title} {port}" for title, port in servers)
    only = sorted({name for names in found for name in names})
    return f"none that can chat ({', '.join(only[:3])})" if only else f"none found ({looked})"


def _from_embedded() -> ModelChoice:
    configured = settings()
    llm = {"model": configured.embedded, "model_type": EMBEDDED, "idle_minutes": configured.idle_minutes}
    reason = "A small model on this machine answers: no key and no model server was found."
    return _embedded(llm, EMBEDDED, reason)


def _embedded(llm: dict[str, Any], source: str, reason: str) -> ModelChoice:
    size = str(llm.get("model") or "0.5b")
    path = Path(size).expanduser()
    if path.suffix == ".gguf":
        if not path.is_file():
            raise AgentError(f"There is no file {path}: correct the path of the embedded model.")
        return ModelChoice(dict(llm), path.stem, source, reason, local=True)
    model = weights.model(size)
    here = weights.is_downloaded(model)
    expect = " Do not expect too much of it."
    named = {**llm, "model": model.size}
    return ModelChoice(named, model.title, source, reason + expect, local=True, state="ready" if here else "missing")


def require(choice: ModelChoice) -> None:
    """Check that the chosen model can answer.

    Raises:
        AgentError: The embedded model was chosen, but is not installed completely; the text says what to do.
    """
    if choice.llm.get("model_type") != EMBEDDED:
        return
    other = (
        "Or use another model: set `DASHSCOPE_API_KEY` or `OPENAI_API_KEY`, start a model server on this machine "
        f"(Ollama, for example), or set `{_LLM_VARIABLE}`."
    )
    if not server.is_installed():
        raise AgentError(
            f"The embedded model needs llama.cpp: {server.HOW_TO_INSTALL}, then restart the kernel. {other}"
        )
    if choice.state == "missing":
        raise AgentError(f"The embedded model {choice.name} is not downloaded yet. {weights.HOW_TO_DOWNLOAD} {other}")


# Searching for servers ----------------------------------------------------------------------------------------------


def _models_at(port: int) -> list[str]:
    """Return the models that an OpenAI-compatible server on this port lists; none if there is no such server."""
    listed = _json_from(port, "GET", "/v1/models")
    try:
        if listed["object"] != "list":
            return []
        return [model["id"] for model in listed["data"] if isinstance(model["id"], str) and model["id"]]
    except (KeyError, TypeError):
        return []  # no server, or another one


def _can_chat(port: int, name: str) -> bool:
    """Return whether a model can chat, according to Ollama; True if the server does not say."""
    shown = _json_from(port, "POST", "/api/show", {"model": name})
    if not isinstance(shown, dict):
        return True
    capabilities = shown.get("capabilities")
    if isinstance(capabilities, list):
        return "completion" in capabilities
    details = shown.get("details")
    family = str(details.get("family", "")) if isinstance(details, dict) else ""
    return "bert" not in family.lower()  # for versions of Ollama that do not list capabilities


def _json_from(port: int, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    """Return the JSON that a server on this port answers; None if it does not, or answers with an error."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PROBE_SECONDS)
    try:
        sent = None if body is None else json.dumps(body)
        connection.request(method, path, sent, {"Accept": "application/json", "Content-Type": "application/json"})
        response = connection.getresponse()
        return json.loads(response.read(_MAX_PROBE_BYTES)) if response.status == http.client.OK else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        connection.close()


def _address(url: str) -> str:
    """Return a URL without user, password and query."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"
