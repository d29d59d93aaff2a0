"""PDF, DOCX and reST → text, in a child process with a limit of time and of memory: a hostile one costs its own time only.

This file is both ends: the function that asks, and the loop that answers when it is run as a program.
"""

from __future__ import annotations

import base64
import datetime as dt
import io
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import PurePath
from typing import Any

from feature_pipeline.html.parser import Child, ParseError
from feature_pipeline.sources import Found, RawPost, Refusal
from feature_pipeline.sources.files.headings import date_of_name, title_of_name

DOCUMENTS = frozenset((".pdf", ".docx"))
MAX_BYTES = 50_000_000
LIMIT_S = 60.0
MEMORY = 2_000_000_000  # bytes of address space of the child
MAX_PAGES = 2_000
MAX_CHARACTERS = 5_000_000
MAX_UNPACKED = 200_000_000  # of a DOCX
# What programs write where a title should be.
NO_TITLE = re.compile(r"microsoft word\b.*|untitled.*|.*\.(?:docx?|pdf|odt|tex|dvi|indd|pages|rtf)|\W*", re.IGNORECASE)


HYPHEN = re.compile(r"[^\W\d_][-\u00ad\u2010]\Z")
ITEM = re.compile(r"[•‣▪*–-]\s|\(?\d{1,3}[.)]\s")


class _Documents(Child):
    def _start(self) -> subprocess.Popen[str]:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "feature_pipeline.sources.files.documents"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            # The parent's path, so that the child finds us wherever it was started.
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path)},
        )
        return self._process


_child = _Documents()


def from_bytes(data: bytes, path: PurePath, source: str, source_id: str, limit_s: float = LIMIT_S) -> Found:
    """The post in a document that is called `path`."""
    if not data:
        return Refusal(source, source_id, "empty", "it has 0 bytes: save it, or download it, again")
    kind = "pdf" if data[:1024].lstrip().startswith(b"%PDF-") else "docx" if data.startswith(b"PK\x03\x04") else ""
    if not kind:
        return Refusal(source, source_id, "not_a_document", f"its bytes are not those of a {path.suffix.lower()[1:]}")
    try:
        found = _child.ask(kind, base64.b64encode(data).decode("ascii"), limit_s=limit_s)
    except ParseError as error:
        return Refusal(source, source_id, "quarantined", str(error))
    if "refused" in found:
        return Refusal(source, source_id, found["refused"], found["detail"])
    title = "" if NO_TITLE.fullmatch(found["title"]) else " ".join(found["title"].split())
    return RawPost(
        source,
        source_id,
        title=title or title_of_name(path),
        # A date in its name was put there by hand; that inside is of the day when this file was made.
        date=date_of_name(path) or _day(found["date"]),
        url=None,
        text=found["text"],
        markup="plain" if kind == "pdf" else "html",
        author=found["author"] or None,
        format="document",
    )


