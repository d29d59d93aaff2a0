"""Archives by other hands: what is read, and what each hostile or broken one costs."""

from __future__ import annotations

import io
import os
import random
import stat
import struct
import tempfile
import time
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from contracts.errors import SourceError
from feature_pipeline.sources import Refusal, read
from feature_pipeline.sources.files.archive import MAX_ENTRIES, Archive, TooLargeError
from feature_pipeline.sources.files.entries import has_columns
from feature_pipeline.sources.files.tables import MAX_CELL, rows


def packed(path: Path, *entries: tuple[str | zipfile.ZipInfo, str | bytes], how: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", how) as file:
        for name, content in entries:
            if isinstance(name, zipfile.ZipInfo):
                file.writestr(name, content)
            else:
                file.writestr(name, content, compress_type=how)
    return path


def test_a_zip_a_folder_and_a_file_are_read_alike(tmp_path: Path) -> None:
    folder = tmp_path / "export"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "Posts.csv").write_text("a,b\n")
    zipped = packed(tmp_path / "x.zip", ("wrapped/data/Posts.csv", "a,b\n"), ("wrapped/data/", ""))
    for path, name in ((folder, "data/Posts.csv"), (zipped, "wrapped/data/Posts.csv")):
        archive = Archive(path)
        assert archive.names == (name,)
        assert archive.find("data/posts.csv") == archive.find("*.CSV") == [name]
        assert archive.find("osts.csv", "b.csv") == archive.find() == []
        assert (archive.read(name), archive.head(name, 2), archive.refused) == (b"a,b\n", b"a,", {})
        archive.close()
    one = Archive(folder / "data" / "Posts.csv")
    assert (one.names, one.read("Posts.csv"), one.is_zip, one.is_file) == (("Posts.csv",), b"a,b\n", False, True)
    assert (Archive(zipped).is_zip, Archive(folder).is_zip, Archive(folder).is_file) == (True, False, False)


def test_what_could_do_harm_is_refused_by_entry(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.csv")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = packed(
        tmp_path / "x.zip",
        ("../up.csv", "1"),
        ("a/../../up2.csv", "1"),
        ("/etc/passwd", "1"),
        ("..\\up3.csv", "1"),
        ("C:\\up4.csv", "1"),
        (link, "/etc/passwd"),
        ("n" * 1001, "1"),
        ("Q: why?.csv", "1"),
        ("good.csv", "1"),
        ("back\\slash.csv", "1"),
        ("./dot.csv", "1"),
    )
    archive = Archive(path)
    assert archive.refused == {
        "../up.csv": "its path leads out of the archive",
        "a/../../up2.csv": "its path leads out of the archive",
        "/etc/passwd": "its path leads out of the archive",
        "../up3.csv": "its path leads out of the archive",
        "C:/up4.csv": "its path leads out of the archive",
        "link.csv": "it is a symbolic link",
        "n" * 1001: "its name is over 1,000 characters",
    }
    assert archive.names == ("Q: why?.csv", "good.csv", "back/slash.csv", "dot.csv")
    assert [archive.read(name) for name in archive.names] == [b"1"] * 4
    assert [(item.source_id, item.reason) for item in archive.refusals("s")][-2:] == [
        ("link.csv", "unsafe_entry"),
        ("n" * 1001, "unsafe_entry"),
    ]
    assert all(isinstance(item, Refusal) and item.source == "s" for item in archive.refusals("s"))


def test_encrypted_entries_are_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.zip", ("a.csv", "1"), how=zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)
    assert Archive(path).refused == {"a.csv": "it is encrypted"}


