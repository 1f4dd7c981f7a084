"""How well the embedded model uses the researcher's tools: questions about eight small files, and sums.

    python -m benchmarks.embedded_accuracy [--size 0.5b|1.5b]

Counts how often the right tool was called, and how often the answer contains the right fact; prints the seconds that
each question took. No question resembles a worked example in substance. Follow-up questions are counted separately.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reasoning_widget.agents.base import RunContext, Turn, as_current_run
from reasoning_widget.agents.growing import whole_steps
from reasoning_widget.agents.models import choose_model
from reasoning_widget.agents.presets import researcher, warm_up

FILES = {
    "lab/rules.md": """# Laboratory rules

Goggles are worn in every room with a yellow door. Eating is allowed in the kitchen only.

## Cleaning

The fume hood is cleaned on Thursdays. The key of the chemical store is kept by Ines Okafor.

## Visitors

Visitors sign the book at the gate and are accompanied at all times. Groups have at most 12 people.
""",
    "lab/instruments.csv": """name,room,bought,price_eur
spectrometer,B12,2019,48000
centrifuge,B14,2021,7300
microscope,A03,2017,15900
freezer,C01,2022,11200
""",
    "handbook/travel.txt": """Travel within the country is booked second class.
The daily allowance is 28 euros, and 14 euros on the day of arrival.
Receipts are handed in within 21 days after the journey.
Flights need the approval of the head of department.
""",
    "handbook/holidays.txt": """Every employee has 30 days of leave a year.
Leave of more than three weeks in a row is agreed with the team by the end of January.
The office is closed between Christmas and New Year.
""",
    "projects/heron.md": """# Project Heron

Heron measures the nitrate in small rivers with floating probes. It began in March 2023 and ends in August 2026.
The project is led by Tomasz Lindqvist. Its budget is 640,000 euros, paid by the Waterways Fund.

## Probes

A probe weighs 3.2 kg and runs for 45 days on one battery. Data are sent every 15 minutes.
""",
    "projects/otter.md": """# Project Otter

Otter builds a map of wells in the north. The lead is Amara Devereux.
The map is published under an open licence in November.
""",
    "notes/2024-05-meeting.md": """# Meeting of 14 May

Present: Ines, Tomasz, Amara. The new server is called basalt and replaces granite on 1 July.
Amara orders twelve more wells sensors. Next meeting: 11 June, room A03.
""",
    "config/sampler.yaml": """# settings of the river sampler
interval_minutes: 15
retries: 4
upload:
  host: basalt
  port: 8443
""",
}


@dataclass(frozen=True)
class Question:
    """A question, the tool it needs and what its answer must match."""

    text: str
    tool: str | None
    answer: str


QUESTIONS = (
    Question("On which day is the fume hood cleaned?", "search_files", r"thursday"),
    Question("Who keeps the key of the chemical store?", "search_files", r"okafor"),
    Question("How long does a Heron probe run on one battery?", "search_files", r"45"),
    Question("Who pays for project Heron?", "search_files", r"waterways"),
    Question("How many days of leave do employees have?", "search_files", r"30"),
    Question("In which room is the centrifuge?", "search_files", r"b14"),
    Question("What is the new server called?", "search_files", r"basalt"),
    Question("Which port does the sampler upload to?", "search_files", r"8443"),
    Question("How large may a visitor group be?", "search_files", r"\b12\b|twelve"),
    Question("Who is the lead of Otter?", "search_files", r"devereux"),
    Question("How many retries does the sampler make?", "search_files", r"\b(4|four)\b"),
    Question("What does handbook/holidays.txt say?", "read_file", r"30|christmas|three weeks"),
    Question("What is 23 times 17?", "calculate", r"\b391\b"),
    Question("A box holds 24 bottles. How many bottles are in 15 boxes?", "calculate", r"\b360\b"),
    Question("What is 8% of 1250?", "calculate", r"\b100\b"),
    Question("I earn 2400 and spend 1730. How much is left?", "calculate", r"\b670\b"),
    Question("Divide 1001 by 7.", "calculate", r"\b143\b"),
    Question("How many hours are 540 minutes?", "calculate", r"\b(9|nine)\b"),
    Question("Good morning!", None, r"\w"),
    Question("Write one sentence about the sea.", None, r"sea|ocean|wave"),
)

FOLLOW_UPS = (
    ("Who leads project Heron?", Question("And Otter?", "search_files", r"devereux")),
    ("In which room is the centrifuge?", Question("And the microscope?", "search_files", r"a03")),
    ("What did the spectrometer cost?", Question("And the freezer?", "search_files", r"11[,.]?200")),
    ("When did Heron begin?", Question("And when does it end?", "search_files", r"august|2026")),
    ("What is the daily allowance?", Question("And on the day of arrival?", "search_files", r"\b14\b")),
    ("How much does a probe weigh?", Question("And how often does it send data?", "search_files", r"15|fifteen")),
    ("Which host does the sampler upload to?", Question("What about the port?", "search_files", r"8443")),
    ("What is 15% of 80?", Question("And 15% of 200?", "calculate", r"\b30\b")),
)


async def ask(root: Path, llm: dict[str, object], question: str, history: list[Turn]) -> tuple[str | None, str, Turn]:
    """Return the first tool that was called, the answer, and the turn for the history of a follow-up."""
    tool, answer = None, ""
    steps: dict[str, Any] = {}
    with as_current_run(RunContext(history=history)):
        async for step in whole_steps(researcher(llm, root).run_with_reasoning_stream(question)):
            steps[step["id"]] = step
            if step["type"] == "tool_use" and tool is None:
                tool = step["tool"]["name"]
            if step["type"] == "final_answer":
                answer = step["content"]
    return tool, answer, {"prompt": question, "answer": answer, "steps": list(steps.values())}


async def measure(root: Path, llm: dict[str, object]) -> None:
    """Ask all questions, and print the counts."""
    await ask(root, llm, "Hello", [])  # starts the server, and reads the worked examples and the files
    calls = answers = 0
    seconds = []
    for question in QUESTIONS:
        began = time.perf_counter()
        tool, answer, _ = await ask(root, llm, question.text, [])
        seconds.append(time.perf_counter() - began)
        right = tool == question.tool, bool(re.search(question.answer, answer.lower()))
        calls, answers = calls + right[0], answers + right[1]
        marks = "".join("✓" if each else "✗" for each in right)
        print(f"{marks} {seconds[-1]:4.1f} s  {question.text}  [{tool}]  {' '.join(answer.split())[:110]}")
    print(f"right call {calls}/{len(QUESTIONS)}, right answer {answers}/{len(QUESTIONS)}, ", end="")
    print(f"median {statistics.median(seconds):.1f} s\n")
    right_follow_ups = 0
    for first, question in FOLLOW_UPS:
        _, _, turn = await ask(root, llm, first, [])
        tool, answer, _ = await ask(root, llm, question.text, [turn])
        right_follow_ups += bool(re.search(question.answer, answer.lower()))
        print(f"{first} {question.text}  [{tool}]  {' '.join(answer.split())[:110]}")
    print(f"follow-ups answered rightly {right_follow_ups}/{len(FOLLOW_UPS)}")


def main() -> None:
    """Write the files, and ask all questions."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", default="0.5b")
    choice = choose_model({"model_type": "embedded", "model": parser.parse_args().size})
    warm_up(choice)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in FILES.items():
            path = Path(folder, name)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        asyncio.run(measure(Path(folder), choice.llm))


if __name__ == "__main__":
    main()
