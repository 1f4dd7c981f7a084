"""The baseline: a bare HTML page that gets the tokens over a plain WebSocket and renders them with frozen blocks."""
