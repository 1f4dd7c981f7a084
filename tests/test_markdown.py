"""The Markdown dialect in exports and in the terminal; `markdown.dom.test.ts` has the same tests for cards."""

from html import unescape
from io import StringIO

import pytest
from rich.console import Console

from reasoning_widget.export.html import to_html
from reasoning_widget.export.markdown import to_markdown
from reasoning_widget.export.notebook import to_notebook
from reasoning_widget.markdown.dialect import NOTE
from reasoning_widget.markdown.html import to_html as drawn
from reasoning_widget.markdown.terminal import TerminalMarkdown
from reasoning_widget.markdown.tex import TooCostly, is_costly, mathml
from tests.export.sessions import hand_made
from tests.markdown_cases import Case, cases, shape

every_case = pytest.mark.parametrize("case", cases(), ids=[case["name"] for case in cases()])


def terminal(text: str) -> str:
    out = StringIO()
    Console(file=out, width=200).print(TerminalMarkdown(text))
    return " ".join(out.getvalue().split())


@every_case
def test_a_case_is_drawn_as_a_page(case: Case) -> None:
    assert shape(drawn(case["source"])) == case["page"]
    assert case["page"] in shape(to_html(hand_made({"type": "final_answer", "content": case["source"]})))


@every_case
def test_a_case_is_exported_as_markdown(case: Case) -> None:
    said = case.get("markdown", case["source"])
    state = hand_made({"type": "final_answer", "content": case["source"]})

    assert said in to_markdown(state)
    assert said in to_notebook(state).cells[-1].source


@every_case
def test_a_case_is_drawn_in_a_terminal(case: Case) -> None:
    assert terminal(case["source"]) == case["terminal"]


def deep(count: int, command: str = "\\frac{1}") -> str:
    return f"{command}{{" * count + "x" + "}" * count


@pytest.mark.parametrize(
    "tex",
    [
        deep(300),
        deep(300, "\\sqrt"),
        "\\frac1" * 300 + "x",
        "\\frac{1}" * 300 + "x",
        "\\frac+" * 300 + "x",
        "\\sqrt[+]" * 300 + "x",
        "\\hat " * 300 + "x",
        "\\left(" * 300 + "\\right)" * 300,
        "\\begin{matrix}" * 300 + "\\end{matrix}" * 300,
        "x^{" * 300 + "}" * 300,
        "{" * 100_000 + "}" * 100_000,
        "\\sqrt" * 20_000,
        "x" * 100_000,
        "\\def\\a{\\frac{1}{\\a}}\\a",
        "\\newcommand{\\a}{xx}\\a",
    ],
)
def test_a_formula_that_is_too_costly_is_shown_as_its_source(tex: str) -> None:
    assert is_costly(tex)
    with pytest.raises(TooCostly):
        mathml(tex, display=False)
    for source in (f"${tex}$", f"so:\n\n$$\n{tex}\n$$\n\nend", f"\\[{tex}\\]"):
        html = drawn(source)
        assert "<math" not in html
        assert NOTE in html
        state = hand_made({"type": "final_answer", "content": source})
        assert f"```\n{source}\n```\n\n*{NOTE}*" in to_markdown(state)


@pytest.mark.parametrize(
    "tex",
    [
        "\\alpha\\beta\\gamma + " * 30 + "x",
        "\\sum_{i=1}^n \\frac{\\partial f_i}{\\partial x_i} = \\int_0^\\infty \\sqrt{\\frac{1}{1+\\sqrt{x}}}\\,dx",
        "\\begin{aligned}" + "a_{1}&=\\frac{b}{c}\\\\" * 40 + "\\end{aligned}",
        "\\left(\\frac{1}{\\sqrt{2\\pi\\sigma^2}}\\right)^n \\exp\\left(-\\frac{\\mu^2}{2}\\right)",
    ],
)
def test_a_formula_of_a_usual_size_is_drawn(tex: str) -> None:
    drawn_formula = mathml(tex, display=True)

    assert drawn_formula is not None
    assert drawn_formula.startswith("<math")
    assert "</annotation>" in drawn_formula


@pytest.mark.parametrize(
    "sign", ["*a_", "[", "![", "[a](", "<", "<a ", "`a``", "**a ", "~~a~", "&", "$a ", "\\(", "<b>x"]
)
def test_large_amounts_of_markup_are_drawn_and_not_lost(sign: str) -> None:
    text = sign * (120_000 // len(sign))

    assert unescape(shape(drawn(text))).count(sign.strip()[0]) >= text.count(sign.strip()[0])
    assert to_markdown(hand_made({"type": "final_answer", "content": text}))


@pytest.mark.parametrize("sign", ["> ", "- ", "1. ", "> - "])
def test_deeply_nested_text_is_not_lost(sign: str) -> None:
    html = drawn(sign * 5000 + "word")

    assert "word" in html
    assert NOTE in html
    assert html.count("<blockquote") + html.count("<li") <= 30


def test_formula_renderers_find_nothing_in_a_page() -> None:
    state = hand_made({"type": "final_answer", "content": "$5 and $10"}, question="$x$")

    assert to_html(state).startswith('<div class="mathjax_ignore tex2jax_ignore"')


def test_formula_renderers_ignore_a_costly_formula_in_a_prompt() -> None:
    state = hand_made({"type": "final_answer", "content": "No."}, question=f"Is ${deep(300)}$ real?")

    assert '<code style="font:inherit">Is $' in to_html(state)
    assert f"```\n> Is ${deep(300)}$ real?\n```" in to_markdown(state)


def test_each_block_has_its_own_text_direction() -> None:
    assert drawn("one\n\nمرحبا\n\n- x").count('dir="auto"') == 3
    assert drawn("مرحبا").startswith('<p dir="auto">')
