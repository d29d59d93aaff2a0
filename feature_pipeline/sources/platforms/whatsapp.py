"""WhatsApp's “Export chat”: a text file, one message after another, in the date format of the phone that wrote it.

It does not say whose phone that was, so that the person says which name is theirs. Only their own messages are handed on.
"""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from contracts.errors import SourceError
from feature_pipeline.sources import Complete, Found, Item, RawPost, Refusal
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.text import decode

# Which way a line runs is said by marks that nobody types; \s is any space, the narrow one before PM too.
MARKS = "[\u200e\u200f\u202a-\u202e\u2066-\u2069]*"
START = re.compile(
    rf"{MARKS}(?P<ios>\[)?(?P<first>\d{{1,4}}){MARKS}(?P<by>[/.-])\s?{MARKS}(?P<second>\d{{1,2}}){MARKS}[/.-]\s?{MARKS}"
    rf"(?P<third>\d{{1,4}})(?:\s?г)?\.?[,،]?{MARKS}\s{{1,3}}(?P<before>[^\W\d]{{1,4}}\.?\s?)?(?P<hour>\d{{1,2}})[:.](?P<minute>\d\d)"
    rf"(?:[:.]\d\d)?(?P<after>\s?[^\W\d]{{1,3}}\.?\s?(?:[^\W\d]\.?)?)?{MARKS}(?:\]|\s[-–])\s(?P<rest>.*)\Z"
)
NAMED = re.compile(rf"{MARKS}(?:~\s)?(?P<name>[^:\n]{{1,100}}?){MARKS}:(?:\s(?P<text>.*))?\Z", re.DOTALL)
MORNING = ("a", "上午", "午前", "오전", "ص", "π", "pg", "sa", "öö")
AFTERNOON = ("p", "下午", "午後", "오후", "م", "μ", "ch", "ös")
# Whole lines that the phone wrote: a picture that was left out, and one that lies beside, with its caption below.
LEFT_OUT = re.compile(
    r"\u200e?<[^<>\n]{1,60} [^<>\n]{1,60}>|null"
    r"|(?:\u200e[^\n]{1,120}|(?:AUD|DOC|IMG|PTT|STK|VID)-\d{8}-WA\d+\.\w+) \([^()\n]{3,40}\)"
)
APPENDED = re.compile(
    r"\s?(?:\u200e<[^<>\n]{1,100}>|\u200e[^\n\u200e]{1,40} omitted"
    r"|<[^<>\n]{0,60}\b(?:edited|bearbeitet|editad[oa]|modifié|modificato|bewerkt)\b[^<>\n]{0,20}>)\Z"
)
DELETED = frozenset(
    (
        *("this message was deleted", "you deleted this message", "waiting for this message", "live location shared"),
        *(
            "missed voice call",
            "missed video call",
            "diese nachricht wurde gelöscht",
            "du hast diese nachricht gelöscht",
        ),
        *("eliminaste este mensaje", "se eliminó este mensaje", "este mensaje fue eliminado", "mensagem apagada"),
        *(
            "essa mensagem foi apagada",
            "esta mensagem foi apagada",
            "você apagou esta mensagem",
            "apagou esta mensagem",
        ),
        *("ce message a été supprimé", "vous avez supprimé ce message", "questo messaggio è stato eliminato"),
        *("hai eliminato questo messaggio", "dit bericht is verwijderd", "u hebt dit bericht verwijderd"),
    )
)
CHAT = re.compile(r".{0,20}WhatsApp.{0,10}? (?:with|mit|con|com|avec|met|-) (.+?)(?: \(\d+\))?\.(?:txt|zip)")
# A thought is typed in several messages; taken one by one they would teach a voice of half-sentences, and a whole day
# taken together would teach one that changes its subject without a word.
PAUSE = dt.timedelta(minutes=5)
FIRST_YEAR = 2009  # of WhatsApp
# Phones export so many messages with pictures, and four times as many without: what came before is missing.
MAX_EXPORTED = 10_000
TEXTS = ("_chat.txt", "*whatsapp*.txt")


