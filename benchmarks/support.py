"""How often is the mark of a sentence right?  python -m benchmarks.support [HOME]

support_pairs.tsv has sentences of the sample author's posts, and for each two sentences written by hand: one that says the
same in other words, and one on the same subject that the post does not say. Each is judged against all of that post.
"""

from __future__ import annotations

import csv
import random
import statistics
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from benchmarks.abstention import interval
from benchmarks.speed import machine
from contracts.embedder import SentenceEmbedder
from contracts.records import Passage
from inference_pipeline.grounding.support import NEAR, PARAPHRASE, judge, sources

PAIRS = Path(__file__).parent / "support_pairs.tsv"
POSTS = Path(__file__).parents[1] / "examples" / "wren_halloway"


def main() -> None:
    embed = SentenceEmbedder(cache=Path(sys.argv[1]) / "embedders" if len(sys.argv) > 1 else None).embed
    embed(["warm"])
    with PAIRS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    texts = {row["file"]: (POSTS / row["file"]).read_text(encoding="utf-8") for row in rows}
    assert all(row["sentence"] in texts[row["file"]] for row in rows)
    known = {name: sources([passage(name, text)]) for name, text in texts.items()}
    foreign = dict(zip(known, random.Random(0).sample(list(known.values()), len(known)), strict=True))
    for name, using in (("words alone", None), (f"words, then meaning (≥ {PARAPHRASE}, near ≥ {NEAR})", embed)):
        print(name)
        for label in ("supported", "other"):
            said = [row for row in rows if row["support"] == label]
            print(f"  {label}: {verdicts([judge([r['says']], known[r['file']], using)[0].support for r in said])}")
        said = [row for row in rows if foreign[row["file"]] is not known[row["file"]]]
        print(f"  another post: {verdicts([judge([r['says']], foreign[r['file']], using)[0].support for r in said])}")
    timed(rows, known, embed)
    print(machine())


def passage(name: str, text: str) -> Passage:
    return Passage(
        post_id=name, source_id=name, title="", url=None, date=None, text=text, start=0, end=len(text), score=1.0
    )  # fmt: skip


def verdicts(found: Sequence[str]) -> str:
    counts = Counter(found)
    shares = ", ".join(f"{kind} {counts[kind]}" for kind in ("supported", "inferred", "unsupported"))
    return f"{shares}; supported {interval([kind == 'supported' for kind in found])}"


def timed(rows: Sequence[dict[str, str]], known: dict[str, list], embed: object) -> None:  # type: ignore[type-arg]
    """An answer of six sentences against four posts."""
    took = []
    for place in range(0, len(rows) - 6, 4):
        some = rows[place : place + 6]
        against = [source for name in list(known)[place % 20 : place % 20 + 4] for source in known[name]]
        began = time.perf_counter()
        judge([row["says"] for row in some], against, embed)  # type: ignore[arg-type]
        took.append(1000 * (time.perf_counter() - began))
    print(f"six sentences against four posts: {statistics.median(took):.0f} ms in the median (n={len(took)})")


if __name__ == "__main__":
    main()
