"""Parts of Jupyter Server for which it has no public interface.

For jupyter_server 2.17 to 2.21. Each function says what it uses, and what breaks without it.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Final

from jupyter_server.auth.identity import IdentityProvider, LegacyIdentityProvider, User

if TYPE_CHECKING:
    from jupyter_server.base.handlers import JupyterHandler
    from jupyter_server.services.kernels.connection.base import BaseKernelWebsocketConnection

_IDENTIFYING_METHODS: Final = (
    *("get_user", "_get_user", "get_user_token", "get_user_cookie"),
    *("generate_anonymous_user", "process_login_form"),
)
"""The methods of an identity provider that decide who a user is."""
_KERNEL_CONNECTION: Final = "kernel_websocket_connection_class"
_SCRUBBED_PARAMETERS: Final = "extra_log_scrub_param_keys"


def set_current_user(handler: JupyterHandler, user: User) -> None:
    """Let a handler serve a user who was not identified by the server's identity provider, but by a ticket.

    `JupyterHandler.prepare` sets `current_user`, and the private `_jupyter_current_user`, without which requests do not
    count as activity, so that a server may be shut down while only programs with tickets use it.
    """
    handler.current_user = user
    handler._jupyter_current_user = user  # noqa: SLF001 (this is the seam)


def on_logout(provider: IdentityProvider, notify: Callable[[str, str], None]) -> None:
    """Call `notify` whenever a user logs out.

    Jupyter Server has no event for it, and leaves the user's WebSockets open, as JupyterHub does
    (https://github.com/jupyterhub/jupyterhub/issues/1780). Without this seam, a page that was left open after logging
    out goes on showing the session. `IdentityProvider.clear_login_cookie` is replaced, which `LogoutHandler` calls.

    Args:
        provider: The server's identity provider.
        notify: Called with the value of the login cookie that is cleared, and the name of the user. The name is empty
            if the cookie was not valid any more.
    """
    clear_login_cookie = provider.clear_login_cookie

    def clear_and_notify(handler: JupyterHandler) -> None:
        cookie = handler.get_cookie(provider.get_cookie_name(handler))
        clear_login_cookie(handler)
        if cookie:
            # `current_user` raises an error while the provider is finding out who the user is.
            user: User | None = getattr(handler, "_jupyter_current_user", None)
            notify(cookie, str(user.username) if user is not None else "")

    provider.clear_login_cookie = clear_and_notify  # type: ignore[assignment,method-assign]


def identifies_users(provider: IdentityProvider) -> bool:
    """Whether an identity provider knows who a user is, rather than only that they hold the server's token or password.

    Nothing says so in public. A provider is assumed to identify users if it overrides a method with which those of
    Jupyter Server decide it, one of which, `_get_user`, is private. Without this seam, an administrator would have to
    configure `ReasoningApp.sharing`, or else all users would see each other's sessions.
    """
    kind: Any = type(provider)
    if any(not _is_own_method(getattr(kind, name)) for name in _IDENTIFYING_METHODS if hasattr(kind, name)):
        return True
    login: Any = provider.login_handler_class
    return isinstance(provider, LegacyIdentityProvider) and not _is_own_method(login.get_user)


def _is_own_method(function: Any) -> bool:
    """Whether a method is defined by Jupyter Server itself."""
    return str(getattr(function, "__module__", "")).startswith("jupyter_server.auth.")


def send_kernel_messages_at_once(settings: MutableMapping[str, Any]) -> None:
    """Switch off Nagle's algorithm for the WebSockets of kernels.

    The algorithm holds small messages back, such as the tokens that a widget shows, until the browser has acknowledged
    the message before: by up to 40 ms. Jupyter Server does not switch it off, and has no option for it. Without this
    seam the text of a chat in a notebook appears in jerks. The class of kernel connections in the web application's
    settings is replaced by a subclass.

    Args:
        settings: The settings of the web application.
    """
    connection_class: type[BaseKernelWebsocketConnection] = settings[_KERNEL_CONNECTION]

    def connect(self: Any) -> Any:
        self.websocket_handler.set_nodelay(True)
        return connection_class.connect(self)  # type: ignore[no-untyped-call]

    settings[_KERNEL_CONNECTION] = type(connection_class.__name__, (connection_class,), {"connect": connect})


def hide_in_log(settings: MutableMapping[str, Any], parameter: str) -> None:
    """Keep the values of a query parameter out of the server's log.

    The trait `ServerApp.extra_log_scrub_param_keys` belongs to the administrator, so that the setting which was made of
    it is extended. Without this seam, a ticket that somebody puts into an address is logged.

    Args:
        settings: The settings of the web application.
        parameter: A part of the parameter's name.
    """
    settings[_SCRUBBED_PARAMETERS] = [*settings.get(_SCRUBBED_PARAMETERS, []), parameter]
