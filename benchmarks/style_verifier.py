"""Does the verifier know people, and what does it say of cheats?  python -m benchmarks.style_verifier ../shared/data [HOME]

Each real author in turn is the twin's, the others are the reference authors: oldest four fifths to learn from, newest fifth
to judge. Then four ways to cheat, planted where an adapter's texts would be, and judged by the same code: copies of training
posts, the author's words in any order, another author's posts, and what the base model writes when it is shown three posts.
"""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import in_home
from benchmarks.speed import machine
from contracts.base_model import DEFAULT, BaseLanguageModel
from contracts.prompt import encode
from contracts.records import Example, Figure, Post, Snapshot
from feature_pipeline.clean import clean
from feature_pipeline.examples import examples
from feature_pipeline.sources import RawPost, read
from training_pipeline.data import Corpus
from training_pipeline.evaluation import judge
from training_pipeline.evaluation.records import Written
from training_pipeline.evaluation.texts import KEPT, frequent, masking, stripped, thinned
from training_pipeline.recipe import Recipe, load

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

BLOGS = {
    "skeeto": "skeeto/_posts",
    "matklad": "matklad/content/posts",
    "brandur": "brandur/content/articles",
    "eevee": "eevee/content",
    "jessfraz": "jessfraz/content",
    "simonw_til": "simonw_til",
}
CHEATED = "skeeto"
WORDS = (75, 150, 300)


