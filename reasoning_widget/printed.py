"""Render printed text as a terminal would: execute carriage returns, backspaces and escape sequences.

Lines are never wrapped. Colours and other attributes are kept as SGR sequences in a normal form; all other control
characters are executed or dropped. Terminal emulators such as pyte have a screen of fixed width, wrap longer lines, and
take several seconds for 1 MB.
"""

from __future__ import annotations

import re
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import Final

import msgspec

HEAD_BYTES: Final = 28 * 1024
TAIL_BYTES: Final = 28 * 1024
"""How much of the beginning and the end of a text that is too long is kept, in bytes of JSON."""

_SCREEN_ROWS: Final = 100
"""The number of rows that the cursor can reach."""
_MAX_ROW: Final = 4096
"""The most cells in a row. A longer line continues in the next row, without a line break."""
_MAX_MOVE: Final = 4096

_CONTROL: Final = re.compile(
    r"\x1b\[(?P<parameters>[0-?]{0,64})[ -/]{0,4}(?P<command>[@-~])"
    r"|\x1b[\]PX^_][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)"
    r"|\x1b[ -/]{0,4}(?P<escape>[0-~])"
    r"|(?P<character>[\x00-\x08\x0a-\x1f\x7f-\x9f])"
)
_ESCAPE_SEQUENCE: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,4}(?:[@-~]|\Z)"
    r"|\x1b[\]PX^_][^\x07\x1b]{0,4096}(?:\x07|\x1b\\|\Z)"
    r"|\x1b[ -/]{0,4}(?:[0-~]|\Z)"
)
"""An escape sequence, or the beginning of one at the end of a text."""
_UNFINISHED: Final = re.compile(r"\x1b(?:\[[0-?]{0,64}[ -/]{0,4}|[\]PX^_][^\x07\x1b]{0,4096}\x1b?|[ -/]{0,4})?\Z")
SGR: Final = re.compile(r"\x1b\[([0-9;]*)m")
_NEEDS_RENDERING: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def as_shown(text: str) -> str:
    """Render the whole text as a terminal would."""
    if _NEEDS_RENDERING.search(text) is None:
        return text
    printed = Printed(head_bytes=sys.maxsize)
    printed.write(text)
    return printed.text()


def without_colours(text: str) -> str:
    """Remove the SGR sequences from a text."""
    return SGR.sub("", text)


def without_sequences(text: str) -> str:
    """Remove all escape sequences from a text, for output that is not a terminal."""
    return _ESCAPE_SEQUENCE.sub("", text) if "\x1b" in text or "\x9b" in text else text