@dataclass(frozen=True)
class Stamp:
    """When a message was sent, in the three numbers of its date as they are written."""

    numbers: tuple[int, int, int]
    dotted: bool
    hour: int
    minute: int

    def at(self, day_first: bool | None) -> dt.datetime | None:
        """None where the order of day and month is not known, or there is no such day."""
        first, second, third = self.numbers
        if first > 31:
            year, month, day = first, second, third
        elif day_first is None:
            return None
        else:
            year, month, day = (third, second, first) if day_first else (third, first, second)
        year += 2000 if year < 100 else 0
        if year > dt.date.today().year + 1:  # Thai phones count from Buddha's death: 2567, or 67
            year -= 543 if year > 2500 else 43
        if year < FIRST_YEAR:  # of another calendar, such as the Persian one: no date is better than a wrong one
            return None
        try:
            return dt.datetime(year, month, day, self.hour, self.minute)
        except ValueError:
            return None

    def __str__(self) -> str:
        return f"{'/'.join(map(str, self.numbers))} {self.hour:02}:{self.minute:02}"


@dataclass(frozen=True)
class Message:
    stamp: Stamp
    name: str
    """Empty for a line that the phone wrote."""
    text: str


def recognises(archive: Archive) -> bool:
    return bool(_chats(archive))


def read(archive: Archive, me: str | None = None) -> Iterator[Item]:
    """The messages of `me`, a name as the chat has it. Raises SourceError where it is not given, or is not there."""
    yield from archive.refusals(str(archive.path))
    chats = {name: list(_messages(archive, name)) for name in _chats(archive)}
    _check(archive, chats, me)
    for name, messages in chats.items():
        yield from _notes(archive, name, messages, me or "")
    if all(len(messages) < MAX_EXPORTED for messages in chats.values()):
        yield Complete()


def _chats(archive: Archive) -> list[str]:
    """Files that begin as a chat; a file that was given alone may be called anything."""
    alone = ("*.txt",) if archive.path.is_file() and not archive.is_zip else ()
    return [name for name in archive.find(*TEXTS, *alone) if _begins(archive.head(name))]


def is_chat(head: str) -> bool:
    """Whether a text begins as a chat does, whatever it is called: two lines with a moment, and somebody's name."""
    starts = [start for line in head.split("\n") if (start := START.match(line.removesuffix("\r")))]
    return len(starts) > 1 and any(NAMED.match(start["rest"]) for start in starts)


def _begins(head: bytes) -> bool:
    return any(START.match(line) for line in head.decode("utf-8-sig", "ignore").split("\n")[:3])


def _check(archive: Archive, chats: dict[str, list[Message]], me: str | None) -> None:
    """Raises SourceError unless `me` wrote something; it names who did, those who wrote most first."""
    written = Counter(message.name for messages in chats.values() for message in messages if message.name)
    names = [name for name, _ in written.most_common(20)]
    if me is not None and any(_same(name, me) for name in written):
        return
    who = (
        f"nobody in {archive.path} is called {me!r}"
        if me
        else f"{archive.path} does not say which of its writers you are"
    )
    example = names[0] if names else "Name"
    raise SourceError(
        f"{who}: {', '.join(names)}", f"add your name as it stands there, such as '{archive.path}#{example}'"
    )


def _messages(archive: Archive, name: str) -> Iterator[Message]:
    """Each with all of its lines. A line that begins with no date belongs to the message before it."""
    text = decode(archive.read(name))
    if text is None:
        raise SourceError(f"{archive.where(name)} is no text", "export the chat again")
    begun: re.Match[str] | None = None
    lines: list[str] = []
    for line in text.split("\n"):
        line = line.removesuffix("\r")
        start = START.match(line)
        if not start:
            lines.append(line)
            continue
        if begun:
            yield _message(begun, lines)
        begun, lines = start, [start["rest"]]
    if begun:
        yield _message(begun, lines)


