"""Printed text, processed as a terminal does."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reasoning_widget.printed import HEAD_BYTES, TAIL_BYTES, Printed, as_shown, head_and_tail, without_colours

RED, OFF = "\x1b[31m", "\x1b[0m"

CASES = {
    "nothing": ("", ""),
    "plain": ("one\ntwo", "one\ntwo"),
    "carriage return": ("10%\r20%\r100%\n", "100%\n"),
    "what is shorter leaves the rest": ("loading\rdone", "doneing"),
    "carriage return at the end": ("kept\r", "kept"),
    "Windows' line ends": ("a\r\nb\r\n", "a\nb\n"),
    "backspaces": ("spin |\b/\b-", "spin -"),
    "backspaces end at the margin": ("ab\b\b\b\bX", "Xb"),
    "erase to the end": ("loading\r\x1b[Kdone", "done"),
    "erase the line": ("loading\x1b[2K\rdone", "done"),
    "erase to the start": ("loading\x1b[3D\x1b[1K", "     ng"),
    "erase in the middle": ("abcdef\x1b[4D\x1b[2X", "ab  ef"),
    "delete characters": ("abcdef\x1b[4D\x1b[2P", "abef"),
    "insert characters": ("abcd\x1b[2D\x1b[2@", "ab  cd"),
    "cursor up": ("a: 1\nb: 1\n\x1b[2Aa: 2\n", "a: 2\nb: 1\n"),
    "up to the start of a line": ("a\nb\x1b[FX", "X\nb"),
    "down": ("a\x1b[2Bb", "a\n\n b"),
    "to a column": ("abc\x1b[1GX", "Xbc"),
    "forwards": ("a\x1b[3Cb", "a   b"),
    "erase below": ("a\nb\nc\x1b[2A\x1b[J", "a"),
    "clear the screen": ("old\nolder\x1b[2J\x1b[Hnew", "new"),
    "reset": ("old\x1bcnew", "new"),
    "to a place": ("old\nrow\x1b[1;2HX", "oXd\nrow"),
    "the cursor is kept": ("\x1b7abc\x1b8X", "Xbc"),
    "tqdm": ("\r  0%|    | 0/2\r 50%|##  | 1/2\r100%|####| 2/2\n", "100%|####| 2/2\n"),
    "two bars": ("A 0\nB 0\x1b[A\rA 1\n\rB 1\x1b[A\rA 2\n\r\n", "A 2\nB 1\n"),
    "a title is no text": ("\x1b]0;title\x07text", "text"),
    "links are their text": ("\x1b]8;;http://a.b\x1b\\text\x1b]8;;\x1b\\", "text"),
    "a sequence that never ends": ("\x1b]0;title and more", ""),
    "settings": ("\x1b[?25lhidden\x1b[?25h", "hidden"),
    "character sets": ("\x1b(Btext", "text"),
    "bell and null": ("a\x07b\x00c", "abc"),
    "tabs stay": ("a\tb", "a\tb"),
    "wide characters": ("下载中\rdone", "done中"),
    "half of a wide character": ("下载\rx", "x 载"),
    "marks": ("e\u0301\ra", "a"),
    "marks on their own": ("\u0301", "\u0301"),
    "emoji": ("🙂🙂\rab", "ab🙂"),
    "colour": (f"{RED}red{OFF} plain", f"{RED}red{OFF} plain"),
    "colour goes on": (f"{RED}red\nstill", f"{RED}red{OFF}\n{RED}still{OFF}"),
    "colour is overwritten": (f"{RED}red{OFF}\rb", f"b{RED}ed{OFF}"),
    "256 colours": ("\x1b[1;38;5;208mx", "\x1b[1;38;5;208mx\x1b[0m"),
    "true colour": ("\x1b[48;2;1;2;3mx", "\x1b[48;2;1;2;3mx\x1b[0m"),
    "true colour with colons": ("\x1b[38:2:1:2:3mx", "\x1b[38;2;1;2;3mx\x1b[0m"),
    "bold is taken back": ("\x1b[1;4ma\x1b[22mb", "\x1b[1;4ma\x1b[0m\x1b[4mb\x1b[0m"),
    "no such colour": ("\x1b[38;5;999mx\x1b[12345mx", "xx"),
    "huge numbers": ("a\x1b[99999999999Ab\x1b[99999999C", "ab"),
}


@pytest.mark.parametrize(("printed", "shown"), CASES.values(), ids=CASES.keys())
def test_printed_text_is_shown_as_in_a_terminal(printed, shown):
    assert as_shown(printed) == shown


@pytest.mark.parametrize(("printed", "shown"), CASES.values(), ids=CASES.keys())
def test_printed_text_can_arrive_one_character_at_a_time(printed, shown):
    screen = Printed()
    for character in printed:
        screen.write(character)
    assert screen.text() == shown


@given(st.lists(st.text(alphabet="ab\r\n\b\t\x1b[]0123;mKJABCDHPX@下\u0301\x07", max_size=12), max_size=12))
def test_pieces_make_no_difference_and_processing_is_idempotent(pieces):
    screen = Printed()
    for piece in pieces:
        screen.write(piece)
    assert screen.text() == as_shown("".join(pieces))
    assert as_shown(screen.text()) == screen.text()


def test_of_a_thousand_progress_bars_the_last_is_kept_and_the_text_after_it():
    frames = "".join(f"\r{number:5}/1400 {'#' * (number // 20):70} loss=0.1234" for number in range(1401))

    shown = as_shown(f"Training\n{frames}\nACCURACY = 0.93\n")

    assert [line[:10] for line in shown.splitlines()] == ["Training", " 1400/1400", "ACCURACY ="]


@pytest.mark.parametrize("line", ["{} of many lines\n", "\x1b[3{0}m{0}\x1b[0m of many\n", "{} no end ", "\r{}\r\n"])
def test_of_long_text_the_head_and_the_tail_are_kept(line):
    screen = Printed()
    whole = ["first\n", *(line.format(number % 7) for number in range(100_000)), "\nlast"]
    for piece in whole:
        screen.write(piece)
    shown = screen.text()

    assert shown.startswith("first\n")
    assert shown.endswith("last")
    assert len(shown.encode()) < HEAD_BYTES + TAIL_BYTES + 200
    before, after = shown.split("\n… ", 1)
    count, rest = after.split(" characters were left out here …\n", 1)
    visible = len(without_colours(as_shown("".join(whole))))
    assert len(without_colours(before)) + 1 + int(count.replace(",", "")) + len(without_colours(rest)) == pytest.approx(
        visible, abs=1
    )


def test_shortened_texts_keep_whole_lines():
    text = "".join(f"line {number}\n" for number in range(1000))

    short = head_and_tail(text, 500)

    assert len(short) < 600
    assert short.startswith("line 0\nline 1\n")
    assert short.endswith("line 998\nline 999\n")
    assert head_and_tail("short", 500) == "short"
    assert head_and_tail("\x01" * 1000, 500).count("left out") == 1


def test_random_bytes_are_shown_as_text():
    noise = random.Random(1).randbytes(100_000).decode("latin-1")
    assert isinstance(as_shown(noise), str)
