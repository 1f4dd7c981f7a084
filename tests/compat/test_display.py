"""`display(…)` without a kernel: in scripts and in the workers of a server."""

import inspect
import json
import subprocess
import sys
import threading
from types import FunctionType

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from IPython.core import display_functions
from IPython.display import (
    HTML,
    JSON,
    Image,
    Latex,
    Markdown,
    Math,
    clear_output,
    display,
    publish_display_data,
    update_display,
)

from reasoning_widget.protocol import MimeBundle
from reasoning_widget.session.capture import captured_output
from tests.parts import PNG


class Told(list[list[MimeBundle]]):
    """The reported outputs of a call, one list for each change."""

    @property
    def outputs(self):
        return self[-1] if self else []


@pytest.fixture
def told():
    return Told()


def test_ipython_is_as_the_seam_expects():
    """Canary: if this fails, IPython has changed, and `compat/display.py` must be adapted."""
    names = ("display", "publish_display_data", "clear_output")
    unchanged = (
        "import json, types; from IPython.core import display_functions as here; "
        f"functions = map(vars(here).get, {names}); "
        "print(json.dumps([[type(each) is types.FunctionType, each.__closure__ is None] for each in functions]))"
    )
    done = subprocess.run([sys.executable, "-c", unchanged], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[True, True]] * 3
    assert all(isinstance(vars(display_functions)[name], FunctionType) for name in names)
    assert {"include", "exclude", "transient", "display_id", "raw", "clear"} <= inspect.signature(
        display
    ).parameters.keys()
    assert "display" in display_functions.update_display.__code__.co_names
    assert {"display", "update_display"} <= {
        name
        for method in (display_functions.DisplayHandle.display, display_functions.DisplayHandle.update)
        for name in method.__code__.co_names
    }


@pytest.mark.parametrize(
    ("thing", "shown"),
    [
        (HTML("<b>x</b>"), {"text/html": "<b>x</b>"}),
        (Markdown("**x**"), {"text/markdown": "**x**"}),
        (Latex("$x$"), {"text/latex": "$x$"}),
        (Math("x"), {"text/latex": r"$\displaystyle x$"}),
        (JSON({"a": [1]}), {"application/json": {"a": [1]}}),
        ("words", {"text/plain": "'words'\n"}),
        ([1, 2], {"text/plain": "[1, 2]\n"}),
    ],
    ids=lambda each: type(each).__name__,
)
def test_displayed_objects_are_shown_as_mime_bundles(told, thing, shown):
    with captured_output(told.append):
        display(thing)

    assert told.outputs == [shown]


def test_tables_and_pictures_are_shown(told):
    with captured_output(told.append):
        display(pd.DataFrame({"a": [1]}), Image(data=PNG))
        print("in between")
        publish_display_data({"image/png": PNG})

    table, picture, printed, published = told.outputs
    assert "<table" in table["text/html"]
    assert picture["image/png"].strip().startswith("iVBOR")
    assert printed == {"text/plain": "in between\n"}
    assert published["image/png"].startswith("iVBOR")


def test_an_object_chooses_how_it_is_shown(told):
    class Own:
        def _repr_mimebundle_(self, include=None, exclude=None):
            return {"text/html": "<i>mine</i>", "application/x-own": {"a": 1}}

    class Displays:
        def _ipython_display_(self):
            display(HTML("<i>by itself</i>"))

    class Fails:
        def _repr_html_(self):
            raise RuntimeError("no form")

        def __repr__(self):
            return "Fails()"

    with captured_output(told.append):
        display(Own())
        display(Displays())
        display(Fails())

    assert told.outputs[0] == {"text/html": "<i>mine</i>", "application/x-own": {"a": 1}}
    assert told.outputs[1] == {"text/html": "<i>by itself</i>"}
    assert "RuntimeError: no form" in told.outputs[2]["text/plain"]
    assert told.outputs[2]["text/plain"].endswith("Fails()\n")


def test_a_figure_is_shown_once(told):
    with captured_output(told.append):
        figure, axes = plt.subplots()
        axes.plot([1, 2])
        display(figure)

    assert [set(bundle) for bundle in told.outputs] == [{"image/png"}]


def test_a_displayed_output_can_be_replaced(told):
    with captured_output(told.append):
        handle = display(HTML("one"), display_id=True)
        display(HTML("other"))
        handle.update(HTML("two"))
        named = display(display_id="later")
        update_display(Markdown("three"), display_id="later")
        named.display(Markdown("four"))

    assert told.outputs == [
        {"text/html": "two"},
        {"text/html": "other"},
        {"text/markdown": "four"},
        {"text/markdown": "four"},
    ]


def test_an_update_of_a_missing_output_shows_nothing(told):
    with captured_output(told.append):
        update_display(HTML("x"), display_id="nowhere")

    assert told.outputs == []


@pytest.mark.parametrize(
    ("work", "left"),
    [
        (clear_output, []),
        (lambda: clear_output(wait=True), ["one"]),
        (lambda: (clear_output(wait=True), display(HTML("two"))), ["two"]),
        (lambda: display(HTML("two"), clear=True), ["two"]),
        (lambda: (clear_output(), display(HTML("two"))), ["two"]),
    ],
)
def test_output_is_cleared_immediately_or_with_the_next_output(told, work, left):
    with captured_output(told.append):
        display(HTML("one"))
        work()

    assert told.outputs == [{"text/html": words} for words in left]


def test_mime_types_can_be_selected_and_provided(told):
    with captured_output(told.append):
        display(HTML("x"), exclude=["text/html"])
        display({"text/markdown": "*x*", "text/plain": "x"}, raw=True)

    assert told.outputs[0]["text/plain"].startswith("<IPython.core.display.HTML object>")
    assert told.outputs[1] == {"text/markdown": "*x*"}


def test_threads_display_into_the_call_that_started_them():
    first, second = Told(), Told()
    with captured_output(first.append):
        thread = threading.Thread(target=lambda: display(HTML("from a thread")))
        thread.start()
        thread.join()
    with captured_output(second.append):
        display(HTML("another"))

    assert first.outputs == [{"text/html": "from a thread"}]
    assert second.outputs == [{"text/html": "another"}]


def test_outside_a_call_it_prints_as_usual(told, capsys):
    with captured_output(told.append):
        pass
    assert display(HTML("x")) is None

    assert capsys.readouterr().out == "<IPython.core.display.HTML object>\n"
    assert told.outputs == []


def test_tools_may_import_it_before_or_during_the_call():
    program = """
from reasoning_widget.protocol import MimeBundle
from reasoning_widget.session.capture import captured_output
import sys
told = []
with captured_output(told.append):
    assert "IPython" not in sys.modules
    from IPython.display import HTML, display
    display(HTML("x"))
assert told[-1] == [{"text/html": "x"}], told
"""
    subprocess.run([sys.executable, "-c", program], check=True)