def main(data: Path, home: Path) -> None:
    posts = {name: cleaned(data / "blogs" / folder, name) for name, folder in BLOGS.items()}
    print("| author | posts judged | AUC | as written | masked | c@1 | F0.5u | Brier | s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for author in BLOGS:
        began = time.perf_counter()
        found = judge.judges(sides(posts, author)).figures
        names = ("auc", "auc_raw", "auc_masked", "c_at_1", "f05u", "brier")
        cells = [cell(found[f"verification_{name}"]) for name in names]
        took = time.perf_counter() - began
        print(f"| {author} | {found['verification_auc'].n} | {' | '.join(cells)} | {took:.1f} |", flush=True)
    print("\n| author | " + " | ".join(f"AUC at {words} words, masked" for words in WORDS) + " |\n|---|---|---|---|")
    for author in BLOGS:
        print(
            f"| {author} | " + " | ".join(by_length(sides(posts, author), words) for words in WORDS) + " |", flush=True
        )
    base = BaseLanguageModel(DEFAULT, home)
    print("\n| text | V | taken for the author | copies | fluent | distinguishable |\n|---|---|---|---|---|---|")
    for name, found in cheats(corpus(posts, CHEATED), base, 24, 200).items():
        print(f"| {name} | " + " | ".join(cell(figure) for figure in found.values()) + " |", flush=True)
    print(machine())


def cleaned(folder: Path, author: str) -> list[Post]:
    made = [clean(raw, author) for raw in read(str(folder)) if isinstance(raw, RawPost)]
    return sorted((post for post in made if isinstance(post, Post)), key=lambda post: (str(post.date or ""), post.id))


def sides(posts: dict[str, list[Post]], author: str) -> judge.Sides:
    ids = [post.id for post in posts[author]]
    cut = len(ids) * 4 // 5
    everybody = [post for written in posts.values() for post in written]
    return judge.Sides.of(everybody, author, frozenset(ids[:cut]), frozenset(ids[cut:]))


def by_length(found: judge.Sides, words: int) -> str:
    mask = masking(frequent({"": found.author, **found.references}, KEPT))
    return ", ".join(
        cell(judge.auc(judge.judged(found, change, words))) for change in (stripped, lambda text: mask(stripped(text)))
    )


def corpus(posts: dict[str, list[Post]], author: str) -> Corpus:
    """As the store would give it: split by time, each post asked for by its title."""
    first = {name: [made[0] for post in written if (made := examples(post))] for name, written in posts.items()}
    mine = first.pop(author)
    cuts = [0, len(mine) * 7 // 10, len(mine) * 8 // 10, len(mine)]
    parts = {name: mine[cuts[n] : cuts[n + 1]] for n, name in enumerate(("train", "validation", "test"))}
    return Corpus(
        author=author,
        snapshot=Snapshot(id="", feature_version="", posts=0, chunks=0),
        posts={post.id: post for written in posts.values() for post in written},
        examples=parts,
        reference=[example for written in first.values() for example in written],
    )


def cheats(
    found: Corpus, base: BaseLanguageModel, count: int, tokens: int, few_shot: bool = True
) -> dict[str, dict[str, Figure]]:
    """What is measured of the author's own texts and of each cheat: V, taken for the author, copies, fluency."""
    from peft import LoraConfig, get_peft_model

    from training_pipeline.evaluation.evaluate import fluency
    from training_pipeline.evaluation.scoring import Outputs

    model, tokenizer = base.load().eval(), base.tokenizer()
    asked = thinned(found.examples["test"], count)
    planted = {
        "copies of training posts": copies(found, asked),
        "the author's words in any order": salads(found, asked),
        "another author's posts": others(found, asked),
    }
    if few_shot:
        planted["the base model, shown three posts"] = prompted(found, asked, model, tokenizer, tokens)
    adapted = get_peft_model(model, LoraConfig(r=1, target_modules="all-linear"))  # type: ignore[arg-type]
    judges = judge.verified(found)
    recipe = load("quick").model_copy(
        update={"conditions": ("adapter",), "generations": count, "generation_tokens": tokens}
    )
    nats: dict[str, float] = {}

    def fluent(texts: Sequence[str]) -> list[float]:
        """The author's own texts, with which each cheat is compared, once for all of them."""
        new = [text for text in dict.fromkeys(texts) if text not in nats]
        nats.update(zip(new, fluency(adapted, tokenizer, new, lambda *_: None), strict=True))
        return [nats[text] for text in texts]

    table: dict[str, dict[str, Figure]] = {}
    for name, texts in planted.items():
        outputs = Outputs(
            found, asked, written(asked, texts, tokenizer, recipe), recipe,
            fluent, tokenizer,
        )  # fmt: skip
        verified, guards, copied = outputs.verified(judges), outputs.guarded(None), outputs.copied()
        if not table:
            table["the author's held-out posts"] = {
                "V": verified["verification/human"],
                "taken": verified["taken_for_the_author/human"],
                "copies": Figure(value=0.0, n=len(asked), note="by definition"),
                "fluent": Figure(value=0.9, n=len(asked), note="by definition"),
                "distinguishable": guards["distinguishability_human"],
            }
        table[name] = {
            "V": verified["verification/adapter"],
            "taken": verified["taken_for_the_author/adapter"],
            "copies": copied["copy_excess"],
            "fluent": guards["fluency_in_band"],
            "distinguishable": guards["distinguishability"],
        }
    return table


def written(
    asked: Sequence[Example], texts: Sequence[str], tokenizer: PreTrainedTokenizerBase, recipe: Recipe
) -> list[Written]:
    made = []
    for example, text in zip(asked, texts, strict=True):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"][: recipe.generation_tokens]
        cut = str(tokenizer.decode(ids))
        made.append(
            Written(condition="adapter", post_id=example.post_id, seed=0, instruction=example.instruction, text=cut)
        )
    return made


def copies(found: Corpus, asked: Sequence[Example]) -> list[str]:
    return [found.target(example) for example in thinned(found.examples["train"], len(asked))]


def salads(found: Corpus, asked: Sequence[Example]) -> list[str]:
    words = " ".join(found.target(example) for example in found.examples["train"]).split()
    return [" ".join(random.Random(n).choices(words, k=160)) for n in range(len(asked))]


def others(found: Corpus, asked: Sequence[Example]) -> list[str]:
    """Of the reference authors in turn: the newest of each."""
    by_author: dict[str, list[Example]] = {}
    for example in found.reference:
        by_author.setdefault(example.author, []).append(example)
    return [
        found.target(list(by_author.values())[n % len(by_author)][-1 - n // len(by_author)]) for n in range(len(asked))
    ]


def prompted(
    found: Corpus, asked: Sequence[Example], model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, tokens: int
) -> list[str]:
    """In batches of eight, sampled as in serving."""
    import torch

    from training_pipeline.evaluation.writing import sampled

    shown = "\n\n".join(found.target(example)[:900] for example in found.examples["train"][-3:])
    texts: list[str] = []
    torch.manual_seed(7)
    for first in range(0, len(asked), 8):
        prompts = [
            encode(
                tokenizer,
                [{"role": "user", "content": f"Three of my posts:\n\n{shown}\n\n{example.instruction} Write as I do."}],
            )
            for example in asked[first : first + 8]
        ]
        texts += tokenizer.batch_decode(sampled(model, tokenizer, prompts, tokens), skip_special_tokens=True)
    return texts


def cell(figure: Figure) -> str:
    if figure.value is None:
        return f"cannot measure: {figure.note}"
    return f"{figure.value:.3f}" + (f" [{figure.low:.2f}, {figure.high:.2f}]" if figure.low is not None else "")


if __name__ == "__main__":
    in_home(main)
