"""The elements of an XML export, one at a time: an export of any size takes the memory of its largest post.

Knows nothing of platforms. Exports are written by programs that forget to escape: a stray `&`, an entity that only HTML
knows, a control character or a blank first line is read as it was meant. A document type is refused, as only it can
declare entities: nothing is expanded and nothing outside the file is opened.
"""

from __future__ import annotations

import codecs
import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.entities import html5
from xml.parsers import expat

from contracts.errors import SourceError
from feature_pipeline.sources.files.archive import DAMAGED, Archive, in_words

BLOCK = 1 << 16
MAX_TEXT = 5_000_000  # characters of one element
MAX_FIELDS = 20_000  # of one element
MAX_TAG = 10_000_000  # bytes that are no end of anything
MAX_DEPTH = 1_000
MAX_BYTES = 2_000_000_000

LOOK_AHEAD = 48  # longer than any token below
TOKEN = re.compile(r"<!\[CDATA\[|<!--|&(?:#\d{1,7};|#[xX][0-9a-fA-F]{1,6};|[A-Za-z][A-Za-z0-9]{1,32};)?")
ENDS = {"<![CDATA[": "]]>", "<!--": "-->"}
FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
DECLARATION = re.compile(r"\A\ufeff?\s*(?:<\?xml[^>]{0,200}\?>)?\s*")
ENCODING = re.compile(rb"<\?xml[^>]{0,100}encoding\s*=\s*[\"']([\w.:-]{1,40})[\"']")


OTHER_ENCODINGS = re.compile(
    r"(?:iso-8859-(?:[1-9]|1[013-6])|windows-125[0-8]|gb2312|gbk|gb18030|big5|shift_jis|euc-jp|euc-kr|koi8-[ru])\Z"
)


