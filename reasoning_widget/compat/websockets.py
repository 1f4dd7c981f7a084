"""Keep credentials out of the logs of the websockets library.

For websockets 15 to 17, whose clients log each header of the opening handshake at the level DEBUG, with the message
``"> %s: %s"`` and the arguments name and value. There is no option to leave headers out. Without this module, a token
or ticket appears in the log of any program that enables debug logging.
"""

from __future__ import annotations

import logging
from typing import Final

_CREDENTIALS_HEADER: Final = "authorization"


def logger_without_secrets(name: str) -> logging.Logger:
    """Return the logger of this name, for the `logger` argument of a client. Credentials in its records are masked."""
    logger = logging.getLogger(name)
    if not any(isinstance(each, _MaskCredentials) for each in logger.filters):
        logger.addFilter(_MaskCredentials())
    return logger


class _MaskCredentials(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and record.args and str(record.args[0]).lower() == _CREDENTIALS_HEADER:
            record.args = (record.args[0], "(not shown)")
        return True
