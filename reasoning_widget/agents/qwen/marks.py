"""Separate a model's thoughts from its answer when both are in one text.

Servers that parse thoughts send them separately. Others send what the model wrote, with the marks of its chat template:
``<think>…</think>`` and similar ones, or harmony's channels. A text may also mention such marks, without containing a
thought.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

_PAIRS: Final = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
)
_CLOSING: Final = dict(_PAIRS)
_ENDS: Final = ("hink>", "HINK]", "hought>", "hinking>", "easoning>", "think▷")
"""Each mark ends with one of these. Searching a fixed text is many times faster than a pattern."""
_MARK: Final = re.compile("|".join(re.escape(mark) for pair in _PAIRS for mark in pair))
_CODE: Final = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_CODE_SO_FAR: Final = re.compile(_CODE.pattern + r"|`[^`\n]*\Z", re.DOTALL)
_CHANNEL: Final = re.compile(r"<\|channel\|>\s*(\w+)([^<]*?)(?:<\|constrain\|>[^<]*)?<\|message\|>", re.DOTALL)
_CHANNEL_END: Final = re.compile(r"<\|(?:end|return|call)\|>|(?:<\|start\|>[^<]*)?(?=<\|channel\|>)|<\|start\|>")
_HARMONY_START: Final = re.compile(r"\s*(?:<\|start\|>\s*\w*\s*)?<\|channel\|>")
_HARMONY_TURN: Final = re.compile(r"<\|end\|>\s*<\|start\|>\s*\w+[^<\n]*<\|channel\|>")
_HARMONY_ANALYSIS: Final = "<|channel|>analysis<|message|>"
_END_TOKENS: Final = ("<|end|>", "<|return|>", "<|im_end|>", "<|eot_id|>", "<|endoftext|>", "<end_of_turn>")
_AT_END: Final = re.compile(rf"(?:\A|(?<=\S))(?:{'|'.join(map(re.escape, _END_TOKENS))})\s*(?:<\|start\|>\w*)?\s*\Z")
"""The end of a model's turn, which some servers do not remove. A text that mentions it has a blank before it."""
_HARMONY_TOKENS: Final = (
    "<|channel|>",
    "<|message|>",
    "<|start|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|constrain|>",
)
_BARE_ANALYSIS: Final = "analysis"
_BARE_THOUGHT: Final = re.compile(r"analysis[^\Wa-z_]")
_BARE_FINAL: Final = "assistantfinal"
"""Words of harmony that remain if a server removes its special tokens."""
_HELD_BACK: Final = (
    *(mark for pair in _PAIRS for mark in pair),
    *_HARMONY_TOKENS,
    *_END_TOKENS,
    "<tool_call>",
    "<function=",
    "<|python_tag|>",
    "[TOOL_REQUEST]",
    "[TOOL_CALLS]",
)
_LONGEST: Final = max(map(len, _HELD_BACK))
_SENTENCE_ENDS: Final = ".!?…\u3002\uff01\uff1f"
_BEGINS_MARKDOWN: Final = "*#_[>-|{$"


class Split(NamedTuple):
    """The parts of a text."""

    thoughts: str
    """All thoughts in order, separated by blank lines."""
    text: str
    """The rest of the text."""
    open: bool
    """Whether the text ends within a thought."""


def split_thoughts(text: str, *, ended: bool = True) -> Split:
    """Separate the thoughts from the rest of what a model wrote.

    Args:
        text: What the model has written so far.
        ended: Whether the text is complete. If not, an end that may be the beginning of a mark is omitted.
    """
    if not ended:
        text = without_partial_mark(text)
    if "|>" in text or "_turn>" in text:
        text = _AT_END.sub("", text)
    if _HARMONY_START.match(text):
        return _split_channels(text)
    if _HARMONY_TURN.search(text):
        return _split_channels(_HARMONY_ANALYSIS + text)  # the template contains the opening marks
    if any(end in text for end in _ENDS):
        return _split_marks(text, ended=ended)
    if text.startswith(_BARE_ANALYSIS) and (_BARE_FINAL in text or _BARE_THOUGHT.match(text)):
        thought, mark, answer = text.removeprefix(_BARE_ANALYSIS).partition(_BARE_FINAL)
        return Split(thought, answer, open=not mark)
    if not ended and _BARE_ANALYSIS.startswith(text):
        return Split("", "", open=False)  # undecided until more arrives
    return Split("", text, open=False)


