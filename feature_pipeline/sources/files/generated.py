"""In the folder of a site: its themes, and what its generator has made of the posts beside it. Neither is anybody's post.

Whoever opens a folder or a zip by `opened` finds nothing in them: the readers of exports and the reader of posts alike.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from contracts.errors import SourceError
from feature_pipeline.sources.files.archive import Archive
from feature_pipeline.sources.files.post_file import TEXT, TEXTS

# What site generators make or fill in; every post in these is elsewhere too, or is none.
NOT_POSTS = frozenset(("_site", "_layouts", "_includes", "node_modules", "__pycache__", "__MACOSX"))
# What a theme has beside the READMEs and sample posts of whoever made it: a card, or templates of pages.
THEME = re.compile(
    r"((?:[^/]+/)*?)(themes/[^/]+)/"
    r"(?:theme\.(?:toml|ya?ml)|[^/]+\.theme"
    r"|(?:layouts?|templates)/.+\.(?:html?|ejs|pug|jade|njk|liquid|swig|hbs|j2|jinja2?|tmpl|mako))",
    re.IGNORECASE,
)
# Hugo's and Hexo's; Pelican's and Nikola's.
CONFIGS = ("hugo.toml", "hugo.yaml", "hugo.yml", "hugo.json", "config.toml", "config.yaml", "config.yml", "_config.yml")
CONFIG_FOLDER = re.compile(r"(?:^|/)config/_default$")
PYTHON_CONFIGS = ("pelicanconf.py", "conf.py")
NIKOLA = re.compile(rb"Nikola|^BLOG_TITLE", re.IGNORECASE | re.MULTILINE)  # other programs have a conf.py, too
# What is made, beside the sources: whole sites, and Nikola's posts on their way there.
MADE_BY = {"public/index.html": CONFIGS, "output/index.html": PYTHON_CONFIGS, "cache/posts/*.html": PYTHON_CONFIGS}
A_THEME = "a theme; to read it, give the folder itself"
MADE = "pages that a generator made of the posts beside it; to read these, give the folder itself"
# What generators make posts of, and is not read here.
GENERATED_FROM = frozenset(".adoc .asciidoc .textile .ipynb".split())
# Where a site keeps its posts; elsewhere, such a file is one only beside others.
POSTS = frozenset("content source posts _posts pages".split())
# In the folder of a site, but no posts of it: then what was made may be all that can be read.
SUPPORT = frozenset("archetypes scaffolds layout layouts templates static assets themes files".split())
ABOUT = frozenset("readme license licence changelog contributing code_of_conduct 404 _index".split())


def opened(path: Path, within: Archive | None = None) -> Archive:
    """The archive at `path`, without what is no post; nor what is none of `within`, the folder that it was found in.

    Raises SourceError.
    """
    archive = Archive(path)
    try:
        if not archive.is_file:
            archive.leave_out(_inherited(path, within), NOT_POSTS)
            archive.leave_out(_themes(archive))
            archive.leave_out(_made(archive))
    except (SourceError, OSError):
        archive.close()
        raise
    return archive


def _inherited(path: Path, within: Archive | None) -> dict[str, str]:
    if within is None or not path.is_relative_to(within.path):
        return {}
    here = f"{path.relative_to(within.path).as_posix()}/"
    return {name[len(here) :]: why for name, why in within.left_out.items() if name.startswith(here)}


def _sites(archive: Archive, configs: tuple[str, ...]) -> set[str]:
    found = archive.find(*configs)
    ours = (name for name in found if not name.endswith("conf.py") or _is_a_blogs(archive, name))
    return {CONFIG_FOLDER.sub("", name.rpartition("/")[0]) for name in ours}


def _is_a_blogs(archive: Archive, config: str) -> bool:
    return config.endswith("pelicanconf.py") or NIKOLA.search(archive.head(config)) is not None


def _themes(archive: Archive) -> dict[str, str]:
    sites = _sites(archive, CONFIGS + PYTHON_CONFIGS)
    themes = [THEME.fullmatch(name) for name in (archive.find("themes/*") if sites else ())]
    return {found[1] + found[2]: A_THEME for found in themes if found and found[1].rstrip("/") in sites}


def _made(archive: Archive) -> dict[str, str]:
    """Where the posts can be read themselves."""
    made: set[tuple[str, str]] = set()
    for pattern, configs in MADE_BY.items():
        sites, folder = _sites(archive, configs), pattern.partition("/")[0]
        for name in archive.find(pattern) if sites else ():
            at = f"/{name}".lower().rfind(f"/{folder}/")
            if name[: max(0, at - 1)] in sites:
                made.add((name[: max(0, at - 1)], name[: at + len(folder)]))
    folders = {folder for _, folder in made}
    return {folder: MADE for site, folder in made if _has_sources(archive, site, folders)}


def _has_sources(archive: Archive, site: str, made: set[str]) -> bool:
    """Whether posts lie in a site's folder, beside what supports them, and all of them can be read."""
    within = f"{site}/" if site else ""
    read: set[PurePosixPath] = set()
    unread: set[PurePosixPath] = set()
    for name in archive.walk():
        if not name.startswith(within) or any(name.startswith(f"{folder}/") for folder in made):
            continue
        path = PurePosixPath(name[len(within) :].lower())
        if path.stem in ABOUT or not SUPPORT.isdisjoint(path.parts[:-1]):
            continue
        if path.suffix in TEXTS - TEXT:
            read.add(path.parent)
        elif path.suffix in GENERATED_FROM:
            if path.parts[0] in POSTS:
                return False
            unread.add(path.parent)
    return bool(read) and read.isdisjoint(unread)
