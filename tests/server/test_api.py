"""The REST interface of a real server."""

from __future__ import annotations

import base64
import copy
import inspect
import re
from pathlib import Path
from urllib.parse import quote

import pytest
import schemathesis
import yaml
from hypothesis import strategies as st
from schemathesis.engine import events, from_schema
from websockets.exceptions import ConnectionClosed

from reasoning_widget.server import api
from tests.server.client import connected, new_session
from tests.server.rest import API, call, spoken_in

OPENAPI = Path(inspect.getfile(api)).parent / "openapi.yaml"
DOCUMENT = yaml.safe_load(OPENAPI.read_text(encoding="utf-8"))


# The list of sessions


async def test_a_session_is_described(server):
    session_id = await spoken_in(server, new_session(), "How deep is the sea?")
    info = call(server, "GET", f"sessions/{session_id}").json
    assert (info["id"], info["title"]) == (session_id, "How deep is the sea?")
    assert (info["messages"], info["pending"], info["runs"], info["steps"]) == (1, 0, 1, 2)
    assert (info["agent_name"], info["status"]) == ("echo", "completed")
    assert info["updated"] >= info["created"] > 1.6e9


async def test_pages_list_each_session_once_newest_first(server):
    names = [await spoken_in(server, new_session(), "pagination") for _ in range(5)]
    listed, cursor = [], ""
    while cursor is not None:
        page = call(server, "GET", f"sessions?q=pagination&limit=2{cursor and f'&cursor={cursor}'}").json
        assert len(page["sessions"]) <= 2
        listed += [info["id"] for info in page["sessions"]]
        cursor = page["next_cursor"]
    assert listed == names[::-1]


@pytest.mark.parametrize(
    ("said", "query"),
    [
        ("Wie tief ist der Mariannengraben?", "mariannenGRABEN"),
        ("马里亚纳海沟有多深", "海沟"),
        ("Насколько глубока впадина?", "ВПАДИНА глубока"),
        ("كم عمق البحر", "عمق"),
        ("100 % sure_ly?", "% sure_"),
    ],
)
async def test_a_search_finds_messages_in_any_language(server, said, query):
    session_id = await spoken_in(server, new_session(), said)
    found = call(server, "GET", f"sessions?q={quote(query)}").json["sessions"]
    assert [info["id"] for info in found] == [session_id]
    assert query.split()[0].casefold() in found[0]["snippet"].casefold()
    assert call(server, "GET", f"sessions?q={quote(f'{query} nowhere')}").json["sessions"] == []


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "limit=", "limit=٣", "cursor=x", "limit=99999"])
def test_invalid_parameters_of_a_page_are_explained(server, query):
    answer = call(server, "GET", f"sessions?{quote(query, safe='=')}")
    assert answer.status == 400
    assert answer.json["code"] == "bad_request"
    assert query.partition("=")[0] in answer.json["message"]


# One session


async def test_a_new_title_is_listed_and_sent_to_watchers(server):
    session_id = await spoken_in(server, new_session())
    async with connected(server, session_id) as client:
        answer = call(server, "PATCH", f"sessions/{session_id}", {"title": "  Deep\n  sea 100% "})
        assert (answer.status, answer.json["title"]) == (200, "Deep sea 100%")
        while client.state["title"] != "Deep sea 100%":
            await client.receive()
    assert call(server, "GET", f"sessions/{session_id}").json["title"] == "Deep sea 100%"


@pytest.mark.parametrize(
    ("body", "headers", "status", "message"),
    [
        ({"title": " "}, {}, 400, "write a few words"),
        ({"title": 5}, {}, 400, "`body.title`"),
        ({}, {}, 400, "title"),
        ({"title": "x", "colour": "red"}, {}, 400, "colour"),
        (b"no json", {}, 400, "the body"),
        (b"", {}, 400, "the body"),
        (b'"\xff"', {}, 400, "the body"),
        ({"title": "x" * 70_000}, {}, 413, "64 KiB"),
        (b"title=x", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "application/json"),
    ],
)
async def test_an_invalid_body_is_explained(server, body, headers, status, message):
    headers = {"Authorization": f"token {server.token}", **headers}
    answer = call(server, "PATCH", "sessions/none", body, headers)
    if status == 400 and body == {"title": " "}:
        session_id = await spoken_in(server, new_session())
        answer = call(server, "PATCH", f"sessions/{session_id}", body, headers)
    assert answer.status == status
    assert message in answer.json["message"]


