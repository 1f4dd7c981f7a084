"""A real kernel for the tests of a file."""

import pytest
from jupyter_client.manager import KernelManager


@pytest.fixture(scope="module")
def kernel(kernel_name):
    """A kernel's manager and a client that is connected to it."""
    manager = KernelManager(kernel_name=kernel_name)
    manager.start_kernel()
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)
    client.context.term()
