"""PDF and DOCX: their words as paragraphs, and what becomes of those that cannot be read."""

from __future__ import annotations

import datetime as dt
import io
import re
import struct
import time
import zipfile
from pathlib import Path
from xml.sax.saxutils import escape

import pytest
from pypdf import PdfReader, PdfWriter

from feature_pipeline.sources import Complete, Found, RawPost, Refusal, read
from feature_pipeline.sources.files.documents import from_bytes, paragraphs, without_running_lines


def pdf(*pages: list[str], info: str = "") -> bytes:
    """A PDF that shows each line of each page, written by hand."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "", "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for lines in pages:
        shown = "".join(f"({line}) Tj T*\n" for line in lines)
        stream = f"BT /F1 12 Tf 14 TL 50 750 Td\n{shown}ET" if lines else ""
        kids.append(f"{len(objects) + 1} 0 R")
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {len(objects) + 2} 0 R"
            " /Resources << /Font << /F1 3 0 R >> >> >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(pages)} >>"
    objects.append(f"<< {info} >>")
    out, offsets = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    trailer = f"trailer << /Size {len(objects) + 1} /Root 1 0 R /Info {len(objects)} 0 R >>"
    return (
        f"{out}xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}{trailer}\nstartxref\n{len(out)}\n%%EOF".encode()
    )


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
CORE = (
    '<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties"'
    ' xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/">'
    "<dc:title>{}</dc:title><dc:creator>Ann</dc:creator><dcterms:created>2021-02-03T10:00:00Z</dcterms:created>"
    "</cp:coreProperties>"
)


def docx(*paragraphs: tuple[str, str], title: str = "", head: str = "") -> bytes:
    """A DOCX of (style, text) paragraphs, written by hand."""
    body = "".join(
        f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr><w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p>'
        for style, text in paragraphs
    )
    types = "http://schemas.openxmlformats.org/package/2006/content-types"
    relations = "http://schemas.openxmlformats.org/package/2006/relationships"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument"
    styles = "".join(
        f'<w:style w:type="paragraph" w:styleId="Heading{n}"><w:name w:val="heading {n}"/></w:style>' for n in (1, 2)
    )
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", f'<Types xmlns="{types}"/>')
        archive.writestr(
            "_rels/.rels",
            f'<Relationships xmlns="{relations}">'
            f'<Relationship Id="a" Type="{office}" Target="word/document.xml"/></Relationships>',
        )
        archive.writestr("word/document.xml", f"{head}<w:document {W}><w:body>{body}</w:body></w:document>")
        archive.writestr("word/styles.xml", f"<w:styles {W}>{styles}</w:styles>")
        archive.writestr("docProps/core.xml", CORE.format(title))
    return file.getvalue()


def only(path: Path, content: bytes) -> Found:
    path.write_bytes(content)
    item = next(iter(read(str(path))))
    assert isinstance(item, (RawPost, Refusal))
    return item


def test_a_pdf_says_title_day_and_author(tmp_path: Path) -> None:
    info = "/Title (On soup) /Author (Ann) /CreationDate (D:20200131235900+01'00')"
    found = only(tmp_path / "soup.pdf", pdf(["Soup is hot."], info=info))
    assert isinstance(found, RawPost)
    assert (found.title, found.date, found.author) == ("On soup", dt.date(2020, 1, 31), "Ann")
    assert (found.text, found.markup, found.format) == ("Soup is hot.", "plain", "document")
    assert (found.source, found.source_id) == (str(tmp_path / "soup.pdf"), "soup.pdf")


def test_the_name_of_a_pdf_where_it_says_more(tmp_path: Path) -> None:
    info = "/Title (Microsoft Word - x.doc) /CreationDate (D:2020)"
    found = only(tmp_path / "2019-05-06-my-soup.pdf", pdf(["Hot."], info=info))
    assert isinstance(found, RawPost)
    assert (found.title, found.date) == ("my soup", dt.date(2019, 5, 6))


def test_lines_become_paragraphs_without_headers_footers_and_hyphens(tmp_path: Path) -> None:
    pages = [
        [
            "Ann Lee: On soup",
            f"Soup number {word} is a dish that is hot and that is eaten with a spo-",
            "on in every country of the world, and in mine with bread and with salt",
            "and pepper.",
            f"The end of part {word}.",
            f"Page {number}",
        ]
        for number, word in enumerate(("one", "two", "three"), 1)
    ]
    found = only(tmp_path / "x.pdf", pdf(*pages))
    assert isinstance(found, RawPost)
    assert found.text == "\n\n".join(
        f"Soup number {word} is a dish that is hot and that is eaten with a spoon in every country of the world, "
        f"and in mine with bread and with salt and pepper.\n\nThe end of part {word}."
        for word in ("one", "two", "three")
    )


def test_lists_and_short_documents_are_left_alone() -> None:
    pages = [["To buy:", "- salt", "- well-", "Known"], ["To buy:", "- pepper"]]
    assert without_running_lines(pages) == pages
    assert paragraphs([["a" * 40, "1. " + "b" * 40]]) == "a" * 40 + "\n\n1. " + "b" * 40
    assert paragraphs([]) == ""


def test_a_docx(tmp_path: Path) -> None:
    content = docx(("Heading1", "On soup"), ("", "Hot & “good” 👩‍🍳."), ("Heading2", "Salt"), ("", "Some."))
    found = only(tmp_path / "x.docx", content)
    assert isinstance(found, RawPost)
    assert (found.title, found.date, found.author) == ("On soup", dt.date(2021, 2, 3), "Ann")
    assert (found.markup, found.format) == ("html", "document")
    assert found.text == "<h1>On soup</h1><p>Hot &amp; “good” 👩‍🍳.</p><h2>Salt</h2><p>Some.</p>"


def test_the_title_that_a_docx_gives_itself(tmp_path: Path) -> None:
    found = only(tmp_path / "x.docx", docx(("", "Hot."), title="Of soup"))
    assert isinstance(found, RawPost)
    assert found.title == "Of soup"


def locked() -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf(["Secret."]))))
    writer.encrypt("hunter2", algorithm="RC4-128")
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


LAUGHS = "<!DOCTYPE z [<!ENTITY a 'ha'>" + "".join(
    f"<!ENTITY {b} '{f'&{a};' * 10}'>" for a, b in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("scanned.pdf", pdf([], []), "no_text"),
        ("locked.pdf", locked(), "encrypted"),
        ("broken.pdf", b"%PDF-1.7\n" + b"x" * 2_000, "quarantined"),
        ("picture.pdf", b"\x89PNG\r\n\x1a\n", "not_a_document"),
        ("old.docx", b"\xd0\xcf\x11\xe0", "not_a_document"),
        ("cut.docx", docx(("", "Hot."))[:-200], "quarantined"),
        ("empty.docx", docx(("", "")), "no_text"),
        ("nothing.docx", b"", "empty"),
        ("nothing.pdf", b"", "empty"),
        ("laughs.docx", docx(("", "x"), head=LAUGHS + "]>"), None),
    ],
)
def test_what_cannot_be_read_says_why(tmp_path: Path, name: str, content: bytes, reason: str | None) -> None:
    found = only(tmp_path / name, content)
    assert isinstance(found, Refusal) == (reason is not None), found
    if isinstance(found, Refusal):
        assert found.reason == reason
        # In words, and what to do about it: a program's names for its errors help nobody.
        assert not re.search(r"[A-Za-z]+Error|BadZip|Exception|Errno", found.detail)
        assert reason in ("not_a_document", "no_text") or "again" in found.detail or "without" in found.detail


def test_an_entity_that_grows_ends_the_document_and_not_the_run(tmp_path: Path) -> None:
    grown = docx(("", "x"), head=LAUGHS + "]>").replace(b"", b"")
    with zipfile.ZipFile(io.BytesIO(grown)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["word/document.xml"] = parts["word/document.xml"].replace(b">x<", b">&j;<")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    found = only(tmp_path / "x.docx", file.getvalue())
    assert isinstance(found, Refusal)
    assert found.reason == "quarantined"
    assert isinstance(only(tmp_path / "y.pdf", pdf(["Hot."])), RawPost)


def resized(data: bytes, size: int) -> bytes:
    """The same DOCX, whose every part says that it unpacks to `size` bytes."""
    changed, at = bytearray(data), -1
    while (at := data.find(b"PK\x01\x02", at + 1)) >= 0:
        struct.pack_into("<I", changed, at + 24, size)
    return bytes(changed)


@pytest.mark.parametrize(
    ("size", "reason", "detail"),
    [
        (200_000_001, "too_large", "over 200,000,000 bytes when it is unpacked"),
        (10, "quarantined", "it is a damaged DOCX"),
    ],
)
def test_a_docx_that_grows_or_lies_about_its_size_is_refused(
    tmp_path: Path, size: int, reason: str, detail: str
) -> None:
    found = only(tmp_path / "x.docx", resized(docx(("", "Hot. " * 1_000_000)), size))
    assert isinstance(found, Refusal)
    assert (found.reason, found.detail[: len(detail)]) == (reason, detail)


def test_a_document_that_takes_too_long_costs_its_own_time_only(tmp_path: Path) -> None:
    long = pdf(*(["Soup is hot."] * 40 for _ in range(400)))
    started = time.perf_counter()
    found = from_bytes(long, tmp_path / "x.pdf", "s", "x.pdf", limit_s=0.1)
    assert time.perf_counter() - started < 5
    assert found == Refusal("s", "x.pdf", "quarantined", "parsing took over 0.1 s, or ended the parser")
    assert isinstance(only(tmp_path / "y.pdf", pdf(["Hot."])), RawPost)


def test_documents_in_a_folder_are_posts_unless_they_are_attached(tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "other.pdf").write_bytes(pdf(["Another's."]))
    (tmp_path / "essay.pdf").write_bytes(pdf(["Mine."]))
    (tmp_path / "letter.docx").write_bytes(docx(("", "Mine.")))
    (tmp_path / "post.md").write_text("Mine.")
    items = list(read(str(tmp_path)))
    assert items.pop() == Complete()
    assert [(item.source_id, type(item)) for item in items if isinstance(item, (RawPost, Refusal))] == [
        ("essay.pdf", RawPost),
        ("letter.docx", RawPost),
        ("post.md", RawPost),
        ("static/other.pdf", Refusal),
    ]
