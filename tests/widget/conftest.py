"""A real kernel, shared by the tests of a file."""

import pytest
from jupyter_client.manager import KernelManager


@pytest.fixture(scope="module")
def kernel(kernel_name):
    """Return the manager of a kernel and a connected client."""
    manager = KernelManager(kernel_name=kernel_name)
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    client.context.term()