async def test_deleting_a_session_closes_its_connections(server):
    session_id = new_session()
    async with connected(server, session_id) as client:
        await client.ask("go", "wait")
        await client.until("reasoning_step")
        assert call(server, "DELETE", f"sessions/{session_id}").status == 204
        with pytest.raises(ConnectionClosed) as closed:
            await client.until("nothing")
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4410
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/export"), ("GET", f"/blobs/{'0' * 64}")):
        assert call(server, method, f"sessions/{session_id}{path}").status == 404
    async with connected(server, session_id) as client:
        await client.ask("anew")
        await client.until("run_finished")
        assert len(client.state["messages"]) == 1


@pytest.mark.parametrize("session_id", ["a%20b", "x" * 129, "..%2F..%2Fx", "a.b", "%00"])
@pytest.mark.parametrize("path", ["", "/export", f"/blobs/{'0' * 64}"])
def test_a_malformed_id_is_refused(server, session_id, path):
    answer = call(server, "GET", f"sessions/{session_id}{path}")
    assert (answer.status, "1 to 128 characters" in answer.json["message"]) == (400, True)


# Exports


@pytest.mark.parametrize(
    ("kind", "name", "content_type"),
    [
        ("json", "json", "application/json"),
        ("markdown", "md", "text/markdown; charset=utf-8"),
        ("html", "html", "text/html; charset=utf-8"),
        ("notebook", "ipynb", "application/x-ipynb+json"),
        ("table", "csv", "text/csv; charset=utf-8"),
    ],
)
async def test_an_export_is_a_file_without_scripts(server, kind, name, content_type):
    session_id = await spoken_in(server, new_session(), "<script>alert(1)</script> 深海")
    answer = call(server, "GET", f"sessions/{session_id}/export?format={kind}")
    assert answer.headers["Content-Type"] == content_type
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{session_id}.{name}"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    text = answer.body.decode()
    assert "深海" in text
    assert kind != "html" or "<script>alert" not in text


@pytest.mark.parametrize("kind", ["markdown", "html", "notebook", "table"])
async def test_a_session_in_the_body_is_exported_like_a_stored_one(server, kind):
    session_id = await spoken_in(server, new_session(), "<script>alert(1)</script> 深海")
    kept = call(server, "GET", f"sessions/{session_id}/export?format={kind}")
    file = call(server, "GET", f"sessions/{session_id}/export").json
    answer = call(server, "POST", f"export?format={kind}", {**file, "session_id": "elsewhere"})
    assert answer.body.decode().replace("elsewhere", session_id) == kept.body.decode()
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="elsewhere.')
    assert call(server, "GET", "sessions/elsewhere").status == 404


@pytest.mark.parametrize(
    ("query", "body"), [("?format=json", {}), ("", {}), ("?format=html", {}), ("?format=html", {"format": "other"})]
)
def test_a_body_that_is_not_a_session_is_not_exported(server, query, body):
    assert call(server, "POST", f"export{query}", body).status == 400


async def test_an_export_as_json_is_the_whole_log(server):
    session_id = await spoken_in(server, new_session())
    async with connected(server, session_id, "after=0") as client:
        await client.until("run_finished")
    file = call(server, "GET", f"sessions/{session_id}/export").json
    assert (file["format"], file["session_id"], file["epoch"]) == (
        "reasoning-widget.session",
        session_id,
        client.state["epoch"],
    )
    assert [event["seq"] for event in file["events"]] == list(range(1, client.state["last_seq"] + 1))
    sent = [frame for frame in client.frames if "seq" in frame]
    assert [event for event in file["events"] if event in sent] == sent


async def test_a_long_value_is_fetched_by_its_hash(server):
    session_id = new_session()
    async with connected(server, session_id) as client:
        await client.ask("70000", "table")
        await client.until("run_finished")
        (step,) = (step for step in client.state["steps"].values() if step["type"] == "tool_result")
    for mime, value in (("application/json", {"cells": "x" * 70_000}), ("image/png", "A" * 70_000)):
        blob = step["outputs"][0][mime]["blob"]
        answer = call(server, "GET", f"sessions/{session_id}/blobs/{blob}")
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.json == value
    assert call(server, "GET", f"sessions/another/blobs/{blob}").status == 404


# The server


def test_the_agents_are_listed(server):
    agents = {agent["name"]: agent["description"] for agent in call(server, "GET", "agents").json["agents"]}
    assert {"echo", "researcher", "assistant"} <= set(agents)
    assert agents["researcher"].startswith("Searches")


