"""The sample authors are what the README says, and their questions find the posts that answer them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contracts.embedder import SentenceEmbedder
from contracts.feature_store import FeatureStore
from contracts.feature_store.retrieve import search
from contracts.records import Post
from feature_pipeline import pipeline
from inference_pipeline.grounding.answerable import answerable
from inference_pipeline.retrieval.retrieve import retrieve

EXAMPLES = Path(__file__).parents[1] / "examples"
AUTHORS = {"wren_halloway": 50, "reference/tomas_lindqvist": 25, "reference/ines_caldeira": 25}


@pytest.mark.parametrize(("folder", "count"), AUTHORS.items())
def test_every_sample_post_is_taken(folder: str, count: int) -> None:
    report = pipeline.Report("x")
    posts = list(pipeline.collect([str(EXAMPLES / folder)], "x", report))
    assert len(posts) == count
    for post in posts:
        assert isinstance(post, Post)
        assert post.title
        assert post.date is not None
        assert 2022 <= post.date.year <= 2025
        assert post.url
        assert 50 <= len(post.text.split()) <= 650


@pytest.mark.slow
def test_sample_questions_find_their_posts_and_foreign_ones_find_none(tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, SentenceEmbedder())
    pipeline.run([str(EXAMPLES / "wren_halloway")], "Wren", store)
    lines = (EXAMPLES / "wren_halloway_questions.jsonl").read_text(encoding="utf-8").splitlines()
    questions = [json.loads(line) for line in lines]
    found = [
        {passage.source_id for passage in search(store, question["question"], "Wren", 5)} for question in questions
    ]
    hits = sum(question["post"] in ids for question, ids in zip(questions, found, strict=True))
    assert hits == len(questions)
    assert all(answerable(store, q["question"], store.search(q["question"], "Wren")) for q in questions)
    for foreign in ("Who won the 2018 football world cup?", "What is your recipe for lasagne?"):
        assert retrieve(store, foreign, "Wren", 4) == []
    store.close()
