"""What a person sees and does in JupyterLab, as objects and methods for tests."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import nbformat
from playwright.sync_api import BrowserContext, ConsoleMessage, Error, Locator, Page, Request, expect

from tests.browser.chat import CHAT_WITH, Chat
from tests.jupyter import Jupyter

LIGHT, DARK = "JupyterLab Light", "JupyterLab Dark"

_HAS_RUN = re.compile(r"^\[\d+\]:$")


def choose(page: Page, *items: str) -> None:
    """Choose an item of the open menu or of its submenus."""
    for item in items:
        page.locator(".lm-Menu-itemLabel").get_by_text(item, exact=True).click()


class Lab:
    """JupyterLab in a browser window.

    Attributes:
        folder: The folder of the test's notebooks and of the files that its agents may read.
        errors: The uncaught errors in the pages, and the errors written to the console.
        requests_to_others: The addresses of requests to other hosts.
    """

    def __init__(self, window: BrowserContext, jupyter: Jupyter, name: str) -> None:
        self.folder: Path = jupyter.root / name
        self.folder.mkdir()
        self.origin = jupyter.origin
        self.errors: list[str] = []
        self.requests_to_others: list[str] = []
        self._written = 0
        self._window = window
        self._root, self._token = jupyter.root, jupyter.token
        self._name = name

    def open(self, *cells: str, theme: str = LIGHT, clock: bool = False) -> Notebook:
        """Create a notebook with these cells, and open it in a new page with a ready kernel.

        Args:
            cells: The code of the cells.
            theme: JupyterLab's theme.
            clock: Whether the test controls the page's clock.
        """
        notebook = self.open_file(self.write(*cells), clock=clock)
        notebook.ready()
        notebook.use_theme(theme)
        return notebook

    def write(self, *cells: str) -> Path:
        """Write the file of a new notebook with these cells."""
        self._written += 1
        path = self.folder / f"notebook{self._written}.ipynb"
        metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        nbformat.write(
            nbformat.v4.new_notebook(
                cells=[nbformat.v4.new_code_cell(dedent(cell).strip()) for cell in cells], metadata=metadata
            ),
            path,
        )
        return path

    def address(self, path: Path, workspace: str = "") -> str:
        """The address at which JupyterLab shows a notebook, in the test's workspace or another one."""
        where = path.relative_to(self._root).as_posix()
        return f"{self.origin}/lab/workspaces/{self._name}{workspace}/tree/{where}?token={self._token}"

    def open_file(self, path: Path, *, clock: bool = False) -> Notebook:
        """Open an existing notebook in a new page, with the kernel that JupyterLab chooses."""
        page = self._page()
        if clock:
            page.clock.install()
        page.goto(self.address(path))
        notebook = Notebook(page, path)
        notebook.drawn()
        return notebook

    def empty(self, prepare: Callable[[Page], object] = lambda _: None) -> Page:
        """Open JupyterLab without documents in a new page. `prepare` is called with the page while it is empty."""
        page = self._page()
        prepare(page)
        page.goto(f"{self.origin}/lab/workspaces/{self._name}-reading?reset&token={self._token}")
        page.wait_for_function("() => window.jupyterapp?.restored.then(() => true)")
        return page

    def open_without_kernel(
        self, path: Path, theme: str = LIGHT, prepare: Callable[[Page], object] = lambda _: None
    ) -> Notebook:
        """Open an existing notebook in a new page without a kernel, as for reading.

        Args:
            path: The file.
            theme: JupyterLab's theme.
            prepare: See `empty`.
        """
        notebook = Notebook(self.empty(prepare), path)
        where = path.relative_to(self._root).as_posix()
        arguments = {"path": where, "factory": "Notebook", "kernelPreference": {"shouldStart": False}}
        notebook.command("docmanager:open", arguments)
        notebook.drawn()
        notebook.use_theme(theme)  # not earlier: JupyterLab's splash screen is still disappearing
        return notebook

    def _page(self) -> Page:
        page = self._window.new_page()
        page.on("pageerror", self._note)
        page.on("console", self._heed)
        page.on("request", self._watch)
        return page

    def ignore(self, text: str) -> None:
        """Forget the errors so far that contain `text`."""
        self.errors[:] = [error for error in self.errors if text not in error]

    def _note(self, error: Error) -> None:
        # The extension of ipywidgets assumes that a notebook has a kernel.
        if "@jupyter-widgets/" not in (error.stack or "") or "null (reading 'kernel')" not in error.message:
            self.errors.append(str(error))

    def _heed(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} ({message.location.get('url')})")

    def _watch(self, request: Request) -> None:
        if not request.url.startswith((f"{self.origin}/", "data:", "blob:")):
            self.requests_to_others.append(request.url)