@pytest.mark.parametrize("how", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_packings_that_unpack_whole_blocks_are_refused(tmp_path: Path, how: int) -> None:
    archive = Archive(packed(tmp_path / "x.zip", ("a.csv", b"0" * 1_000_000), how=how))
    assert archive.refused == {"a.csv": "it is packed in a way that no export is"}


def test_a_bomb_is_refused_by_its_real_bytes_and_never_held(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.zip", ("bomb.csv", b"0" * 100_000_000), ("good.csv", "1"))
    archive = Archive(path)
    tracemalloc.start()
    with pytest.raises(SourceError, match="unpacks to over 200 times its size") as error:
        archive.read("bomb.csv")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error.value.hint
    assert peak < 60_000_000
    assert archive.head("bomb.csv") == b"0" * 4096
    assert archive.read("good.csv") == b"1"


def test_what_a_zip_says_of_its_sizes_is_not_believed(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.zip", ("bomb.csv", b"0" * 20_000_000))
    data = bytearray(path.read_bytes())
    central = data.index(b"PK\x01\x02")
    struct.pack_into("<I", data, central + 24, 100)  # "unpacks to 100 bytes"
    path.write_bytes(data)
    with pytest.raises(SourceError):
        Archive(path).read("bomb.csv")
    struct.pack_into("<I", data, central + 24, 20_000_000)
    struct.pack_into("<I", data, central + 20, 0xFFFFFFF0)  # "packed into 4 GB"
    path.write_bytes(data)
    with pytest.raises(SourceError):
        Archive(path).read("bomb.csv")


def test_a_zip_in_a_zip_is_not_opened(tmp_path: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("posts.csv", b"0" * 50_000_000)
    archive = Archive(packed(tmp_path / "x.zip", ("inner.zip", inner.getvalue())))
    assert archive.names == ("inner.zip",)
    assert archive.read("inner.zip") == inner.getvalue()


def test_all_that_is_read_of_an_archive_has_a_limit(tmp_path: Path) -> None:
    noise = random.Random(0).randbytes(1_000_000)
    archive = Archive(packed(tmp_path / "x.zip", ("a.bin", noise), ("b.bin", noise), how=zipfile.ZIP_STORED))
    archive.read("a.bin")
    archive._taken = 1_999_500_000  # as after two thousand such
    archive.read("a.bin")  # what is read twice is counted once
    with pytest.raises(SourceError, match="comes after 2,000,000,000 unpacked bytes"):
        archive.read("b.bin")
    with pytest.raises(SourceError, match=r"a\.bin .* is over 999,999 bytes"):
        Archive(tmp_path / "x.zip").read("a.bin", 999_999)
    assert len(Archive(tmp_path / "x.zip").read("a.bin", 1_000_000)) == 1_000_000


def test_a_truncated_zip_is_an_error_wherever_it_ends(tmp_path: Path) -> None:
    whole = packed(tmp_path / "whole.zip", *((f"{n}.csv", f"{n}\n" * 500) for n in range(20))).read_bytes()
    path = tmp_path / "cut.zip"
    for length in [*range(4, len(whole) - 1, 97), len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(SourceError) as error:
            Archive(path)
        assert error.value.hint == "download the export again, and give it as it came"


def test_a_zip_of_no_bytes_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "x.zip").touch()
    (tmp_path / "x.json").touch()
    for path in (tmp_path / "x.zip", tmp_path / "x.json"):
        with pytest.raises(SourceError, match=r"x\.\w+ is empty: it has 0 bytes") as error:
            list(read(str(path)))
        assert error.value.hint == "download the export again, and give it as it came"


def test_a_damaged_entry_is_an_error_and_has_no_head(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.zip", ("a.csv", bytes(range(256)) * 40), ("b.csv", "fine"))
    data = bytearray(path.read_bytes())
    data[60:90] = b"\xff" * 30
    path.write_bytes(data)
    archive = Archive(path)
    with pytest.raises(SourceError, match=r"a\.csv in .*x\.zip is damaged, or was cut short\n") as error:
        archive.read("a.csv")
    assert "again" in error.value.hint
    assert archive.head("a.csv") == b""
    assert archive.read("b.csv") == b"fine"


def test_any_flipped_byte_is_an_error_of_ours_or_none(tmp_path: Path) -> None:
    whole = packed(tmp_path / "x.zip", ("ä.csv", "one\n" * 9), ("b.csv", "two\n" * 9)).read_bytes()
    path = tmp_path / "flipped.zip"
    for at in range(len(whole)):
        for bit in (0x01, 0x80):
            path.write_bytes(whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :])
            try:
                archive = Archive(path)
                for name in archive.names:
                    archive.head(name)
                    archive.read(name)
            except SourceError:
                continue


def test_two_entries_of_one_name_are_one(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = packed(tmp_path / "x.zip", ("a.csv", "first"), ("a.csv", "last"))
    archive = Archive(path)
    assert (archive.names, archive.read("a.csv")) == (("a.csv",), b"last")


def test_names_in_other_encodings(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.zip", ("caf__.html", "1"), ("b_.html", "2"))
    data = path.read_bytes().replace(b"caf__", b"caf\xc3\xa9").replace(b"b_", b"b\xff")
    path.write_bytes(data)
    archive = Archive(path)
    assert archive.names == ("café.html", "b\u00a0.html")
    assert [archive.read(name) for name in archive.names] == [b"1", b"2"]
    folder = tmp_path / "folder"
    folder.mkdir()
    Path(os.fsdecode(os.fsencode(folder) + b"/b\xff.html")).write_text("3")
    unpacked = Archive(folder)
    assert unpacked.names == ("b\\xff.html",)
    assert unpacked.read("b\\xff.html") == b"3"


def test_what_systems_leave_behind_is_no_entry(tmp_path: Path) -> None:
    names = ("a.html", "__MACOSX/._a.html", "x/.DS_Store", ".git/config", "x/__MACOSX/a.html")
    assert Archive(packed(tmp_path / "x.zip", *((name, "1") for name in names))).names == ("a.html",)
    for name in (*names, "node_modules/x/a.html"):
        (tmp_path / "f" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "f" / name).write_text("1")
    assert Archive(tmp_path / "f").names == ("a.html",)


def test_a_folder_is_not_left_by_its_links(tmp_path: Path) -> None:
    root = tmp_path / "export"
    (root / "sub").mkdir(parents=True)
    (tmp_path / "secret.csv").write_text("secret")
    (root / "a.csv").write_text("1")
    (root / "out.csv").symlink_to(tmp_path / "secret.csv")
    (root / "in.csv").symlink_to(root / "a.csv")
    (root / "dangling.csv").symlink_to(root / "nothing.csv")
    (root / "loop").symlink_to(root)
    os.mkfifo(root / "pipe.csv")
    archive = Archive(root)
    assert archive.names == ("a.csv", "in.csv")
    assert archive.refused == {"out.csv": "it is a link that leads out of the folder"}
    assert archive.closed == set()


def test_a_closed_folder_is_told_apart_from_what_could_do_harm() -> None:
    me = os.geteuid()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        for inner in ("a", "b"):
            (root / inner).mkdir()
            (root / inner / "post.md").write_text("Words.")
        (root / "out.md").symlink_to("/etc/passwd")
        (root / "b").chmod(0)
        try:
            if me == 0:
                os.seteuid(65534)  # root reads everything
            archive = Archive(root)
            with pytest.raises(SourceError, match="cannot be read: Permission denied"):
                Archive(root / "b")
        finally:
            os.seteuid(me)
            (root / "b").chmod(0o755)
    assert (archive.names, archive.closed) == (("a/post.md",), {"b"})
    assert [(item.source_id, item.reason, item.detail) for item in archive.refusals("s")] == [
        ("b", "unreadable", "it cannot be read: Permission denied"),
        ("out.md", "unsafe_entry", "it is a link that leads out of the folder"),
    ]


def test_a_folder_may_have_any_number_of_files_and_is_walked(tmp_path: Path) -> None:
    for name in ("b/2.md", "b.md", "a.md", "b/1.md", "b-c/3.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.md")).write_text("odd")
    (tmp_path / "z.md").symlink_to("/etc/passwd")
    whole = Archive(tmp_path)
    assert (whole.cut, list(whole.walk())) == (False, list(whole.names))
    archive = Archive(tmp_path, most=2)
    assert (archive.cut, archive.names) == (True, ("a.md", "b/1.md"))
    found = [(name, archive.read(name).decode()) for name in archive.walk()]
    names = ("a.md", "b/1.md", "b/2.md", "b-c/3.md", "b.md")
    assert found == [*((name, name) for name in names), ("\\xff.md", "odd")]
    assert list(whole.names) == [name for name, _ in found]
    assert archive.refused == {"z.md": "it is a link that leads out of the folder"}
    with pytest.raises(KeyError):
        archive.read("b.md")


def test_what_is_read_of_a_folder_has_no_limit_but_for_each_file(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_bytes(b"0" * 10_500_000)  # a bomb, if it were packed
    archive = Archive(tmp_path)
    archive._taken = 1_999_999_999
    assert len(archive.read("a.md")) == 10_500_000
    with pytest.raises(TooLargeError):
        archive.read("a.md", 10_499_999)


def test_two_hundred_thousand_entries(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    names = b"".join(_central(f"posts/{n}.html".encode()) for n in range(MAX_ENTRIES))
    tail = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, MAX_ENTRIES, MAX_ENTRIES, len(names), 0)
    tail += struct.pack("<4sIQI", b"PK\x06\x07", 0, len(names), 1)
    tail += struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 0xFFFF, 0xFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    path.write_bytes(names + tail)
    start = time.perf_counter()
    archive = Archive(path)
    found = [archive.find("tweets.js", "data/*.js") for _ in range(5)]
    assert time.perf_counter() - start < 20
    assert (len(archive.names), found) == (MAX_ENTRIES, [[]] * 5)
    three = packed(tmp_path / "three.zip", *((f"{n}.csv", "1") for n in range(3)))
    assert len(Archive(three, most=3).names) == 3
    with pytest.raises(SourceError, match="has over 2 entries"):
        Archive(three, most=2)


def _central(name: bytes) -> bytes:
    """A zip's directory has this for each entry."""
    return struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 33, 0, 0, 0, len(name), *[0] * 6) + name


def table(tmp_path: Path, content: bytes, *columns: str) -> list[dict[str, str]]:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    return [row.cells for row in rows(Archive(path), "t.csv", columns)]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_tables_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    content = 'Date,Text\n2020-01-02,"Café – “naïve”,\nand ""more"""\n'
    assert table(tmp_path, content.encode(encoding), "Text") == [{"Text": 'Café – “naïve”,\nand "more"'}]


def test_semicolons_between_the_cells(tmp_path: Path) -> None:
    content = b'\r\n"Share Link";Date;Text\r\nx, y;1,5;"a; b, c"\r\n;2;d\r\n'
    assert table(tmp_path, content, "Text", "ShareLink") == [
        {"Text": "a; b, c", "ShareLink": "x, y"},
        {"Text": "d", "ShareLink": ""},
    ]
    assert has_columns(Archive(tmp_path / "t.csv"), "t.csv", "ShareLink", "text")
    assert table(tmp_path, b"Text,Date\na; b; c; d,2\n", "Text") == [{"Text": "a; b; c; d"}]


def test_one_line_in_another_encoding_leaves_the_others(tmp_path: Path) -> None:
    content = "Text\né 𝗯𝗼𝗹𝗱\n".encode() + "naïve\n".encode("cp1252") + "ü\n".encode()
    assert [row["Text"] for row in table(tmp_path, content, "Text")] == ["é 𝗯𝗼𝗹𝗱", "naïve", "ü"]


def test_a_long_cell_is_read_up_to_the_cap(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f'Id,Text\n1,"{"a" * 1_000_000}"\n2,"{"b" * (MAX_CELL + 1)}"\n3,c\n')
    found = list(rows(Archive(path), "t.csv", ("Id", "Text")))
    assert [(row["Id"], len(row["Text"]), row.broken and row.broken[0]) for row in found] == [
        ("1", 1_000_000, None),
        ("", 0, "too_large"),
        ("3", 1, None),
    ]


def test_a_missing_column_is_named_with_those_found(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match='has no column "Body" or "Id", only: Date, Texte') as error:
        table(tmp_path, b"Date,Texte\n1,2\n", "Date", "Body", "Id")
    assert error.value.hint


def test_rows_that_programs_made_uneven(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"\n\nDate,Share Link_2,ip\r\n1,a\0b,9\r\n\r\n2\r\n3,c,9,oops\r\n4,d,9,,\r\n")
    found = list(rows(Archive(path), "t.csv", ("Date", "ShareLink")))
    assert [(row.cells, row.broken) for row in found] == [
        ({"Date": "1", "ShareLink": "ab"}, None),
        ({"Date": "2", "ShareLink": ""}, None),
        ({}, ("bad_row", "line 7 has 4 cells for 3 columns")),
        ({"Date": "4", "ShareLink": "d"}, None),
    ]
    assert table(tmp_path, b"", "Date") == []


def test_a_quote_that_is_never_closed_and_a_line_without_end_are_told(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    for rest, why in (
        ('1,"a\n' + ("b" * 999 + "\n") * 21_000, "cannot be read after line"),
        ("1," + "a" * 21_000_000, "has a line of over"),
    ):
        path.write_text(f"Date,Text\n{rest}")
        with pytest.raises(SourceError, match=why):
            list(rows(Archive(path), "t.csv", ("Date", "Text")))


def test_a_table_is_read_in_the_memory_of_a_few_rows(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("Date,Text\n" + f'1,"{"Soup is hot. " * 100}\n\nVery."\n' * 10_000)
    tracemalloc.start()
    count = sum(1 for _ in rows(Archive(path), "t.csv", ("Date", "Text")))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 10_000
    assert peak < 4_000_000  # of 13 MB
