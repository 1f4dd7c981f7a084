"""The wheel as users get it: built from the sdist without Node, and installed in an empty environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CHAT = """
import sys
from pathlib import Path

import reasoning_widget
from reasoning_widget import ReasoningChat

async def echo(prompt):
    yield {"type": "thought", "content": "Repeat it."}
    yield {"type": "final_answer", "content": f"You said: {prompt}"}

answer = ReasoningChat(agent=echo).ask("hello")
print(Path(reasoning_widget.__file__).parent)
print(*sys.path, sep=":")
print([step["type"] for step in answer.steps], answer.text)
"""


def run(*command: str | Path, cwd: Path | None = None, path: str | None = None) -> str:
    """Return what a command prints. If the command fails, the error contains all of its output."""
    environment = {**os.environ, "NO_COLOR": "1"}
    environment.pop("PYTHONPATH", None)
    if path is not None:
        environment["PATH"] = path
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)


@pytest.fixture(scope="module")
def uv() -> str:
    found = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    assert found is not None
    return found


@pytest.fixture(scope="module")
def wheel(repository: Path, uv: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the sdist with an empty PATH."""
    folder = tmp_path_factory.mktemp("dist")
    run(uv, "build", "--python", sys.executable, "--sdist", "--out-dir", folder, cwd=repository)
    (sdist,) = folder.glob("*.tar.gz")
    empty = tmp_path_factory.mktemp("empty")
    run(uv, "build", "--python", sys.executable, "--wheel", "--out-dir", folder, sdist, cwd=empty, path=str(empty))
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(repository: Path, uv: str, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs in a new environment with the wheel and JupyterLab."""
    environment = tmp_path_factory.mktemp("installed") / "venv"
    run(uv, "venv", "--python", sys.executable, environment)
    programs = environment / "bin"
    pins = repository / "tests" / "requirements.txt"
    run(uv, "pip", "install", "--python", programs / "python", "--constraint", pins, wheel, "jupyterlab")
    return programs


def test_the_wheel_contains_only_the_package_and_its_built_files(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "reasoning_widget/py.typed" in names
    assert "reasoning_widget/widget/static/widget.js" in names
    assert "reasoning_widget/widget/static/widget.css" in names
    assert "reasoning_widget/widget/static/THIRD-PARTY-LICENSES.txt" in names
    assert {"reasoning_widget/server/openapi.yaml", "reasoning_widget/server/asyncapi.yaml"} <= set(names)
    data, info = (f"reasoning_widget-{wheel.name.split('-')[1]}.{suffix}" for suffix in ("data", "dist-info"))
    extension = f"{data}/data/share/jupyter/labextensions/reasoning-widget"
    assert f"{extension}/package.json" in names
    assert f"{extension}/install.json" in names
    assert f"{extension}/static/third-party-licenses.json" in names
    server = f"{data}/data/etc/jupyter/jupyter_server_config.d/reasoning-widget.json"
    assert server in names
    assert [n for n in names if not n.startswith(("reasoning_widget/", f"{extension}/", f"{info}/", server))] == []
    assert [n for n in names if n.startswith("reasoning_widget/labextension/")] == []


def test_jupyterlab_has_the_extension_enabled(installed: Path, tmp_path: Path) -> None:
    listed = run(installed / "jupyter", "labextension", "list", cwd=tmp_path)
    assert re.search(r"reasoning-widget v\S+ enabled OK \(python, reasoning-widget\)", listed), listed


def test_jupyter_server_has_the_extension_enabled(installed: Path, tmp_path: Path) -> None:
    listed = run(installed / "jupyter", "server", "extension", "list", cwd=tmp_path)
    words = re.sub(r"\x1b\[[0-9;]*m", "", listed)
    assert re.search(r"reasoning_widget\.server enabled", words), listed
    assert re.search(r"reasoning_widget\.server\s+(?:\S+ )?OK", words), listed


def test_a_chat_runs_in_the_installed_environment(installed: Path, repository: Path, tmp_path: Path) -> None:
    package, search_path, answer = run(installed / "python", "-I", "-c", CHAT, cwd=tmp_path).strip().splitlines()
    assert Path(package).is_relative_to(installed.parent)
    assert [p for p in search_path.split(":") if p and Path(p).is_relative_to(repository)] == []
    assert answer == "['thought', 'final_answer'] You said: hello"


def test_the_command_line_is_installed(installed: Path, tmp_path: Path) -> None:
    assert "ask" in run(installed / "reasoning-widget", "--help", cwd=tmp_path)
