"""Teaches the researcher's tools to the embedded model, by worked examples with invented facts."""

from __future__ import annotations

from typing import Any, Final

RESEARCHER: Final[dict[str, Any]] = {
    "examples": [
        ("When must the monthly report be handed in?", {"tool": "search_files", "query": "monthly report deadline"}),
        ("Hi there!", {"tool": "none"}),
        ("What is 12% of 450?", {"tool": "calculate", "expression": "450 * 12 / 100"}),
        ("Who leads the design team?", {"tool": "search_files", "query": "design team lead"}),
        ("And the sales team?", {"tool": "search_files", "query": "sales team lead"}),
        ("A ticket costs 14 euros. How much do 6 tickets cost?", {"tool": "calculate", "expression": "14 * 6"}),
        ("What does plans/garden.md say?", {"tool": "read_file", "path": "plans/garden.md"}),
        ("What is in this folder?", {"tool": "read_file", "path": "."}),
        ("Write a short poem about snow.", {"tool": "none"}),
        ("What is the weight of the Granite module?", {"tool": "search_files", "query": "Granite module weight"}),
        ("List the files in reports.", {"tool": "read_file", "path": "reports"}),
        ("What is the largest planet?", {"tool": "none"}),
        ("I had 900 and paid 250. What remains?", {"tool": "calculate", "expression": "900 - 250"}),
        ('Translate "thank you" into German.', {"tool": "none"}),
    ],
    "widened": {"search_files": "query"},
    "follow_up": r"(?i)(?:and|but)\b|(?:what|how) about\b",
    "gates": {
        "calculate": r"\d",
        "read_file": r"\w\.(?:[A-Za-z][A-Za-z0-9]{0,5})\b|\b(?i:files?|folders?|director(?:y|ies)|here|readme)\b",
    },
}
