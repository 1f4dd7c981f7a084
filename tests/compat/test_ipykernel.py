"""Messages of pages while a cell runs, and the parts of ipykernel that they rely on."""

import inspect

from ipykernel.comm.comm import BaseComm

from reasoning_widget.compat.ipykernel import receive_in_subshell


def test_ipykernel_is_as_the_seam_expects():
    """Canary: if this fails, ipykernel has changed, and `compat/ipykernel.py` must be adapted."""
    assert [*inspect.signature(BaseComm._reply_subshell_for).parameters] == ["self", "data", "default"]


def test_the_default_route_is_restored():
    class Comm:
        def _reply_subshell_for(self, data, default):
            return "main shell"

    comm = Comm()
    receive_in_subshell(comm)
    assert comm._reply_subshell_for({}, "subshell") == "subshell"


def test_a_comm_without_routes_is_left_unchanged():
    comm = object()
    receive_in_subshell(comm)
    assert not hasattr(comm, "_reply_subshell_for")
