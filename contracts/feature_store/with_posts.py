"""What holds words of posts goes with them: which posts are there to be held, and who holds words of those that go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sqlalchemy as sql

from contracts.feature_store import tables as t
from contracts.feature_store.database import slices
from contracts.feature_store.shared_words import Words


def held(db: sql.Connection, post_ids: Iterable[str], author: str | None = None, deleted: bool = False) -> set[str]:
    """Those of the posts that are stored, by `author` where one is named; none is forgotten before the transaction ends.

    `deleted`: also those that their source alone has deleted. Of a forgotten post there is no tombstone.
    """
    columns = [t.posts.c.id, *([t.tombstones.c.post_id] if deleted else [])]
    found: set[str] = set()
    for some in slices(sorted(set(post_ids))):
        for column in columns:
            mine = [column.in_(some), *([column.table.c.author == author] if author is not None else [])]
            found.update(db.scalars(sql.select(column).where(*mine).order_by(column).with_for_update(read=True)))
    return found


def holding(db: sql.Connection, words: Words, post_ids: Sequence[str]) -> set[str]:
    """The names of the texts in `words` that hold words of these posts, as they are or were; called while they stand."""
    found: set[str] = set()
    for some in slices(post_ids):
        for table, column in ((t.posts, t.posts.c.id), (t.revisions, t.revisions.c.post_id)):
            for post in db.execute(sql.select(table.c.title, table.c.text).where(column.in_(some))):
                found |= words.holding(post.text) | words.holding(post.title)
    return found
