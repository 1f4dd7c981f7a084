"""Download a file of the model hub into an open file, from where it ends.

For huggingface_hub 1 and 2. Its public `hf_hub_download` writes into a cache of its own, cannot be cancelled, and
reports progress only to its own bar. Without the functions that it calls, which are private, a download could neither
continue in our file nor be cancelled.
"""

from __future__ import annotations

from typing import Any


def append(url: str, file: Any, size: int) -> None:
    """Append the missing bytes of a file of the hub.

    Args:
        url: The address of the content, without redirects.
        file: A binary file, open for appending. An exception that its `write` raises ends the download.
        size: The size of the whole file in bytes.

    Raises:
        Exception: The download failed; the bytes until then are in the file.
    """
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils._headers import build_hf_headers
    from huggingface_hub.utils.tqdm import tqdm

    class NoBar(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "disable": True})  # type: ignore[no-untyped-call]

    http_get(url, file, resume_size=file.tell(), expected_size=size, headers=build_hf_headers(), tqdm_class=NoBar)
