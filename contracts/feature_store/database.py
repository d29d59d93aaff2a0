"""The database under the ledger: SQLite in TWIN_HOME, or whatever TWIN_DATABASE_URL names. Errors come out typed."""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sql
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from contracts.errors import StoreError
from contracts.feature_store import tables as t

ADVISORY_LOCK = 7_421_903_118  # any number that no other program on the server takes
WAIT_MS, SETTLE_MS = 30_000, 5_000  # for who writes, and for who still reads what is to be gone
AT_ONCE = 500  # parameters of one SQL statement, well under every database's limit

Item = TypeVar("Item")


class Database:
    def __init__(self, home: Path, url: str | None) -> None:
        try:
            home.mkdir(parents=True, exist_ok=True)
            self._engine = _connect(url or f"sqlite:///{home / 'ledger.sqlite3'}")
            old = sql.inspect(self._engine).has_table("meta")
            t.metadata.create_all(self._engine)
            schema = self.remember("schema", "1" if old else t.SCHEMA)
        except (OSError, SQLAlchemyError, ImportError, StoreError) as error:
            raise StoreError(
                f"the feature store in {home} cannot be opened: {_said(error)}", "check TWIN_HOME and TWIN_DATABASE_URL"
            ) from error
        if schema != t.SCHEMA:
            self.close()
            raise StoreError(
                f"the feature store in {home} was made by another version of this program (schema {schema})",
                "move it away and ingest again, or install the version that made it",
            )

    @contextmanager
    def begin(self, write: bool = False) -> Iterator[sql.Connection]:
        """One transaction: all of it or, where it fails, none. Raises StoreError."""
        with self._typed(), self._engine.execution_options(write=write).begin() as connection:
            yield connection

    @contextmanager
    def alone(self) -> Iterator[bool]:
        """Whether this process is the only writer among all machines that share the database, for as long as it is held.

        Raises StoreError.
        """
        if self._engine.dialect.name != "postgresql":
            yield True
            return
        with self._typed(), self._engine.connect() as connection:
            # The lock goes with the connection, also when its process is killed.
            held = bool(connection.scalar(sql.select(sql.func.pg_try_advisory_lock(ADVISORY_LOCK))))
            connection.commit()
            try:
                yield held
            finally:
                # A server that went away holds it no more, and why it did is told already.
                with suppress(SQLAlchemyError):
                    connection.scalar(sql.select(sql.func.pg_advisory_unlock_all()))

    @contextmanager
    def _typed(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            what = "the disk" if self._engine.dialect.name == "sqlite" else "the server that TWIN_DATABASE_URL names"
            raise StoreError(f"the ledger failed: {error.orig}", f"check {what}, then `twin doctor`") from error

    def remember(self, key: str, value: str) -> str:
        """The stored value of `key`, set to `value` the first time."""
        query = sql.select(t.meta.c.value).where(t.meta.c.key == key)
        with self.begin() as db:
            found: str | None = db.scalar(query)
        if found is None:  # only then: a reader must not wait for a writer
            with self.begin(write=True) as db:
                found = db.scalar(query)
                if found is None:
                    db.execute(sql.insert(t.meta).values(key=key, value=value))
        return found or value

    def settle(self) -> bool:
        """Bring what was deleted from the log into the file, where it is overwritten (`secure_delete`), and empty the log.

        False where somebody reads on meanwhile: what was deleted is, but its words may stand in the log.
        """
        if self._engine.dialect.name != "sqlite":
            return True
        connection = self._engine.raw_connection()
        try:
            cursor = connection.cursor()
            cursor.execute(f"PRAGMA busy_timeout={SETTLE_MS}")
            busy, *_ = cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            cursor.execute(f"PRAGMA busy_timeout={WAIT_MS}")
        except sqlite3.Error as error:
            raise StoreError(
                f"the ledger's log could not be emptied: {error}", "check the disk, then `twin doctor`"
            ) from error
        finally:
            connection.close()
        return not busy

    def close(self) -> None:
        self._engine.dispose()


def _said(error: Exception) -> str:
    """In the database's own words, without SQLAlchemy's pointer to its manual."""
    return str(getattr(error, "orig", None) or getattr(error, "message", None) or error)


def slices(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    for first in range(0, len(items), AT_ONCE):
        yield items[first : first + AT_ONCE]


def holding_words(words: str, *columns: Any) -> list[Any]:
    """Conditions: each of the words stands in one of the columns, as it is or as a part of another word."""
    return [sql.or_(*(column.icontains(word, autoescape=True) for column in columns)) for word in words.split()]


def now() -> dt.datetime:
    return dt.datetime.now(dt.UTC).replace(tzinfo=None)


def _connect(url: str) -> sql.Engine:
    engine = sql.create_engine(url)
    if engine.dialect.name == "sqlite":

        @sql.event.listens_for(engine, "connect")
        def _(connection: Any, record: object) -> None:
            connection.isolation_level = None  # the begin event below says when a transaction starts
            connection.execute(f"PRAGMA busy_timeout={WAIT_MS}")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA secure_delete=ON")  # what is forgotten is overwritten

        @sql.event.listens_for(engine, "begin")
        def _(connection: sql.Connection) -> None:
            # A transaction that reads and then writes fails if another wrote in between; one that says so at once waits.
            write = connection.get_execution_options().get("write")
            connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    return engine