class BareThought:
    """Removes the marks that some servers leave around a thought which they send separately."""

    def __init__(self) -> None:
        self._begun = False
        self._held = ""

    def read(self, new: str, *, ended: bool) -> str:
        """Return the next part of the thought that can be shown.

        Args:
            new: The text that has arrived.
            ended: Whether the thought is complete.
        """
        held = self._held + new
        if not self._begun:
            start = held.lstrip()
            if not ended and any(opening.startswith(start) for opening in _CLOSING):
                self._held = held
                return ""
            opening = next((opening for opening in _CLOSING if start.startswith(opening)), None)
            held = held if opening is None else start.removeprefix(opening).lstrip("\n")
        shown = held if ended else without_partial_mark(held)
        closing = next((closing for closing in _CLOSING.values() if shown.rstrip().endswith(closing)), None)
        if closing is not None:
            shown = shown.rstrip().removesuffix(closing)
        self._held = "" if ended else held[len(shown) :]
        self._begun = self._begun or bool(shown)
        return shown


def without_partial_mark(text: str) -> str:
    """Remove an end of `text` that may be the beginning of a mark, and would be withdrawn later."""
    for at in range(max(0, len(text) - _LONGEST), len(text)):
        if text[at] in "<[◁" and any(mark.startswith(text[at:]) for mark in _HELD_BACK):
            return text[:at]
    return text


def code_spans(text: str, *, ended: bool) -> list[tuple[int, int]]:
    """Return the spans of Markdown code in `text`, in which marks are only mentioned.

    Args:
        text: The text.
        ended: Whether the text is complete. If not, code at its end may be unclosed.
    """
    pattern = _CODE if ended else _CODE_SO_FAR
    return [match.span() for match in pattern.finditer(text)] if "`" in text else []


def _split_marks(text: str, *, ended: bool) -> Split:
    thoughts: list[str] = []
    rest: list[str] = []
    position = 0
    closing: str | None = None
    mentioned: set[str] = set()
    code = code_spans(text, ended=ended)
    for match in _MARK.finditer(text):
        start, end = match.span()
        mark = match.group()
        if start < position:
            continue
        if closing is not None:
            if mark == closing:
                thoughts.append(text[position:start])
                position, closing = end, None
        elif any(first <= start < last for first, last in code):
            continue
        elif mark in _CLOSING and _opens(text, start, end):
            rest.append(text[position:start])
            position, closing = end, _CLOSING[mark]
        elif not ended and not text[end:].strip(" \t") and not _starts_line(text, start):
            return Split(
                _joined(thoughts), "".join(rest) + text[position:start], open=False
            )  # undecided until more arrives
        elif mark in _CLOSING:
            mentioned.add(_CLOSING[mark])
        elif mark in mentioned:
            continue
        elif _closes(text, start, end):
            before = "".join(rest) + text[position:start]
            if thoughts and before.strip():
                continue  # after the text that follows a thought, it closes nothing
            # The template contains the opening mark, so everything before was the thought.
            thoughts.append(before)
            rest.clear()
            position = end
    (thoughts if closing is not None else rest).append(text[position:])
    words = "".join(rest)
    return Split(_joined(thoughts), words.lstrip("\n") if position else words, closing is not None)


def _joined(thoughts: list[str]) -> str:
    return "\n\n".join(stripped for thought in thoughts if (stripped := thought.strip("\n")))


def _opens(text: str, start: int, end: int) -> bool:
    """Return whether an opening mark opens a thought: at the start of a line, or after a sentence or a thought."""
    before = text[:start].rstrip(" \t")
    if not before.strip() or before.endswith(("\n", *_CLOSING.values())):
        return True
    follows_sentence = before[-1] in _SENTENCE_ENDS and (text[start - 1] == before[-1] or text[end : end + 1].isalnum())
    return text[end : end + 1] == "\n" or follows_sentence


def _closes(text: str, start: int, end: int) -> bool:
    """Return whether a closing mark without an opening one closes a thought: not in the middle of a sentence."""
    after = text[end:].lstrip(" \t")
    at_line_end = not after or after[0] in "\r\n"
    if at_line_end or _starts_line(text, start) or text[start - 1] in _SENTENCE_ENDS:
        return True
    return text[end].isalnum() or (text[end] in _BEGINS_MARKDOWN and text[start - 1] not in _BEGINS_MARKDOWN)


def _starts_line(text: str, at: int) -> bool:
    before = text[:at].rstrip(" \t")
    return not before or before.endswith("\n")


def _split_channels(text: str) -> Split:
    """Split harmony, the format of gpt-oss: `analysis` is a thought, other channels are text, except for calls."""
    thoughts: list[str] = []
    texts: list[str] = []
    position = 0
    thinks = False
    for match in _CHANNEL.finditer(text):
        if match.start() < position:
            continue
        calls = "to=" in match.group(2)
        thinks = match.group(1) == "analysis" and not calls
        end = _CHANNEL_END.search(text, match.end())
        position = end.end() if end else len(text)
        content = text[match.end() : end.start() if end else len(text)]
        if thinks:
            thoughts.append(content)
        elif not calls:
            texts.append(content)
    return Split(_joined(thoughts), "".join(texts), thinks and position == len(text))