def coloured(text: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield the pieces of a text between its SGR sequences, each with its attributes.

    The attributes are SGR parameters by name: `bold`, `faint`, `italic`, `underline`, `inverse`, `struck`, `fg`, `bg`.
    """
    style = _Style()
    for at, part in enumerate(SGR.split(text)):
        if at % 2:
            style = style.changed(part)
        elif part:
            yield part, style.attributes


def head_and_tail(text: str, max_bytes: int) -> str:
    """Shorten a text to `max_bytes` of JSON: keep head and tail, with a line between them that says what is missing."""
    if len(text) * 6 <= max_bytes or _size(text) <= max_bytes:
        return text
    room = max(max_bytes - 100, 0) // 2
    head = text[: _fitting_length(text[:room], room)]
    tail = text[len(text) - _fitting_length(text[-room:][::-1], room) :] if room else ""
    if "\n" in head:
        head = head[: head.rindex("\n") + 1]
    if "\n" in tail[:-1]:
        tail = tail[tail.index("\n") + 1 :]
    missing = len(text) - len(head) - len(tail)
    return f"{_with_newline(head)}{_omission_note(missing)}{tail}"


class Printed:
    """Renders text that is written in pieces, in bounded memory and bounded time per character.

    Args:
        head_bytes: How much of the beginning is kept, in bytes of JSON.
        tail_bytes: How much of the end is kept, in bytes of JSON.
    """

    def __init__(self, head_bytes: int = HEAD_BYTES, tail_bytes: int = TAIL_BYTES) -> None:
        self._tail_bytes = tail_bytes
        self._head: list[str] = []
        self._head_room = head_bytes
        self._tail: deque[str] = deque()
        self._tail_size = 0
        self._omitted = 0
        self._rows = [_Row()]
        self._row = 0
        self._column = 0
        self._saved = (0, 0)
        self._style = _Style()
        self._incomplete = ""

    def write(self, text: str) -> None:
        """Add a piece of text. An escape sequence may continue in the next piece."""
        text = self._incomplete + text
        unfinished = _UNFINISHED.search(text, max(0, len(text) - 4200))
        self._incomplete = unfinished[0] if unfinished else ""
        end = len(text) - len(self._incomplete)
        at = 0
        for control in _CONTROL.finditer(text, 0, end):
            if control.start() > at:
                self._put(text[at : control.start()])
            at = control.end()
            self._execute(control)
        if at < end:
            self._put(text[at:end])

    def text(self) -> str:
        """Return the rendered text."""
        parts = [*self._tail, *self._lines(self._rows)]
        head, room = list(self._head), self._head_room
        if not self._tail and not self._omitted:
            taken = 0
            while taken < len(parts) and (size := _size(parts[taken])) <= room:
                room -= size
                taken += 1
            head += parts[:taken]
            parts = parts[taken:]
        omitted = self._omitted
        sizes = [_size(part) for part in parts]
        total = sum(sizes)
        first = 0
        while total > self._tail_bytes and first < len(parts) - 1:
            total -= sizes[first]
            omitted += len(without_colours(parts[first]))
            first += 1
        shown, rest = "".join(head), "".join(parts[first:])
        return f"{_with_newline(shown)}{_omission_note(omitted)}{rest}" if omitted else shown + rest

    # Writing

    def _put(self, text: str) -> None:
        while text:
            if self._column >= _MAX_ROW:
                self._rows[self._row].continues = True
                self._line_feed()
                self._column = 0
            piece, text = text[: _MAX_ROW - self._column], text[_MAX_ROW - self._column :]
            marks, cells = ("", list(piece)) if piece.isascii() else _cells(piece)
            row = self._rows[self._row]
            if marks and not row.add_marks(self._column, marks):
                cells.insert(0, marks)  # there is no character to combine them with
            row.put(self._column, cells, self._style.sgr)
            self._column += len(cells)

    def _line_feed(self) -> None:
        self._row += 1
        if self._row == len(self._rows):
            self._rows.append(_Row())
        if len(self._rows) > _SCREEN_ROWS:
            (line,) = self._lines([self._rows.pop(0), _Row()], but_last=True)
            self._row -= 1
            self._commit(line)

    def _commit(self, line: str) -> None:
        size = _size(line)
        if not self._tail and not self._omitted and size <= self._head_room:
            self._head.append(line)
            self._head_room -= size
            return
        self._tail.append(line)
        self._tail_size += size
        while self._tail_size > self._tail_bytes:
            dropped = self._tail.popleft()
            self._tail_size -= _size(dropped)
            self._omitted += len(without_colours(dropped))

    @staticmethod
    def _lines(rows: list[_Row], *, but_last: bool = False) -> list[str]:
        last = len(rows) - 1
        lines = [row.text() + ("" if at == last or row.continues else "\n") for at, row in enumerate(rows)]
        return lines[:-1] if but_last else lines

    # Controls

    def _execute(self, control: re.Match[str]) -> None:
        character = control["character"]
        if character == "\n":
            self._line_feed()
            self._column = 0
        elif character == "\r":
            self._column = 0
        elif character == "\b":
            self._column = max(0, self._column - 1)
        elif control["command"]:
            self._command(control["command"], control["parameters"])
        elif control["escape"] == "7":
            self._saved = (self._row, self._column)
        elif control["escape"] == "8":
            self._move_to(*self._saved)
        elif control["escape"] == "c":
            self._clear(2)
            self._style = _Style()
        elif control["escape"] == "M":
            self._move_to(self._row - 1, self._column)

    def _command(self, command: str, parameters: str) -> None:
        if parameters[:1] in ("<", "=", ">", "?"):
            return  # private modes of terminals
        if command == "m":
            self._style = self._style.changed(parameters)
            return
        numbers = [int(each[:6]) if each.isdecimal() else None for each in parameters.replace(":", ";").split(";")]
        first = numbers[0]
        count = min(first or 1, _MAX_MOVE)
        move, edit = _MOVES.get(command), _EDITS.get(command)
        if move is not None:
            second = (numbers[1] if len(numbers) > 1 else None) or 1
            self._move_to(*move(self._row, self._column, count, min(second, _MAX_MOVE)))
        elif edit is not None:
            edit(self._rows[self._row], self._column, count)
        elif command == "K":
            self._rows[self._row].erase(self._column, first or 0)
        elif command == "J":
            self._clear(first or 0)
        elif command == "s":
            self._saved = (self._row, self._column)
        elif command == "u":
            self._move_to(*self._saved)

    def _move_to(self, row: int, column: int) -> None:
        self._row = max(0, min(row, _SCREEN_ROWS - 1))
        self._column = max(0, min(column, _MAX_ROW - 1))
        while self._row >= len(self._rows):
            self._rows.append(_Row())

    def _clear(self, mode: int) -> None:
        row = self._rows[self._row]
        if mode == 0:
            row.erase(self._column, 0)
            del self._rows[self._row + 1 :]
        elif mode == 1:
            row.erase(self._column, 1)
            self._rows[: self._row] = [_Row() for _ in range(self._row)]
        else:
            self._rows = [_Row()]
            self._row = self._column = 0


class _Row:
    """One row: the text of each cell, and the styles of the cells if any has one.

    A wide character takes two cells; the second is empty.
    """

    def __init__(self) -> None:
        self.cells: list[str] = []
        self.styles: list[str] | None = None
        self.continues = False

    def put(self, column: int, cells: list[str], style: str) -> None:
        """Overwrite the cells starting at `column`."""
        end = column + len(cells)
        if self.styles is None and style:
            self.styles = [""] * len(self.cells)
        self._pad_to(column)
        known = self.cells
        if column < len(known) and known[column] == "" and column:
            known[column - 1] = " "  # the other half of a wide character is erased
        if end < len(known) and known[end] == "":
            known[end] = " "
        known[column:end] = cells
        if self.styles is not None:
            self.styles[column:end] = [style] * len(cells)

    def add_marks(self, column: int, marks: str) -> bool:
        """Add combining marks to the character before `column`. Returns False if there is none."""
        at = column - 1
        while at >= 0 and at < len(self.cells) and self.cells[at] == "":
            at -= 1
        if at < 0 or at >= len(self.cells):
            return False
        if len(self.cells[at]) < _MAX_MARKS:
            self.cells[at] += marks[:_MAX_MARKS]
        return True

    def erase(self, column: int, mode: int) -> None:
        """Erase from `column` to the end (mode 0), from the start to `column` (1), or the whole row (2)."""
        if mode == 1:
            self.blank(0, column + 1)
            return
        keep = column if mode == 0 else 0
        del self.cells[keep:]
        if self.styles is not None:
            del self.styles[keep:]

    def blank(self, column: int, count: int) -> None:
        """Overwrite cells with spaces."""
        count = min(count, len(self.cells) - column)
        if count > 0:
            self.put(column, [" "] * count, "")

    def delete(self, column: int, count: int) -> None:
        """Delete cells, and shift the following ones to the left."""
        del self.cells[column : column + count]
        if self.styles is not None:
            del self.styles[column : column + count]

    def insert(self, column: int, count: int) -> None:
        """Insert spaces, and shift the following cells to the right."""
        if column < len(self.cells):
            self.cells[column:column] = [" "] * count
            del self.cells[_MAX_ROW:]
            if self.styles is not None:
                self.styles[column:column] = [""] * count
                del self.styles[_MAX_ROW:]

    def text(self) -> str:
        """Return the row as text, with its styles as SGR sequences that end within the row."""
        if self.styles is None or not any(self.styles):
            return "".join(self.cells)
        written: list[str] = []
        current = ""
        for cell, style in zip(self.cells, self.styles, strict=True):
            if style != current:
                written += ["\x1b[0m" if current else "", f"\x1b[{style}m" if style else ""]
                current = style
            written.append(cell)
        if current:
            written.append("\x1b[0m")
        return "".join(written)

    def _pad_to(self, column: int) -> None:
        missing = column - len(self.cells)
        if missing > 0:
            self.cells += [" "] * missing
            if self.styles is not None:
                self.styles += [""] * missing


_MAX_MARKS: Final = 16

_MOVES: Final[dict[str, Callable[[int, int, int, int], tuple[int, int]]]] = {
    "A": lambda row, column, count, _: (row - count, column),
    "B": lambda row, column, count, _: (row + count, column),
    "C": lambda row, column, count, _: (row, column + count),
    "D": lambda row, column, count, _: (row, column - count),
    "E": lambda row, _column, count, _: (row + count, 0),
    "F": lambda row, _column, count, _: (row - count, 0),
    "G": lambda row, _column, count, _: (row, count - 1),
    "`": lambda row, _column, count, _: (row, count - 1),
    "d": lambda _row, column, count, _: (count - 1, column),
    "H": lambda _row, _column, count, second: (count - 1, second - 1),
    "f": lambda _row, _column, count, second: (count - 1, second - 1),
}
"""The new row and column of the cursor, from the current ones and the command's two parameters, which default to 1."""

_EDITS: Final[dict[str, Callable[[_Row, int, int], None]]] = {"P": _Row.delete, "X": _Row.blank, "@": _Row.insert}


class _Style:
    """The style of characters: SGR parameters in normal form.

    Args:
        attributes: The current parameters, by the attribute that they set.
    """

    def __init__(self, attributes: dict[str, str] | None = None) -> None:
        self.attributes = attributes or {}
        self.sgr = ";".join(self.attributes[name] for name in sorted(self.attributes))

    def changed(self, parameters: str) -> _Style:
        """Return the style after another SGR sequence. Unknown parameters are ignored."""
        attributes = dict(self.attributes)
        codes = iter(parameters.replace(":", ";").split(";"))
        for text in codes:
            code = int(text) if text.isdecimal() and len(text) < 4 else 0 if not text else -1
            if code == 0:
                attributes.clear()
            elif code in (38, 48):
                colour = _extended_colour(codes)
                if colour:
                    attributes["fg" if code == 38 else "bg"] = f"{code};{colour}"
            elif code in _OFF:
                for name in _OFF[code]:
                    attributes.pop(name, None)
            else:
                attributes.update({_ON[code]: str(code)} if code in _ON else {})
        return _Style(attributes) if attributes != self.attributes else self


_ON: Final = {
    **dict.fromkeys([*range(30, 38), *range(90, 98)], "fg"),
    **dict.fromkeys([*range(40, 48), *range(100, 108)], "bg"),
    1: "bold",
    2: "faint",
    3: "italic",
    4: "underline",
    7: "inverse",
    9: "struck",
    21: "underline",
}
_OFF: Final = {
    22: ("bold", "faint"),
    23: ("italic",),
    24: ("underline",),
    27: ("inverse",),
    29: ("struck",),
    39: ("fg",),
    49: ("bg",),
}


def _extended_colour(codes: Iterator[str]) -> str:
    """Read the rest of a 256-colour or true-colour parameter. Returns an empty text if it is invalid."""
    kind = next(codes, "")
    wanted = {"5": 1, "2": 3}.get(kind, 0)
    values = [next(codes, "") for _ in range(wanted)]
    if not values or not all(value.isdecimal() and int(value[:4]) < 256 for value in values):
        return ""
    return ";".join([kind, *(str(int(value)) for value in values)])


def _cells(text: str) -> tuple[str, list[str]]:
    """Return the combining marks at the start of a text, and its cells. Other marks join the character before them."""
    from rich.cells import get_character_cell_size

    before = ""
    cells: list[str] = []
    last = -1
    for character in text:
        width = 1 if character < "\x7f" else get_character_cell_size(character)
        if width == 0 and last < 0:
            before += character
        elif width == 0:
            cells[last] += character if len(cells[last]) < _MAX_MARKS else ""
        else:
            last = len(cells)
            cells += [character, ""][:width]
    return before, cells


def _size(text: str) -> int:
    return len(msgspec.json.encode(text)) - 2


def _fitting_length(text: str, max_bytes: int) -> int:
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if _size(text[:middle]) <= max_bytes:
            low = middle
        else:
            high = middle - 1
    return low


def _with_newline(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _omission_note(count: int) -> str:
    return f"… {count:,} characters were left out here …\n"
