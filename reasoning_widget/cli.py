"""The command `reasoning-widget`: fetch the local model, see which model answers, ask in the terminal."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.markdown import Markdown
from rich.panel import Panel
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.text import Text

from .agents.base import AgentError, MaxIterationsReached
from .protocol import Step

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Watch an agent think, and manage its model.")
model_app = typer.Typer(no_args_is_help=True, help="The language model that answers.")
app.add_typer(model_app, name="model")

_LOOKS = {
    "thought": ("Thought", "💭", "blue"),
    "tool_use": ("Tool use", "🔧", "dark_orange"),
    "tool_result": ("Tool result", "📄", "magenta"),
    "final_answer": ("Final answer", "✅", "green"),
    "error": ("Error", "⛔", "red"),
}
_Size = Annotated[str, typer.Option(help="0.5b (0.5 GB) or 1.5b (1.1 GB, better).")]


def main() -> None:
    """Run the command."""
    app()


# The model --------------------------------------------------------------------------------------------------------


@model_app.command()
def pull(size: _Size = "0.5b") -> None:
    """Download the weights of the embedded model, unless they are here. Goes on where it broke off."""
    from .agents.local import weights  # noqa: PLC0415

    with _errors_in_words():
        title = weights.model(size).title
        with _progress_bar(title) as progress:
            path = weights.pull(size, progress)
    typer.echo(path)


@model_app.command("list")
def list_models() -> None:
    """List the embedded models, and which of them are here."""
    from .agents.local import weights  # noqa: PLC0415
    from .agents.local.catalogue import MODELS  # noqa: PLC0415

    for model in MODELS.values():
        here = "here" if weights.is_here(model) else f"{weights.received(model) / model.bytes:.0%} downloaded"
        typer.echo(f"{model.size}  {model.title}  {model.bytes / 1e9:.1f} GB  {here}")


@model_app.command()
def path(size: _Size = "0.5b") -> None:
    """Print where the weights are. Fails if they are not here."""
    from .agents.local import weights  # noqa: PLC0415

    with _errors_in_words():
        typer.echo(weights.checked_path(weights.model(size)))


@model_app.command()
def which() -> None:
    """Say which model answers and why, and what else was looked for."""
    from .agents.models import models  # noqa: PLC0415

    with _errors_in_words():
        typer.echo(models())


@contextlib.contextmanager
def _progress_bar(title: str) -> Iterator[Any]:
    """What to call with the bytes that are here and the bytes in all. Nothing is drawn where no terminal watches."""
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(TextColumn("{task.description}"), *columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(title)
        yield lambda received, total: bar.update(task, completed=received, total=total)


# Asking -----------------------------------------------------------------------------------------------------------


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="What to ask.")],
    agent: Annotated[str, typer.Option(help="Which agent: researcher, assistant, or one of your own.")] = "researcher",
    max_iterations: Annotated[int, typer.Option(min=1, help="How many model calls it may make.")] = 20,
) -> None:
    """Ask an agent about the files below this folder, and watch its steps. Piped, only the text is printed."""
    from .agents.manager import AgentManager, UnknownAgentError  # noqa: PLC0415
    from .agents.models import choose_model  # noqa: PLC0415

    if not question.strip():
        _fail("The question is empty: write one.")
    with _errors_in_words():
        typer.echo(choose_model().reason, err=True)
        try:
            chosen = AgentManager().get(agent)
        except UnknownAgentError as error:
            _fail(str(error))
        try:
            asyncio.run(_show(chosen.run_with_reasoning_stream(question, max_iterations)))
        except (AgentError, MaxIterationsReached):
            raise
        except Exception as error:  # noqa: BLE001 (agents raise what they like; the person is told)
            _fail(chosen.explain(error))


async def _show(steps: AsyncIterator[Step]) -> None:
    """Draw each step while it grows, and leave it above when the next begins."""
    console = Console()
    plain = not console.is_terminal
    open_step: Step | None = None
    with contextlib.ExitStack() as stack:
        live = None if plain else stack.enter_context(Live(console=console, vertical_overflow="visible"))
        async for step in steps:
            if open_step is not None and step.get("id") != open_step.get("id"):
                _leave(console, live, open_step)
            open_step = step
            if live is not None:
                live.update(_card(step))
        if open_step is not None:
            _leave(console, live, open_step)


def _leave(console: Console, live: Live | None, step: Step) -> None:
    """Print a step for good."""
    if live is None:
        title = _LOOKS.get(step["type"], (step["type"], "", ""))[0]
        text = _text(step)
        sys.stdout.write(f"{title}: {text}\n")
        sys.stdout.flush()
        return
    live.update(Text(""))
    console.print(_card(step))


def _card(step: Step) -> Panel:
    title, icon, colour = _LOOKS.get(step["type"], (step["type"], "•", "white"))
    text = _text(step)
    body: Any = Markdown(text) if step["type"] in {"thought", "final_answer"} else Text(text)
    seconds = f" · {step['duration']:.1f} s" if step.get("duration") else ""
    return Panel(body, title=f"{icon} {title}{seconds}", title_align="left", border_style=colour)


def _text(step: Step) -> str:
    if step["content"] or "tool" not in step:
        return step["content"]
    return f"{step['tool']['name']}({step['tool'].get('arguments', '')})"


@contextlib.contextmanager
def _errors_in_words() -> Iterator[None]:
    """Show what can be helped as a sentence and not as a traceback, and exit with 1; with 130 when interrupted."""
    try:
        yield
    except AgentError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        raise typer.Exit(130) from None


def _fail(message: str) -> None:
    typer.secho(message, err=True, fg=typer.colors.RED)
    raise typer.Exit(1)
