"""The command `reasoning-widget`: ask agents, follow, list and export a server's sessions, and manage the local model.

Its exit codes: 0 for success; 1 for a failure, such as a failed run; 2 for invalid arguments; 3 if no server can be
reached; 4 if the server refuses access; 130 after an interrupt.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from .agents.base import prompt_for
from .agents.exceptions import AgentError, MaxIterationsReached
from .agents.growing import whole_steps
from .protocol import JSON, Part, ProtocolError, Step
from .terminal import Drawing, clean, label

if TYPE_CHECKING:
    from .client.address import Address
    from .client.opening import connect

_HELP = (
    "Ask agents and watch them think, here or on a server.\n\n"
    "With --server, or REASONING_WIDGET_SERVER in the environment, a Jupyter server is asked; its token is read from "
    "REASONING_WIDGET_TOKEN, or a ticket from REASONING_WIDGET_TICKET."
)

app = typer.Typer(no_args_is_help=True, add_completion=False, help=_HELP)
model_app = typer.Typer(no_args_is_help=True, help="The language model that answers.")
app.add_typer(model_app, name="model")

UNREACHABLE = 3
NOT_ALLOWED = 4

_Size = Annotated[str, typer.Option(help="0.5b (0.5 GB) or 1.5b (1.1 GB, better).")]
_Server = Annotated[
    str | None, typer.Option(envvar="REASONING_WIDGET_SERVER", help="A Jupyter server's address: http://host:8888/")
]
_Session = Annotated[str, typer.Argument(help="The session's id, as `reasoning-widget sessions` lists it.")]


def main() -> None:
    """Run the command."""
    app()


# The model --------------------------------------------------------------------------------------------------------


@model_app.command()
def pull(size: _Size = "0.5b") -> None:
    """Download the weights of the embedded model, unless they are here. Goes on where it broke off."""
    from .agents.local import weights

    with _report_errors():
        title = weights.model(size).title
        with _progress_bar(title) as progress:
            path = weights.pull(size, progress)
    typer.echo(path)


@model_app.command("list")
def list_models() -> None:
    """List the embedded models, and which of them are here."""
    from .agents.local import weights
    from .agents.local.model_files import MODELS

    for model in MODELS.values():
        here = (
            "here"
            if weights.is_downloaded(model)
            else f"{weights.downloaded_bytes(model) / model.bytes:.0%} downloaded"
        )
        typer.echo(f"{model.size}  {model.title}  {model.bytes / 1e9:.1f} GB  {here}")


@model_app.command()
def path(size: _Size = "0.5b") -> None:
    """Print where the weights are. Fails if they are not here."""
    from .agents.local import weights

    with _report_errors():
        typer.echo(weights.verified_path(weights.model(size)))


@model_app.command()
def which() -> None:
    """Say which model answers and why, and what else was looked for."""
    from .agents.models import models

    with _report_errors():
        typer.echo(models())


@contextlib.contextmanager
def _progress_bar(title: str) -> Iterator[Any]:
    """Yield a function that takes the received and the total bytes. The bar is drawn only in a terminal."""
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(TextColumn("{task.description}"), *columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title)
        yield lambda received, total: bar.update(task, completed=received, total=total)


# Asking -----------------------------------------------------------------------------------------------------------


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="What to ask.")] = "",
    image: Annotated[
        list[Path] | None, typer.Option(help="An image to ask about: PNG, JPEG, GIF or WebP. May be given again.")
    ] = None,
    file: Annotated[list[Path] | None, typer.Option(help="A file to ask about. May be given again.")] = None,
    agent: Annotated[
        str | None, typer.Option(help="Which agent: researcher (unless the session had another), assistant, your own.")
    ] = None,
    max_iterations: Annotated[int, typer.Option(min=1, help="How many model calls it may make.")] = 20,
    server: _Server = None,
    session: Annotated[
        str | None, typer.Option(help="On a server: the session to go on with; a new one if absent.")
    ] = None,
) -> None:
    """Ask an agent, and watch its steps: here, about the files below this folder, or on a server.

    Piped, the answer alone is printed; the steps go to the standard error.
    """
    if not (question.strip() or image or file):
        _fail("The question is empty: write one.")
    with _report_errors():
        prompt = _prompt(question, image or [], file or [])
        if server is not None:
            _ask_server(_connect(server, session), prompt, agent, max_iterations)
        elif session is not None:
            _fail("A session is on a server: name it with --server, or in REASONING_WIDGET_SERVER.")
        else:
            _ask_here(prompt, agent or "researcher", max_iterations)


def _prompt(question: str, images: list[Path], files: list[Path]) -> str | list[Part]:
    """Return the prompt with its attachments.

    Raises:
        ValueError: An attachment cannot be read or is rejected.
    """
    from .parts import as_message, names_of, to_logged

    text: list[dict[str, object]] = [{"text": question}] if question.strip() else []
    attached: list[dict[str, object]] = [{"image": path} for path in images]
    attached += [{"file": path} for path in files]
    message = as_message([*text, *attached]) if attached else question
    to_logged(message)  # rejects attachments before anything is sent
    if not isinstance(message, str):
        typer.echo(f"Attached: {clean(', '.join(names_of(message)))}", err=True)
    return message


def _ask_here(prompt: str | list[Part], agent: str, max_iterations: int) -> None:
    from .agents.manager import AgentManager, UnknownAgentError
    from .agents.models import choose_model

    typer.echo(choose_model().reason, err=True)
    try:
        chosen = AgentManager().get(agent)
    except UnknownAgentError as error:
        _fail(str(error))
    try:
        with prompt_for(chosen, prompt) as given:
            asyncio.run(_show(whole_steps(chosen.run_with_reasoning_stream(given, max_iterations))))
    except (AgentError, MaxIterationsReached):
        raise
    except Exception as error:  # noqa: BLE001 (agents may raise anything; the person sees the message)
        from .agents.error_origin import error_origin

        place = error_origin(error)
        _fail(chosen.explain(error) + (f" (Raised at {place['where']}.)" if place else ""))


async def _show(steps: AsyncIterator[Step]) -> None:
    """Draw each step while it grows. A step without a `status` is complete once another step begins."""
    growing: JSON | None = None
    with Drawing() as drawing:
        async for each in steps:
            step: JSON = dict(each)
            if growing is not None and step.get("id") != growing["id"]:
                drawing.done(growing)
                growing = None
            if "id" not in step:
                drawing.done(step)
            elif "status" in step:
                drawing.show(step)
            else:
                growing = step
                drawing.grow(step)


def _ask_server(way: connect, prompt: str | list[Part], agent: str | None, max_iterations: int) -> None:
    from .agents.manager import UnknownAgentError

    with way as chat:
        with Drawing() as drawing:
            try:
                asked = chat.ask(
                    prompt,
                    agent=agent,
                    max_iterations=max_iterations,
                    tokens=drawing.live,
                    on_request=drawing.request,
                )
            except UnknownAgentError as error:
                _fail(str(error))
            typer.echo(f"Session {chat.session_id}", err=True)
            for step in asked:
                drawing.show(step)
        answer = asked.answer()
    if answer.status != "completed":
        _fail(f"The run ended: {label(answer.status)}.")


# A server's sessions ----------------------------------------------------------------------------------------------


@app.command()
def watch(session: _Session, server: _Server = None) -> None:
    """Read along in a session of a server: what was said, and what comes, until you press Ctrl-C."""
    from .client.rest import session as known_session

    with _report_errors():
        way = _connect(_named(server), session)
        known_session(_address(_named(server)), session)  # because connecting would create it
        asyncio.run(_watch(way))


async def _watch(way: connect) -> None:
    from .client.following import Following

    async with way as chat:
        following = Following(chat)
        with Drawing(everything=True, reader=chat.author) as drawing:
            drawing.catch_up(chat.state)
            while True:
                await following.changed()
                for kind, name in following.pop_changes():
                    drawing.change(chat.state, kind, name)


@app.command("sessions")
def list_sessions(
    words: Annotated[list[str] | None, typer.Argument(help="Words that were said in them.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    server: _Server = None,
) -> None:
    """List the sessions of a server, newest first, or those in which something was said.

    Piped, a line each: id, time, questions, status, title; between them tabs.
    """
    from .client.rest import sessions

    with _report_errors():
        found = list(sessions(_address(_named(server)), " ".join(words or []), limit))
    console = Console()
    if console.is_terminal:
        table = Table("Session", "Last used", "Questions", "Status", "Title", box=None)
        for info in found:
            table.add_row(*map(Text, _row(info)))
        console.print(table if found else "There are none.")
        return
    for info in found:
        sys.stdout.write("\t".join(cell.replace("\t", " ").replace("\n", " ") for cell in _row(info)) + "\n")


def _row(info: JSON) -> list[str]:
    used = time.strftime("%Y-%m-%d %H:%M", time.localtime(info["updated"]))
    said = info.get("snippet") or info["title"] or ""
    return [label(info["id"]), used, label(info["messages"]), label(info["status"] or ""), clean(said)]


@app.command()
def export(
    session: _Session,
    kind: Annotated[
        Literal["json", "markdown", "html", "notebook", "table"], typer.Option("--format", help="How.")
    ] = "markdown",
    output: Annotated[Path | None, typer.Option(help="The file to write; the standard output if absent.")] = None,
    server: _Server = None,
) -> None:
    """Print a session of a server as a file."""
    from .client.rest import export

    with _report_errors():
        content = export(_address(_named(server)), session, kind)
        if output is None:
            shown = sys.stdout.isatty()  # a terminal would obey what is in it
            sys.stdout.buffer.write(clean(content.decode(errors="replace")).encode() if shown else content)
            sys.stdout.flush()
        else:
            output.write_bytes(content)


def _named(server: str | None) -> str:
    return server or _fail("Which server? Name it with --server, or in REASONING_WIDGET_SERVER.", 2)


def _secrets() -> tuple[str | None, str | None]:
    """Return the token and the ticket; only the ticket if both are set."""
    ticket = os.environ.get("REASONING_WIDGET_TICKET") or None
    return (None if ticket else os.environ.get("REASONING_WIDGET_TOKEN") or None), ticket


def _address(server: str) -> Address:
    from .client.address import Address

    return Address.of(server, *_secrets())


def _connect(server: str, session: str | None) -> connect:
    from .client import connect

    token, ticket = _secrets()
    return connect(server, session or f"cli-{secrets.token_hex(4)}", token=token, ticket=ticket)


@contextlib.contextmanager
def _report_errors() -> Iterator[None]:
    """Report expected errors as messages instead of tracebacks, with an exit code for each kind."""
    from .client.errors import Disconnected, NotAllowed

    try:
        yield
    except NotAllowed as error:
        _, ticket = _secrets()
        better = (
            "another ticket into REASONING_WIDGET_TICKET"
            if ticket
            else "the server's token into REASONING_WIDGET_TOKEN"
        )
        _fail(f"{error} Put {better}.", NOT_ALLOWED)
    except Disconnected as error:
        _fail(str(error), UNREACHABLE)
    except (AgentError, ProtocolError, LookupError) as error:
        _fail(str(error))
    except ValueError as error:
        _fail(str(error), 2)
    except OSError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _fail(message: str, code: int = 1) -> NoReturn:
    typer.secho(clean(message), err=True, fg=typer.colors.RED)
    raise typer.Exit(code)