def _day(date: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(date)
    except ValueError:
        return None


def rst(text: str) -> tuple[str, dict[str, str]]:
    """As HTML, and what the post says of itself. Raises ParseError."""
    found = _child.ask("rst", base64.b64encode(text.encode()).decode("ascii"), limit_s=LIMIT_S)
    return found["html"], found["values"]


def _rst_html(data: bytes) -> dict[str, Any]:
    from feature_pipeline.sources.files.rst import to_html

    return to_html(data)


def pdf(data: bytes) -> dict[str, str]:
    """Its text as paragraphs, or why there is none."""
    from pypdf import PdfReader
    from pypdf.errors import DependencyError

    reader = PdfReader(io.BytesIO(data))
    try:
        if reader.is_encrypted and not reader.decrypt(""):
            return {"refused": "encrypted", "detail": "it opens with a password only; save it without one"}
    except DependencyError:
        return {"refused": "encrypted", "detail": "save it without encryption"}
    if len(reader.pages) > MAX_PAGES:
        return {"refused": "too_large", "detail": f"over {MAX_PAGES:,} pages"}
    pages: list[list[str]] = []
    for page in reader.pages:
        pages.append([line.strip() for line in page.extract_text().splitlines() if line.strip()])
    text = paragraphs(without_running_lines(pages))
    if not re.search(r"\w", text):
        return {"refused": "no_text", "detail": "its pages are pictures; a program for OCR can give it a text"}
    said = reader.metadata
    made = _pdf_date(str(said.get("/CreationDate", ""))) if said else ""
    title, author = (str(said.get(name) or "") if said else "" for name in ("/Title", "/Author"))
    return {"text": text[:MAX_CHARACTERS], "title": title, "author": author, "date": made}


def _pdf_date(written: str) -> str:
    """`D:20200131120000+01'00'`: the author's own day."""
    found = re.match(r"(?:D:)?(\d{4})(\d\d)(\d\d)", written)
    return "-".join(found.groups()) if found else ""


def without_running_lines(pages: list[list[str]]) -> list[list[str]]:
    """Without headers and footers, which most pages share, and page numbers; pages in order."""
    full = [page for page in pages if page]
    if len(full) < 3:
        return pages

    def shared(at: int) -> set[str]:
        # A third, as books print the title on one side and the chapter on the other.
        lines = Counter(_without_digits(page[at]) for page in full if len(page) > 1)
        return {line for line, count in lines.items() if count >= max(3, len(full) / 3)}

    for _ in range(2):  # a header of two lines
        tops, bottoms = shared(0), shared(-1)
        for page in full:
            if len(page) > 1 and _without_digits(page[0]) in tops:
                del page[0]
            if len(page) > 1 and _without_digits(page[-1]) in bottoms:
                del page[-1]
    return pages


def _without_digits(line: str) -> str:
    return re.sub(r"\d+|\b[ivxl]+\b", "#", line)


def paragraphs(pages: list[list[str]]) -> str:
    """Lines joined again as far as they were one paragraph; a hyphen at the end of a line goes with it."""
    lines = [line for page in pages for line in page]
    lengths = sorted(map(len, lines))
    full = 0.8 * lengths[len(lengths) * 9 // 10] if lengths else 0
    made = [""]
    goes_on = False  # a line that ends early ends its paragraph
    for line in lines:
        if HYPHEN.search(made[-1]) and line[0].islower():
            made[-1] = made[-1][:-1] + line
        elif goes_on and not ITEM.match(line):
            made[-1] += f" {line}"
        else:
            made.append(line)
        goes_on = len(line) >= full
    return "\n\n".join(made[1:])


def docx(data: bytes) -> dict[str, str]:
    """Its text as HTML; pictures are left out."""
    import mammoth

    refused = _unreadable(data)
    if refused:
        return refused
    html = mammoth.convert_to_html(
        io.BytesIO(data), convert_image=lambda image: [], external_file_access=False, include_embedded_style_map=False
    ).value
    if not re.search(r"\w", re.sub(r"<[^>]*>", "", html)):
        return {"refused": "no_text", "detail": "it has no words"}
    heading = re.match(r"\s*<h1>(.*?)</h1>", html)
    said = _properties(data)
    title = said.get("title") or (re.sub(r"<[^>]*>", "", heading[1]) if heading else "")
    return {
        "text": html[:MAX_CHARACTERS],
        "title": title,
        "author": said.get("creator", ""),
        "date": said.get("created", "")[:10],
    }


def _unreadable(data: bytes) -> dict[str, str] | None:
    import zipfile

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if "word/document.xml" not in archive.namelist():
            return {"refused": "not_a_document", "detail": "it has no word/document.xml"}
        # By its own account; the limit of memory holds for one that lies.
        if sum(info.file_size for info in archive.infolist()) > MAX_UNPACKED:
            return {"refused": "too_large", "detail": f"over {MAX_UNPACKED:,} bytes when it is unpacked"}
    return None


def _properties(data: bytes) -> dict[str, str]:
    """By local name, such as `title` and `created`."""
    import zipfile

    from lxml import etree

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if "docProps/core.xml" not in archive.namelist():
            return {}
        parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True)
        root = etree.fromstring(archive.read("docProps/core.xml"), parser)
    return {etree.QName(node).localname: (node.text or "").strip() for node in root if isinstance(node.tag, str)}


def _serve() -> None:
    """The child: answers one request a line until the parent goes away."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    except (ImportError, ValueError, OSError):
        pass  # not every system has it; the limit of time holds everywhere
    tasks = {"pdf": pdf, "docx": docx, "rst": _rst_html}
    for line in sys.stdin:
        task, (data,) = json.loads(line)
        answer: dict[str, Any]
        try:
            answer = {"answer": tasks[task](base64.b64decode(data))}
        except MemoryError:
            answer = {"error": f"it takes over {MEMORY:,} bytes of memory: print it to a new PDF, in parts"}
        except Exception:  # whatever a parser trips over costs one document, not the run
            answer = {"error": f"it is a damaged {task.upper()}, or was cut short: save it, or download it, again"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _serve()
