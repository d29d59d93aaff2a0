"""GitHub: the README and the Markdown of a repository, from the zip that it offers. Nothing in it is run or unpacked."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from contracts.errors import SourceError
from feature_pipeline.sources import Complete, Found, Item, RawPost, Refusal
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.files.entries import text
from feature_pipeline.sources.files.post_file import MARKDOWN, from_text
from feature_pipeline.sources.web.fetch import FetchError
from feature_pipeline.sources.web.visit import Visit

MAX_ZIP = 100_000_000  # bytes
MAX_POSTS = 5_000
# First parts of an address on github.com that are no owner.
PLACES = frozenset(
    "about account apps codespaces collections contact customer-stories dashboard enterprise events explore features gist "
    "github-copilot issues join login logout marketplace mobile new notifications orgs pricing pulls readme search security "
    "sessions settings site sponsors stars team topics trending users watching".split()
)
# Other people's work that a repository carries with it.
VENDORED = frozenset(
    "node_modules vendor vendors vendored third_party third-party thirdparty bower_components site-packages pods carthage "
    "licenses licences issue_template pull_request_template".split()
)
PAPERS = re.compile(
    r"(?:un)?licen[cs]es?(?:[-_.](?:mit|apache|bsd|a?l?gpl|mpl|cc|code|docs?|content|third)[\w.-]*)?|copying|notice"
    r"|changelog(?:[-_.]?v?[\dx.]+)?|release[-_]?notes|code[-_]of[-_]conduct|codeowners"
    r"|(?:issue|pull_request)_template|bug_report|feature_request",
    re.IGNORECASE,
)
ROOT_PAPERS = frozenset(("changes", "history", "releases"))


@dataclass(frozen=True)
class Repository:
    owner: str
    name: str
    branch: str = ""
    folder: str = ""

    @property
    def source(self) -> str:
        """A part of a repository is another source than the whole: reading it says nothing of the rest."""
        place = f"/tree/{self.branch}/{self.folder}".rstrip("/") if self.branch else ""
        return f"github:{self.owner}/{self.name}".lower() + place


def claims(url: str) -> bool:
    return _repository(url) is not None


def visit(visit: Visit, url: str, api: str = "https://codeload.github.com") -> Iterator[Item]:
    """`api` is where the zip is. Raises SourceError where `url` is no repository's."""
    repository = _repository(url)
    if repository is None:
        raise SourceError(f"{url} is no repository on GitHub", "give an address such as https://github.com/ann/notes")
    address = f"{api}/{repository.owner}/{repository.name}/zip/{quote(repository.branch or 'HEAD')}"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "repository.zip")
        try:
            path.write_bytes(_fetch(visit, address))
            archive = Archive(path)
        except FetchError as error:
            instead = "its page offers the same under Code, Download ZIP: unpack that, and give the folder"
            yield Refusal(repository.source, url, error.reason, f"{error.detail}; {instead}")
            return
        except SourceError as error:
            yield Refusal(repository.source, url, "bad_answer", error.message.replace(str(path), address))
            return
        if archive.is_zip:
            yield from _posts(archive, repository)
        else:
            yield Refusal(repository.source, url, "bad_answer", f"{address} is no zip")
        archive.close()


def _fetch(visit: Visit, address: str) -> bytes:
    visit.robots.check(address)
    visit.fetched += 1
    page = visit.fetcher.get(address, max_bytes=MAX_ZIP)
    if urlsplit(page.url).netloc != urlsplit(address).netloc:
        visit.robots.check(page.url)
    return page.content


def _posts(archive: Archive, repository: Repository) -> Iterator[Item]:
    yield from archive.refusals(repository.source)
    posts = 0
    for name in sorted(archive.names):
        path = PurePosixPath(*PurePosixPath(name).parts[1:])  # all is in one folder, named after the commit
        if not _is_text(path) or not path.is_relative_to(repository.folder):
            continue
        if posts >= MAX_POSTS:
            yield Refusal(repository.source, str(path), "page_cap", f"only the first {MAX_POSTS:,} texts are read")
            return
        why = _no_post(path)
        if why:
            yield Refusal(repository.source, str(path), "not_a_post", why)
            continue
        posts += 1
        yield _post(archive, name, path, repository)
    yield Complete()


def _post(archive: Archive, name: str, path: PurePosixPath, repository: Repository) -> Found:
    try:
        item = from_text(text(archive, name), path, repository.source, str(path))
    except SourceError as error:
        return Refusal(repository.source, str(path), "unreadable", error.message.replace(str(archive.path), "the zip"))
    if isinstance(item, Refusal):
        return item
    place = f"https://github.com/{repository.owner}/{repository.name}/blob/{quote(repository.branch or 'HEAD')}"
    return replace(item, url=f"{place}/{quote(str(path))}", title=_title(item, path, repository))


def _title(item: RawPost, path: PurePosixPath, repository: Repository) -> str:
    """A README without a heading is called after what it describes."""
    return item.title if item.title.lower() != "readme" else path.parent.name or repository.name


def _is_text(path: PurePosixPath) -> bool:
    return path.suffix.lower() in MARKDOWN or path.name.lower() in ("readme", "readme.txt")


def _no_post(path: PurePosixPath) -> str:
    folders = [part.lower() for part in path.parts[:-1]]
    carried = next((part for part in folders if part in VENDORED or part.startswith(".")), "")
    if carried:
        return f"it is in {carried}"
    stem = path.stem.lower()
    is_paper = PAPERS.fullmatch(stem) or (not folders and stem in ROOT_PAPERS)
    return "a licence, changelog, code of conduct or template is nobody's post" if is_paper else ""


def _repository(url: str) -> Repository | None:
    """Of a repository's own address, or of a folder in it. Other pages of it, and other hosts, are not ours."""
    try:
        parts = urlsplit(url)
        ours = parts.netloc.lower() in ("github.com", "www.github.com") and parts.scheme in ("http", "https")
    except ValueError:
        return None
    path = [unquote(part) for part in parts.path.split("/") if part] if ours else []
    if len(path) < 2 or len(path) == 3 or path[2:3] not in ([], ["tree"]) or {".", ".."} & set(path):
        return None
    owner, name = path[0], path[1].removesuffix(".git")
    if not re.fullmatch(r"[A-Za-z\d](?:[A-Za-z\d-]{0,38})", owner) or owner.lower() in PLACES:
        return None
    if not re.fullmatch(r"[\w.-]{1,100}", name, re.ASCII) or not name.strip("."):
        return None
    return Repository(owner, name, branch=path[3] if path[3:] else "", folder="/".join(path[4:]))
