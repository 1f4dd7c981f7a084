"""The project's metadata: one version, declared dependencies, and lock files that do not depend on a registry."""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from importlib.metadata import packages_distributions, version
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

import reasoning_widget

# Qwen-Agent imports these, or needs certain versions of them, without declaring them.
ON_BEHALF_OF_QWEN_AGENT = {"mcp", "numpy", "python-dateutil", "soundfile", "tqdm"}
RUN_AS_PROGRAMS = {"pip"}


@pytest.fixture
def project(repository: Path) -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    return table


def normalized(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


def imported_modules(source: Path) -> set[str]:
    """Return the top-level names of the modules that a file imports anywhere."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {"reasoning_widget"}


def test_the_package_the_extension_and_the_installation_have_one_version(repository: Path) -> None:
    extension = json.loads((repository / "js" / "package.json").read_text())["version"]
    assert reasoning_widget.__version__ == extension == version("reasoning-widget")


def test_a_citation_names_the_version(repository: Path, project: dict[str, Any]) -> None:
    citation = yaml.safe_load((repository / "CITATION.cff").read_text())
    assert citation["version"] == reasoning_widget.__version__
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in project["authors"]]
    assert (citation["title"], citation["license"]) == (project["name"], project["license"])


def test_exactly_the_imported_packages_are_declared(repository: Path, project: dict[str, Any]) -> None:
    requirements = [*project["dependencies"], *chain.from_iterable(project["optional-dependencies"].values())]
    declared = {normalized(re.split(r"[^\w.-]", requirement)[0]) for requirement in requirements}
    distributions = packages_distributions()
    imported = {
        normalized(distributions.get(module, [module])[0])
        for source in (repository / "reasoning_widget").rglob("*.py")
        for module in imported_modules(source)
    }
    assert imported - declared == set()
    assert declared - imported - ON_BEHALF_OF_QWEN_AGENT - RUN_AS_PROGRAMS == set()


def test_lock_files_name_versions_and_no_addresses(repository: Path) -> None:
    packages = json.loads((repository / "js" / "package-lock.json").read_text())["packages"]
    assert [name for name, package in packages.items() if "resolved" in package and not package.get("link")] == []
    assert "://" not in (repository / "tests" / "requirements.txt").read_text()