class Notebook:
    """An open notebook in a page."""

    def __init__(self, page: Page, path: Path) -> None:
        self.page = page
        self.path = path

    def drawn(self) -> None:
        """Wait until the notebook is on the page."""
        expect(self.page.locator(".jp-Notebook .jp-Cell").first).to_be_visible()

    def ready(self) -> None:
        """Wait until cells can be run."""
        self.drawn()
        self.page.wait_for_function(
            "() => window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
        )

    def use_theme(self, theme: str) -> None:
        """Switch JupyterLab's theme, as its settings menu does."""
        self.command("apputils:change-theme", {"theme": theme})
        self.page.wait_for_function("theme => document.body.dataset.jpThemeName === theme", arg=theme)

    def command(self, name: str, arguments: dict[str, Any] | None = None) -> None:
        """Run a command of JupyterLab, without waiting for its end."""
        self.page.evaluate(
            "([name, args]) => void window.jupyterapp.commands.execute(name, args)", [name, arguments or {}]
        )

    def cell(self, number: int) -> Locator:
        """The cell with this number, from 0."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(number)

    def output(self, number: int) -> Locator:
        """The output of the cell with this number."""
        return self.cell(number).locator(".jp-Cell-outputArea")

    def select(self, number: int) -> None:
        """Make a cell the active one, to which the keyboard and commands apply."""
        self.page.evaluate(
            """number => {
                const { content } = window.jupyterapp.shell.currentWidget;
                content.deselectAll();
                content.activeCellIndex = number;
                content.mode = "command";
                content.activate();
            }""",
            number,
        )

    def start(self, number: int) -> None:
        """Run a cell, without waiting for its end."""
        self.select(number)
        self.command("notebook:run-cell")

    def run(self, number: int) -> Locator:
        """Run a cell to its end, and return its output."""
        self.start(number)
        self.wait_for(number)
        return self.output(number)

    def wait_for(self, number: int) -> None:
        """Wait until a started cell has run."""
        expect(self.prompt(number)).to_have_text(_HAS_RUN)

    def prompt(self, number: int) -> Locator:
        """The prompt beside a cell: `[*]:` while it runs."""
        return self.cell(number).locator(".jp-InputPrompt")

    def evaluate(self, number: int, code: str) -> str:
        """Replace the code of the cell with this number by `code`, run it, and return the printed text."""
        self.write_in(number, code)
        return self.run(number).inner_text().strip()

    def write_in(self, number: int, code: str) -> None:
        """Replace the code of the cell with this number by `code`."""
        self.page.evaluate(
            "([number, code]) => window.jupyterapp.shell.currentWidget.content.widgets[number]"
            ".model.sharedModel.setSource(code)",
            [number, code],
        )

    def chat(self, number: int, index: int = 0) -> Chat:
        """The chat in the output of the cell with this number."""
        return Chat(self.output(number).get_by_role("region", name=CHAT_WITH).nth(index))

    def open_chat(self, number: int = 0) -> Chat:
        """Run the cell with this number, which shows a chat, and wait until the chat can be used."""
        self.run(number)
        chat = self.chat(number)
        expect(chat.message).to_be_editable()
        return chat

    def interrupt(self) -> None:
        """Interrupt the kernel."""
        self.command("notebook:interrupt-kernel")

    def restart(self) -> None:
        """Restart the kernel as its menu does, and wait until it is idle."""
        self.page.evaluate(
            """() => {
                window.statuses = [];
                const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
                kernel.statusChanged.connect((_, status) => window.statuses.push(status));
            }"""
        )
        self.command("notebook:restart-kernel")
        self.page.get_by_role("dialog").get_by_role("button", name="Confirm Kernel Restart").click()
        self.page.wait_for_function("() => statuses.includes('restarting') && statuses.at(-1) === 'idle'")

    def save(self) -> Any:
        """Save with the keyboard, as people do, and return the saved notebook."""
        self.page.keyboard.press("Control+s")
        self.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
        return nbformat.read(self.path, as_version=4)

    def wait_for_saved(self, text: str) -> None:
        """Wait until the notebook's model contains `text` and has been drawn: each refresh redraws it."""
        self.page.wait_for_function(
            """text => JSON.stringify(window.jupyterapp.shell.currentWidget.content.model.sharedModel.toJSON())
                .includes(JSON.stringify(text).slice(1, -1))""",
            arg=text,
        )
        self.page.evaluate("() => new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))")

    def reload(self) -> None:
        """Reload the page."""
        self.page.reload()
        self.ready()

    def close(self) -> None:
        """Shut the kernel down, and close the page."""
        self.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
        self.page.close()