def _message(start: re.Match[str], lines: list[str]) -> Message:
    found = NAMED.match("\n".join(lines))
    half = (start["before"] or start["after"] or "").strip().lower()
    hour = int(start["hour"])
    if half.startswith(MORNING + AFTERNOON) and hour <= 12:
        hour = hour % 12 + 12 * (not half.startswith(MORNING))
    numbers = (int(start["first"]), int(start["second"]), int(start["third"]))
    stamp = Stamp(numbers, start["by"] == ".", hour, int(start["minute"]))
    text = (found["text"] or "") if found else ""
    # An iPhone gives its own lines a name as well, and marks them.
    if not found or (start["ios"] and text.startswith("\u200e") and not LEFT_OUT.match(text)):
        return Message(stamp, "", "")
    return Message(stamp, found["name"].strip(), _typed(text))


def _typed(text: str) -> str:
    """What the person typed of a message: a caption, but no picture; no word of the phone's about it."""
    first, _, rest = text.partition("\n")
    if LEFT_OUT.fullmatch(first.strip()):
        text = rest
    text = APPENDED.sub("", text.strip()).strip()
    return "" if text.lower().rstrip(".") in DELETED else text


def _notes(archive: Archive, name: str, messages: list[Message], me: str) -> Iterator[Found]:
    source, day_first = _source(archive, name), _day_first(messages)
    runs = list(_runs(messages, me, day_first))
    if day_first is None and runs and runs[0][0].stamp.at(None) is None:
        detail = (
            f"{len(runs)} notes have no date: 3/4 may be in March or in April, and no day in {name} is over the 12th"
        )
        yield Refusal(source, name, "ambiguous_dates", detail)
    count: Counter[str] = Counter()
    for run in runs:
        at = run[0].stamp.at(day_first)
        source_id = at.isoformat(timespec="minutes") if at else str(run[0].stamp)
        count[source_id] += 1
        yield RawPost(
            source,
            source_id if count[source_id] == 1 else f"{source_id} {count[source_id]}",
            title="",
            date=at.date() if at else None,
            url=None,
            text="\n".join(message.text for message in run),
            markup="plain",
            author=run[0].name,
            format="note",
        )


def _runs(messages: list[Message], me: str, day_first: bool | None) -> Iterator[list[Message]]:
    """Messages of `me` that nobody answered and that came soon after one another."""
    run: list[Message] = []
    for message in messages:
        own = _same(message.name, me)
        if run and message.name and (not own or not _soon(run[-1].stamp, message.stamp, day_first)):
            yield run
            run = []
        if own and message.text:
            run.append(message)
    if run:
        yield run


def _soon(before: Stamp, after: Stamp, day_first: bool | None) -> bool:
    one, two = before.at(day_first), after.at(day_first)
    if one and two:
        return abs(two - one) <= PAUSE
    minutes = after.hour * 60 + after.minute - before.hour * 60 - before.minute
    return before.numbers == after.numbers and abs(minutes) * 60 <= PAUSE.total_seconds()


def _day_first(messages: list[Message]) -> bool | None:
    """Whether the day is written before the month: dots say so, else a number over 12 anywhere in the chat."""
    stamps = [message.stamp for message in messages]
    day = any(stamp.dotted or 12 < stamp.numbers[0] <= 31 for stamp in stamps)
    month = any(stamp.numbers[0] <= 31 and stamp.numbers[1] > 12 for stamp in stamps)
    return None if day == month else day


def _source(archive: Archive, name: str) -> str:
    """By the chat, so that next year's export of it brings the same notes up to date."""
    for file in (PurePosixPath(name).name, archive.path.name):
        chat = CHAT.fullmatch(file)
        if chat:
            return f"whatsapp:{chat[1]}"
    return str(archive.path)


def _same(name: str, me: str) -> bool:
    return bool(name) and name.casefold() == me.strip().casefold()
