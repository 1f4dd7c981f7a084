"""Separate figures for each context, in plain Python, and the parts of matplotlib that they rely on."""

import io
import subprocess
import sys
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

import matplotlib.pyplot as plt
import pytest
from matplotlib.backend_bases import FigureManagerBase

from reasoning_widget.compat.pyplot import figure_bundle, own_figures, persons_figures

PLOT = "image/png"


@pytest.fixture(autouse=True)
def nothing_open():
    plt.switch_backend("agg")
    plt.close("all")
    yield
    plt.close("all")


@pytest.fixture
def shown():
    return []


def test_matplotlib_is_as_the_seam_expects():
    """Canary: if this fails, matplotlib has changed, and `compat/pyplot.py` must be adapted."""
    unchanged = "from matplotlib._pylab_helpers import Gcf; print(type(Gcf.figs).__name__)"
    done = subprocess.run([sys.executable, "-c", unchanged], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == OrderedDict.__name__
    assert callable(FigureManagerBase.show)
    assert "show" in FigureManagerBase.pyplot_show.__code__.co_names  # of each manager


def test_a_figure_that_is_still_open_is_shown_at_the_end(shown):
    with own_figures(shown.append):
        plt.plot([1, 2])
        assert shown == []

    assert [bundle.keys() for bundle in shown] == [{"text/plain", PLOT}]
    assert plt.get_fignums() == []


def test_open_figures_are_shown_in_the_order_of_their_creation(shown):
    with own_figures(shown.append):
        first, second = plt.figure(figsize=(1, 1)), plt.figure(figsize=(2, 1))
        for figure in (second, first):
            figure.add_subplot()
        plt.figure(first)

    assert [bundle["text/plain"] for bundle in shown] == [repr(first), repr(second)]


def test_the_persons_figures_are_neither_shown_nor_changed(shown):
    theirs = plt.figure()
    with own_figures(shown.append):
        assert plt.get_fignums() == []
        plt.plot([1, 2])
        plt.close("all")
        plt.figure(5)
        assert not plt.fignum_exists(theirs.number) or plt.figure(theirs.number) is not theirs

    assert plt.get_fignums() == [theirs.number]
    assert plt.gcf() is theirs
    assert theirs.axes == []


def test_a_tool_can_use_the_persons_figures(shown):
    theirs = plt.figure()
    with own_figures(shown.append):
        plt.plot([1, 2])
        with persons_figures():
            plt.gcf().add_subplot().set_title("seen")
        assert plt.gcf() is not theirs

    assert [axes.get_title() for axes in theirs.axes] == ["seen"]
    assert plt.get_fignums() == [theirs.number]
    assert len(shown) == 1


def test_a_displayed_figure_is_not_shown_again(shown):
    with own_figures(shown.append) as figures:
        figure, axes = plt.subplots(layout="constrained")
        axes.plot([1, 2])
        figures.mark_displayed(figure_bundle(figure))
        figure.savefig(io.BytesIO(), format="png")

    assert shown == []


def test_a_figure_that_changed_after_display_is_shown_again(shown):
    with own_figures(shown.append) as figures:
        figures.mark_displayed(figure_bundle(plt.plot([1, 2])[0].figure))
        plt.title("changed")

    assert len(shown) == 1


@pytest.mark.parametrize("save", [False, True])
def test_show_shows_and_closes_without_windows(shown, save, tmp_path):
    with own_figures(shown.append):
        for number in range(2):
            plt.plot([1, number])
            if save:
                plt.savefig(tmp_path / "plot.png")
            plt.show()
            assert plt.get_fignums() == []

    assert len({bundle[PLOT] for bundle in shown}) == 2
    assert len(shown) == 2


def test_an_empty_figure_is_not_shown(shown):
    with own_figures(shown.append):
        plt.figure()

    assert shown == []


def test_a_figure_that_cannot_be_drawn_is_reported_and_the_others_are_shown(shown):
    with own_figures(shown.append):
        plt.figure().suptitle(r"$\nonsense$")
        plt.figure().suptitle("good")

    assert "could not be drawn: ValueError" in shown[0]["text/plain"]
    assert PLOT in shown[1]
    assert plt.get_fignums() == []


def test_a_figure_is_shown_when_the_tool_fails(shown):
    def fails() -> None:
        with own_figures(shown.append):
            plt.plot([1, 2])
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert len(shown) == 1


def test_concurrent_calls_have_separate_figures():
    barrier = threading.Barrier(8)

    def call(number):
        shown: list[object] = []
        with own_figures(shown.append):
            for _ in range(number):
                barrier.wait() if _ == 0 else None
                plt.figure().suptitle(str(number))
            barrier.wait()
            assert len(plt.get_fignums()) == number
        return len(shown)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(call, range(1, 9))) == list(range(1, 9))


def test_the_threads_of_a_call_draw_into_its_figures(shown):
    with own_figures(shown.append):
        figure = plt.figure()
        thread = threading.Thread(target=plt.plot, args=([1, 2],))
        thread.start()
        thread.join()
        with ThreadPoolExecutor() as pool:
            pool.submit(plt.title, "from a pool").result()

    assert len(figure.axes) == 1
    assert figure.axes[0].get_title() == "from a pool"
    assert len(shown) == 1


def test_a_nested_call_has_its_own_figures(shown):
    inner: list[object] = []
    with own_figures(shown.append):
        outside = plt.figure()
        outside.suptitle("outer")
        with own_figures(inner.append):
            plt.plot([1, 2])
        assert plt.gcf() is outside

    assert (len(shown), len(inner)) == (1, 1)


def test_matplotlib_is_imported_only_by_the_tool():
    program = """
import sys
from reasoning_widget.compat.pyplot import own_figures
shown = []
with own_figures(shown.append):
    assert not any(name.startswith("matplotlib") for name in sys.modules)
    import matplotlib.pyplot as plt
    plt.plot([1, 2]); plt.show(); plt.plot([2, 1])
assert len(shown) == 2 and plt.get_fignums() == [], shown
plt.figure()
with own_figures(shown.append):
    assert plt.get_fignums() == []
assert plt.get_fignums() == [1]
"""
    subprocess.run([sys.executable, "-c", program], check=True, env={"MPLBACKEND": "agg"})
