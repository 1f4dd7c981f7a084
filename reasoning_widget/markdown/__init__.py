"""Render the Markdown of agents in exports and terminals; `js/src/view/markdown/` renders it in the page."""
