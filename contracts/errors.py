"""Every error that a person may meet.

TwinError                 message: what was found; hint: what to do about it
├── UsageError            the request itself is wrong (exit code 2)
├── NotFound              no such author, post, model or alias
├── SourceError           a source cannot be read at all
├── StoreError            the feature store cannot be used
│   └── StoreBusy         another process is writing to it
├── ModelError            a model or an adapter cannot be used
│   └── Mismatch          two hashes that must agree do not
├── TrainingError         training cannot start, or was stopped
└── Busy                  more requests wait than may wait
"""

from __future__ import annotations


class TwinError(Exception):
    """A problem told to a person: one line that says what was found, one that says what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.hint}" if self.hint else self.message


class UsageError(TwinError):
    """The request itself is wrong."""


class NotFound(TwinError):
    """No such author, post, model or alias."""


class SourceError(TwinError):
    """A source cannot be read at all; one bad post in it is a `Refusal`, not an error."""


class StoreError(TwinError):
    """The feature store cannot be used."""


class StoreBusy(StoreError):
    """Another process is writing to the feature store."""


class ModelError(TwinError):
    """A model or an adapter cannot be used."""


class Mismatch(ModelError):
    """Two hashes that must agree do not."""

    def __init__(self, what: str, expected: str, found: str, hint: str = "") -> None:
        super().__init__(f"{what}: expected {expected}, found {found}", hint)
        self.expected, self.found = expected, found


class TrainingError(TwinError):
    """Training cannot start, or was stopped."""


class Busy(TwinError):
    """More requests wait than may wait; the same request may be answered a little later."""