class DamagedError(Exception):
    """The file cannot be read on from here. `reason` is one word for the report."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True)
class Field:
    path: str
    """From the element, such as `author/name`; empty for the element itself."""
    attributes: dict[str, str]
    text: str


@dataclass
class Element:
    """Names are as written, with their prefix; text of mixed content stands with the element that it is in."""

    name: str
    fields: list[Field] = field(default_factory=list)
    too_large: bool = False
    """Some of it was left out."""

    def text(self, path: str) -> str:
        """Of the first `path` that has any."""
        return next((found.text for found in self.fields if found.path == path and found.text.strip()), "")

    def all(self, path: str) -> list[Field]:
        return [found for found in self.fields if found.path == path]


def elements(archive: Archive, name: str, wanted: frozenset[str], skip: frozenset[str]) -> Iterator[Element]:
    """Each outermost element that is called as one `wanted`, in order, without what is in those to `skip`.

    Raises DamagedError, after what came before the damage.
    """
    parser = _Parser(wanted, skip)
    for text in _repaired(_decoded(_blocks(archive, name))):
        damage = parser.feed(text)
        yield from parser.taken()
        if damage:
            raise damage
    damage = parser.feed("", last=True)
    yield from parser.taken()
    if damage:
        raise damage


@dataclass
class _Open:
    """An element that has begun, and how much of it there is so far."""

    name: str
    attributes: dict[str, str] = field(default_factory=dict)
    texts: list[str] = field(default_factory=list)
    size: int = 0
    cut: bool = False


class _Parser:
    def __init__(self, wanted: frozenset[str], skip: frozenset[str]) -> None:
        self._wanted, self._skip = wanted, skip
        self._expat = expat.ParserCreate("utf-8")
        self._expat.buffer_text = True
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = self._text
        self._expat.StartDoctypeDeclHandler = self._doctype
        self._fed = self._depth = self._skipping = self._size = 0
        self._element: Element | None = None
        self._open: list[_Open] = []
        self._done: list[Element] = []

    def feed(self, text: str, last: bool = False) -> DamagedError | None:
        """Why no more can be read; what is `taken` was read before."""
        data = text.encode("utf-8")
        self._fed += len(data)
        try:
            self._expat.Parse(data, last)
        except expat.ExpatError as error:
            return DamagedError("damaged", f"it is no whole XML: {error}; download the export again")
        except DamagedError as error:
            return error
        if self._fed - self._expat.CurrentByteIndex > MAX_TAG:
            return DamagedError("too_large", f"it has a tag of over {MAX_TAG:,} bytes")
        return None

    def taken(self) -> list[Element]:
        done, self._done = self._done, []
        return done

    def _doctype(self, *declared: object) -> None:
        raise DamagedError("unsafe_entry", "it declares a document type, which no export does")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise DamagedError("unsafe_entry", f"its elements are nested over {MAX_DEPTH:,} deep")
        if self._skipping or (self._element is not None and name in self._skip):
            self._skipping += 1
            return
        if self._element is None and name in self._wanted:
            self._element, self._size = Element(name), 0
        if self._element is not None:
            self._open.append(_Open(name))
            if self._has_room(sum(map(len, attributes.values()))):
                self._open[-1].attributes = attributes

    def _text(self, text: str) -> None:
        if self._open and not self._skipping and self._has_room(len(text)):
            self._open[-1].texts.append(text)

    def _end(self, name: str) -> None:
        self._depth -= 1
        if self._skipping:
            self._skipping -= 1
            return
        if self._element is None:
            return
        path = "/".join(inner.name for inner in self._open[1:])
        ended = self._open.pop()
        # What is cut is left out whole, so that there is room for what comes after it, such as that it is a draft.
        self._size -= ended.size if ended.cut else 0
        self._element.too_large = self._element.too_large or ended.cut or len(self._element.fields) >= MAX_FIELDS
        if len(self._element.fields) < MAX_FIELDS:
            self._element.fields.append(Field(path, ended.attributes, "" if ended.cut else "".join(ended.texts)))
        if not self._open:
            self._done.append(self._element)
            self._element = None

    def _has_room(self, more: int) -> bool:
        inner = self._open[-1]
        inner.cut = inner.cut or self._size + more > MAX_TEXT
        if not inner.cut:
            inner.size += more
            self._size += more
        return not inner.cut


def _blocks(archive: Archive, name: str) -> Iterator[bytes]:
    try:
        yield from archive.pieces(name, MAX_BYTES, BLOCK)
    except SourceError as error:
        raise DamagedError("too_large", error.message) from error
    except DAMAGED as error:
        raise DamagedError("damaged", f"{name} {in_words(error)}; download the export again") from error


def _decoded(blocks: Iterator[bytes]) -> Iterator[str]:
    """Text without its XML declaration, which says how it was encoded; a byte that is none of it becomes U+FFFD."""
    decoder = None
    for block in blocks:
        if decoder is None:
            decoder = codecs.getincrementaldecoder(_encoding(block))("replace")
            yield DECLARATION.sub("", decoder.decode(block), count=1)
        else:
            yield decoder.decode(block)
    if decoder is not None:
        yield decoder.decode(b"", True)


def _encoding(first: bytes) -> str:
    if first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    declared = ENCODING.search(first[:500])
    name = declared[1].decode("ascii").lower() if declared else ""
    return name if OTHER_ENCODINGS.match(name) else "utf-8"


def _repaired(texts: Iterator[str]) -> Iterator[str]:
    """Without comments and forbidden characters, and with every `&` outside CDATA as XML wants it."""
    rest, ends = "", ""
    for text in texts:
        rest += text
        done, rest, ends = _repair(rest, ends, max(0, len(rest) - LOOK_AHEAD))
        yield FORBIDDEN.sub("", done)
    done, _, _ = _repair(rest, ends, len(rest))
    yield FORBIDDEN.sub("", done)


def _repair(text: str, ends: str, cut: int) -> tuple[str, str, str]:
    """What is before `cut` repaired, what is left for later, and what ends the CDATA or comment that is open there."""
    parts, at = [], 0
    while at < cut:
        if ends:
            end = text.find(ends, at)
            if not 0 <= end < cut:
                parts.append(text[at:cut] if ends == "]]>" else "")
                return "".join(parts), text[cut:], ends
            parts.append(text[at : end + 3] if ends == "]]>" else "")
            at, ends = end + 3, ""
            continue
        token = TOKEN.search(text, at)
        if token is None or token.start() >= cut:
            parts.append(text[at:cut])
            return "".join(parts), text[cut:], ""
        ends = ENDS.get(token[0], "")
        parts.append(text[at : token.start()])
        parts.append(_reference(token[0]) if not ends else token[0] if ends == "]]>" else "")
        at = token.end()
    return "".join(parts), text[at:], ends


def _reference(found: str) -> str:
    if found in ("&amp;", "&lt;", "&gt;", "&quot;", "&apos;"):
        return found
    if found.startswith("&#") or found[1:] in html5:
        return html.escape(html.unescape(found))
    return "&amp;" + found[1:]
