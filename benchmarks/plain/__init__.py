"""The baseline: a bare HTML page that gets tokens over a plain WebSocket, and does not redraw finished blocks."""
