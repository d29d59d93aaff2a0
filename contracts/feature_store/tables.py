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
    Column("text", Text, nullable=False),
    Column("content_hash", String, nullable=False),
    Column("text_hash", String, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("split", String),
    SqlIndex("posts_by_author", "author", "date"),
)

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

versions = Table(
    "feature_versions",
    metadata,
    Column("id", String, primary_key=True),
    Column("chunker", String, nullable=False),
    Column("embedder", String, nullable=False),
    Column("dimension", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
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
    Column("live", Boolean, nullable=False),
    Column("seq", Integer, nullable=False),
    SqlIndex("chunks_by_post", "post_id"),
    SqlIndex("chunks_by_seq", "version", "seq"),
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
    Column("start", Integer, nullable=False),
    Column("end", Integer, nullable=False),
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

runs = Table(
    "runs",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("author", String, nullable=False),
    Column("started", DateTime, nullable=False),
    Column("finished", DateTime),
    Column("report", JSON, nullable=False),
)
