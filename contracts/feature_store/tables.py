"""The ledger's tables. Every change of a chunk takes the next `seq`, so an index catches up by reading what is newer."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)
from sqlalchemy import (
    Index as SqlIndex,
)

SCHEMA = "2"
"""Raised when a stored ledger can no longer be read."""

metadata = MetaData()

meta = Table("meta", metadata, Column("key", String, primary_key=True), Column("value", Text, nullable=False))

authors = Table(
    "authors",
    metadata,
    Column("name", String, primary_key=True),
    Column("reference", Boolean, nullable=False),
    Column("split_frozen", Boolean, nullable=False, default=False),
)

posts = Table(
    "posts",
    metadata,
    Column("id", String, primary_key=True),
    Column("author", String, nullable=False),
    Column("source", Text, nullable=False),
    Column("source_id", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("date", Date),
    Column("url", Text),
    Column("format", String, nullable=False),
    Column("byline", Text, nullable=False),
    Column("language", String, nullable=False),
    Column("text", Text, nullable=False),
    Column("marks", JSON, nullable=False),
    Column("words", Integer, nullable=False),
    Column("content_hash", String, nullable=False),
    Column("text_hash", String, nullable=False),
    Column("sketch", LargeBinary, nullable=False),  # what near-duplicates are found by
    Column("labels", String, nullable=False),  # the rules that its examples were made by
    Column("revision", Integer, nullable=False),
    Column("split", String),
    SqlIndex("posts_by_author", "author", "date"),
    SqlIndex("posts_by_text", "author", "text_hash"),
)

# Older texts of a post, and the last one of a post that its source has deleted.
revisions = Table(
    "revisions",
    metadata,
    Column("post_id", String, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("replaced", DateTime, nullable=False),
    PrimaryKeyConstraint("post_id", "revision"),
)

tombstones = Table(
    "tombstones",
    metadata,
    Column("post_id", String, primary_key=True),
    Column("author", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("at", DateTime, nullable=False),
)

# What a deleted post was called, and the source that showed it last: by these it can still be forgotten.
epitaphs = Table(
    "epitaphs",
    metadata,
    Column("post_id", String, nullable=False),
    Column("author", String, nullable=False),
    Column("address", Text, nullable=False),
    Column("name", Text, nullable=False),  # its address on the web, or what its source calls it
    PrimaryKeyConstraint("post_id", "name"),
)

# What a person said to forget, as hashes alone: by id, and by the words, which may stand elsewhere too.
forgotten = Table(
    "forgotten",
    metadata,
    Column("author", String, nullable=False),
    Column("hash", String, nullable=False),
    PrimaryKeyConstraint("author", "hash"),
)

# The addresses that a person named, to be read again by `twin sync`.
sources = Table(
    "sources",
    metadata,
    Column("author", String, nullable=False),
    Column("address", Text, nullable=False),
    Column("added", DateTime, nullable=False),
    Column("read", DateTime),
    Column("outcome", Text, nullable=False),
    PrimaryKeyConstraint("author", "address"),
)

# One row for each thing that a source lists and that was not refused: the post that it is, or is a copy of.
sightings = Table(
    "sightings",
    metadata,
    Column("author", String, nullable=False),
    Column("address", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("source_id", Text, nullable=False),
    Column("post_id", String, nullable=False),
    Column("url", Text),
    Column("raw_hash", String, nullable=False),  # of what the source said; empty: look at it again
    Column("missed", Integer, nullable=False),  # complete runs in a row that were told "not found"
    Column("run", Integer, nullable=False),  # the last run that met it
    PrimaryKeyConstraint("author", "address", "source", "source_id"),
    SqlIndex("sightings_by_post", "post_id"),
    SqlIndex("sightings_by_run", "author", "address", "run"),
)

# Sources whose complete listing lacked most of what was known: how much that was, so that nothing which came since makes
# up for it.
doubts = Table(
    "doubts",
    metadata,
    Column("author", String, nullable=False),
    Column("address", Text, nullable=False),
    Column("known", Integer, nullable=False),
    PrimaryKeyConstraint("author", "address"),
)

# How to ask an address whether it has changed, and which posts it gave.
fetches = Table(
    "fetches",
    metadata,
    Column("author", String, nullable=False),
    Column("address", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("rules", String, nullable=False),  # by which its posts were cleaned
    Column("etag", Text, nullable=False),
    Column("last_modified", Text, nullable=False),
    Column("listed", Text, nullable=False),
    Column("posts", JSON, nullable=False),
    PrimaryKeyConstraint("author", "address", "url"),
)

versions = Table(
    "feature_versions",
    metadata,
    Column("id", String, primary_key=True),
    Column("chunker", String, nullable=False),
    Column("embedder", String, nullable=False),
    Column("embedder_name", Text, nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("built", DateTime, nullable=False),
)

# Which version is served: the last row. The others are its history, for a rollback.
activations = Table(
    "activations",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("version", String, nullable=False),
    Column("chosen", Boolean, nullable=False),  # by a person, whose choice stays until the next one
    Column("at", DateTime, nullable=False),
)

chunks = Table(
    "chunks",
    metadata,
    Column("id", String, primary_key=True),
    Column("version", String, nullable=False),
    Column("post_id", String, nullable=False),
    Column("author", String, nullable=False),
    Column("ordinal", Integer, nullable=False),
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
    Column("section", Text, nullable=False),
    Column("header", Text, nullable=False),
    Column("vector", String, nullable=False),
    Column("seq", Integer, nullable=False),
    SqlIndex("chunks_by_post", "post_id"),
    SqlIndex("chunks_by_seq", "version", "seq"),
    SqlIndex("chunks_last_seq", "seq"),  # else every search reads the whole index to learn the last one
    SqlIndex("chunks_by_vector", "vector"),
)

# Chunks that are gone, by id alone, so that an index which still has them learns of it.
removals = Table(
    "removals",
    metadata,
    Column("id", String, primary_key=True),
    Column("version", String, nullable=False),
    Column("seq", Integer, nullable=False),
    SqlIndex("removals_by_seq", "version", "seq"),
    SqlIndex("removals_last_seq", "seq"),
)

vectors = Table(
    "vectors",
    metadata,
    Column("key", String, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

examples = Table(
    "examples",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("post_id", String, nullable=False, index=True),
    Column("author", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("instruction", Text, nullable=False),
    Column("slices", JSON, nullable=False),
    Column("evidence", JSON, nullable=False),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("id", String, primary_key=True),
    Column("version", String, nullable=False),
    Column("pinned", DateTime, nullable=False),
    Column("manifest", JSON, nullable=False),
)

# What people made of answers. It holds words of posts, and goes with them.
feedback = Table(
    "feedback",
    metadata,
    Column("id", String, primary_key=True),
    Column("author", String, nullable=False, index=True),
    Column("at", DateTime, nullable=False),
    Column("by", String, nullable=False),
    Column("verdict", String, nullable=False),
    Column("question", Text, nullable=False),
    Column("answer", Text, nullable=False),
    Column("edited", Text, nullable=False),
    Column("model", String, nullable=False),
    Column("other", String, nullable=False),
    Column("other_answer", Text, nullable=False),
    Column("blind", Boolean, nullable=False),
    Column("snapshot", String, nullable=False),
    Column("prompt_hash", String, nullable=False),
    Column("passages", JSON, nullable=False),
    Column("rules", String, nullable=False),  # that the lesson was made by
    Column("lesson", JSON(none_as_null=True)),  # what may be learned from an edit
)

# Of the feedback on answers that were left to a draw between two versions, the one that was not drawn.
feedback_draws = Table(
    "feedback_draws",
    metadata,
    Column("id", String, primary_key=True),
    Column("author", String, nullable=False, index=True),
    Column("instead", String, nullable=False),
)

# The feedback that other programs sent over the HTTP API.
feedback_sent = Table(
    "feedback_sent",
    metadata,
    Column("id", String, primary_key=True),
    Column("author", String, nullable=False, index=True),
)

# What a person asked and was answered; `text` is what it is searched by. It holds words of posts, and goes with them.
conversations = Table(
    "conversations",
    metadata,
    Column("id", String, primary_key=True),
    Column("user", String, nullable=False),
    Column("author", String, nullable=False),
    Column("title", Text, nullable=False),
    Column("at", DateTime, nullable=False),
    Column("turns", JSON, nullable=False),
    Column("text", Text, nullable=False),
    SqlIndex("conversations_by_user", "user", "author", "at"),
)

# Whether a person told a real passage from what a version wrote.
guesses = Table(
    "guesses",
    metadata,
    Column("id", String, primary_key=True),
    Column("author", String, nullable=False),
    Column("model", String, nullable=False, index=True),
    Column("post_id", String, nullable=False),
    Column("right", Boolean, nullable=False),
    Column("by", String, nullable=False),
    Column("at", DateTime, nullable=False),
)

# What a person drafted and kept, as they left it. It holds words of posts, and goes with them.
drafts = Table(
    "drafts",
    metadata,
    Column("id", String, primary_key=True),
    Column("user", String, nullable=False),
    Column("author", String, nullable=False),
    Column("title", Text, nullable=False),
    Column("at", DateTime, nullable=False),
    Column("text", Text, nullable=False),
    Column("parts", JSON, nullable=False),
    Column("model", String, nullable=False),
    Column("snapshot", String, nullable=False),
    SqlIndex("drafts_by_user", "user", "author", "at"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("author", String, nullable=False),
    Column("started", DateTime, nullable=False),
    Column("finished", DateTime),
    Column("report", JSON, nullable=False),
)
