"""The Markdown that agents write, as exports and terminals draw it; the cards' own is `js/src/view/markdown/`."""
