"""The recipe with which a model of half a billion parameters uses tools.

Such a small model fails at free tool calling. So its first response, after worked examples, is constrained by a JSON
schema with one alternative for each tool and one for no tool: the call is always valid. A second, unconstrained
response answers from the result.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

JSON = dict[str, Any]

NONE: Final = "none"
MAX_HISTORY: Final = 3
"""The number of earlier turns in a prompt. More would confuse the model."""
MAX_RESULT_CHARS: Final = 4500
"""The length of tool results in a prompt, in characters: about 1,300 tokens, processed in a few seconds."""
MAX_QUESTION_CHARS: Final = 6000
_MAX_ARGUMENT_CHARS: Final = 100
_FILLER_TEXT: Final = (
    "a about an and any are as at be but by can could did do does for from had has have how if in is it its many may "
    "me much my of on or our please should tell that the there they this to us was we were what when where which who "
    "whom whose why will with would you your"
)
_FILLERS: Final = frozenset(_FILLER_TEXT.split())
_FAILED: Final = re.compile(
    r"An error occurred when calling tool `.*?`:\n(?:(?:AgentError|ToolFailed): )?(?P<why>.*?)\nTraceback:\n.*",
    re.DOTALL,
)
"""The text that Qwen-Agent returns for a tool's error."""


@dataclass
class Turn:
    """A question, with the model's tool call, the results and the answer."""

    question: str
    call: JSON | None = None
    """``{"tool": name, argument: value, …}``."""
    results: list[tuple[str, str]] = field(default_factory=list)
    """The name and result of each tool call."""
    answer: str = ""


@dataclass(frozen=True)
class Recipe:
    """How the model learns a set of tools.

    Attributes:
        examples: Questions with the correct call, which has the name of the tool under ``tool``.
        gates: A regular expression for a tool, which is offered only if the question or the previous turn matches.
        none_hint: Requests that need no tool.
    """

    examples: Sequence[tuple[str, JSON]] = ()
    gates: JSON = field(default_factory=dict)
    none_hint: str = "greetings, thanks, writing, translation, general knowledge."
    widened: dict[str, str] = field(default_factory=dict)
    """For a tool, the argument to which the words of the question are added, because the model chooses too few."""
    follow_up: str = ""
    """A regular expression for the beginning of questions that need a tool if the previous question did."""

    @classmethod
    def of(cls, data: JSON) -> Recipe:
        """Return the recipe from a Qwen-Agent model configuration, where it is plain JSON."""
        known = {
            name: data[name] for name in ("examples", "gates", "none_hint", "widened", "follow_up") if name in data
        }
        return cls(**known)


def schema(functions: Iterable[JSON]) -> JSON:
    """Return the JSON schema of a choice among `functions`, in OpenAI's format."""
    return {"anyOf": [_alternative(function) for function in functions]}


def _alternative(function: JSON) -> JSON:
    parameters = function.get("parameters") or {}
    properties: JSON = {"tool": {"const": function["name"]}}
    for name, declared in (parameters.get("properties") or {}).items():
        kept = {key: value for key, value in declared.items() if key != "description"}
        if kept.get("type") == "string" and "enum" not in kept:
            kept.setdefault("maxLength", _MAX_ARGUMENT_CHARS)
        properties[name] = kept
    required = ["tool", *(parameters.get("required") or [])]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def offered_functions(functions: Sequence[JSON], turns: Sequence[Turn], recipe: Recipe) -> list[JSON]:
    """Return the functions whose gate matches, and one for no tool. The prompt keeps all, so that it stays cached."""
    seen = " ".join(part for turn in turns[-2:] for part in (turn.question, turn.answer))
    open_ = [f for f in functions if f["name"] not in recipe.gates or re.search(recipe.gates[f["name"]], seen)]
    continues = recipe.follow_up and re.match(recipe.follow_up, turns[-1].question)
    if open_ and continues and len(turns) > 1 and turns[-2].call:
        return open_
    return [*open_, {"name": NONE}]


def routing_messages(functions: Sequence[JSON], turns: Sequence[Turn], recipe: Recipe) -> list[JSON]:
    """Return the messages that ask for the tool of the last of `turns`. Their beginning is always the same."""
    names = {function["name"] for function in functions} | {NONE}
    tools = "".join(f"{function['name']}: {function.get('description', '')}\n" for function in functions)
    system = f"Choose the tool for the user message. Answer with JSON only.\n{tools}{NONE}: {recipe.none_hint}"
    shown = [(question, call) for question, call in recipe.examples if call["tool"] in names]
    shown += [(turn.question[:500], turn.call or {"tool": NONE}) for turn in turns[-MAX_HISTORY:-1]]
    messages = [{"role": "system", "content": system}]
    for question, call in shown:
        messages.append({"role": "user", "content": question})
        messages.append({"role": "assistant", "content": json.dumps(call, ensure_ascii=False)})
    return [*messages, {"role": "user", "content": turns[-1].question}]


def parse_choice(text: str) -> tuple[str, JSON] | None:
    """Return the tool and its arguments; None if there is no tool, or if the text was cut off."""
    try:
        choice = json.loads(text)
        tool = choice.pop("tool")
    except (ValueError, KeyError, AttributeError):
        return None
    return None if tool == NONE else (tool, choice)


def widen(call: tuple[str, JSON], question: str, recipe: Recipe) -> tuple[str, JSON]:
    """Add the words of `question` to the argument that the recipe widens."""
    tool, arguments = call
    name = recipe.widened.get(tool, "")
    if name not in arguments:
        return call
    words = str(arguments[name]).split()
    known = {word.lower() for word in words}
    for word in re.findall(r"\w[\w.'-]*\w", question)[:20]:
        if word.lower() not in known | _FILLERS:
            words.append(word)
            known.add(word.lower())
    return tool, {**arguments, name: " ".join(words)}


def answer_messages(system: str, turns: Sequence[Turn]) -> list[JSON]:
    """Return the messages that ask for the answer to the last of `turns`, from its results."""
    messages = [{"role": "system", "content": system}]
    last = turns[-1]
    if last.results:
        # Without earlier turns: the model would repeat an earlier answer instead of reading the result.
        return [*messages, {"role": "user", "content": _over_results(last, follows=len(turns) > 1)}]
    for turn in turns[-MAX_HISTORY - 1 : -1]:
        if turn.answer:
            messages.append({"role": "user", "content": turn.question[:500]})
            messages.append({"role": "assistant", "content": turn.answer[:1000]})
    return [*messages, {"role": "user", "content": last.question}]


def failure_answer(turn: Turn) -> str | None:
    """Return the answer to give if the last tool failed; None if it did not.

    A small model would invent an answer from the error.
    """
    name, result = turn.results[-1] if turn.results else ("", "")
    failed = _FAILED.fullmatch(result)
    return f"I cannot answer this, because `{name}` failed. {failed['why']}" if failed else None


def _over_results(turn: Turn, *, follows: bool) -> str:
    name, result = turn.results[-1]
    arguments = ", ".join(str(value) for key, value in (turn.call or {}).items() if key != "tool")
    if len(result) > MAX_RESULT_CHARS:
        result = f"{result[:MAX_RESULT_CHARS]}\n… (the rest was too long)"
    meant = f" ({arguments})" if follows else ""  # "And in the north?" is not clear without the arguments
    return (
        f"{name}({arguments}) returned:\n{result}\n\nQuestion: {turn.question}{meant}\n"
        "Answer the question in one or two short sentences using only the result above."
    )