async def test_metrics_count_what_happens(server):
    def read():
        answer = call(server, "GET", "metrics")
        assert answer.headers["Content-Type"].startswith("text/plain")
        values = re.findall(r"^(reasoning_widget_\w+) (\S+)$", answer.body.decode(), re.MULTILINE)
        return {name: float(value) for name, value in values}

    before = read()
    async with connected(server, new_session()) as client:
        await client.ask("go", "wait")
        await client.until("reasoning_step")
        during = read()
        await client.send("stop")
        await client.until("run_finished")
    assert during["reasoning_widget_runs"] >= 1
    assert during["reasoning_widget_sockets"] >= 1
    assert during["reasoning_widget_workers"] >= 1
    assert during["reasoning_widget_sent_messages_total"] > before["reasoning_widget_sent_messages_total"]
    assert during["reasoning_widget_sent_bytes_total"] > before["reasoning_widget_sent_bytes_total"]


# The description


def _alternatives(pattern):
    """Return the paths that match a pattern with alternatives."""
    begin, _, names = pattern.partition("(")
    return [f"{begin}{name}" for name in names.removesuffix(")").split("|")] if "|" in names else [pattern]


def test_the_description_has_exactly_the_routes_that_exist():
    described = {
        re.sub(r"{\w+}", "x", path): {verb.upper() for verb in item if verb != "parameters"}
        for path, item in DOCUMENT["paths"].items()
    }
    routes = {
        path.replace("([^/]+)", "x"): set(handler.methods())
        for pattern, handler in api.handlers()
        for path in _alternatives(pattern.removeprefix(api._ROOT).replace("\\", ""))
        if handler is not api.UnknownHandler
    }
    assert described == routes


_WITH_BODY = [
    (verb.upper(), path, operation["responses"])
    for path, item in DOCUMENT["paths"].items()
    for verb, operation in item.items()
    if "requestBody" in operation
]


@pytest.mark.parametrize(("method", "path", "responses"), _WITH_BODY, ids=lambda value: str(value)[:40])
def test_a_body_may_be_as_long_as_described(server, method, path, responses):
    name = responses["413"]["$ref"].rpartition("/")[2]
    described = re.search(r"longer than (\d+) (KiB|MiB)", DOCUMENT["components"]["responses"][name]["description"])
    assert described is not None
    limit = int(described[1]) * {"KiB": 1024, "MiB": 1024**2}[described[2]]
    path = path.lstrip("/").replace("{session_id}", new_session()) + "?format=markdown"
    assert call(server, method, path, b"{}".ljust(limit)).status == 400
    answer = call(server, method, path, b"{}".ljust(limit + 1))
    assert (answer.status, described[0] in answer.json["message"]) == (413, True)


def test_the_description_is_served(server):
    answer = call(server, "GET", "openapi.yaml")
    assert answer.headers["Content-Type"] == "application/yaml"
    assert yaml.safe_load(answer.body) == DOCUMENT


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "sessions", 405),
        ("PUT", "sessions/x", 405),
        ("GET", "tickets", 405),
        ("DELETE", "health", 405),
        ("HEAD", "agents", 405),
        ("GET", "nothing", 404),
        ("POST", "", 404),
        ("GET", "sessions/x/y", 404),
    ],
)
def test_unknown_paths_and_methods_get_a_json_error(server, method, path, status):
    answer = call(server, method, path)
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/json"
    if method != "HEAD":
        assert set(answer.json) == {"code", "message"}
    if status == 405:
        assert method not in answer.headers["Allow"].split(", ")


async def test_schemathesis_finds_nothing(server):
    session_id = await spoken_in(server, new_session())
    document = copy.deepcopy(DOCUMENT)
    document["components"]["parameters"]["session_id"]["example"] = session_id
    schemathesis.openapi.format("cursor", st.just(base64.urlsafe_b64encode(b'[2e9,"s"]').decode()))
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(
        base_url=f"{server.address}{API}",
        headers={"Authorization": f"token {server.token}"},
        continue_on_failure=True,
        suppress_health_check=[schemathesis.config.HealthCheck.all],
    )
    schema.config.phases.update(phases=["examples", "coverage", "fuzzing"])
    schema.config.generation.update(max_examples=5, deterministic=True, database="none")

    answers, wrong = 0, []
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            wrong.append(str(getattr(event, "info", event)))
        if isinstance(event, events.ScenarioFinished):
            answers += len(event.recorder.interactions)
            failures = [node.failure_info for checks in event.recorder.checks.values() for node in checks]
            wrong += [f"{event.label}: {info.failure}\n{info.code_sample}" for info in failures if info is not None]
    assert "\n\n".join(dict.fromkeys(wrong)) == ""
    assert answers > 200
