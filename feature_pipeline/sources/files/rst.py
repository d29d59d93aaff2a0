"""reStructuredText → HTML, as Pelican and Nikola have it. Nothing is included, no file is read, raw markup is left out.

Runs in the child process of documents.py. What only Sphinx or a generator knows keeps its words.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from docutils import core, nodes
from docutils.io import DocTreeInput
from docutils.parsers.rst import Directive, directives, roles
from docutils.parsers.rst.states import SubstitutionDef
from docutils.readers import doctree
from docutils.transforms.frontmatter import DocTitle

# Nikola's lines before the post: comments, as far as reStructuredText goes.
COMMENTS = re.compile(r"\A\s*((?:\.\. [A-Za-z][\w-]*:(?: .*)?(?:\n|\Z))+)")
COMMENT = re.compile(r"\.\. ([\w-]+):(.*)")
EXPLICIT = re.compile(r"(.+?)\s*<[^<>]+>\Z", re.DOTALL)
SETTINGS = {
    "_disable_config": True,
    "file_insertion_enabled": False,
    "raw_enabled": False,
    "input_encoding": "unicode",
    "report_level": 5,
    "halt_level": 5,
    "line_length_limit": 5_000_000,
    "syntax_highlight": "none",
    "math_output": "LaTeX",
    "sectnum_xform": False,
    "footnote_backlinks": False,
    "toc_backlinks": False,
    "embed_stylesheet": False,
    "stylesheet_path": "",
    "initial_header_level": 2,
}
# No words of the author's: raw markup, other files, lists of the site's own pages, what is said of a page, and today's date.
# Notes to oneself, and words that are for some builds only, may be on no page.
NOTHING = frozenset(
    "raw include literalinclude code-include listing contents toctree index post-list tags meta highlight date"
    " todo todolist only ifconfig".split()
)
# The name of a thing elsewhere follows these, not words.
NAMED = frozenset(
    "youtube vimeo soundcloud gist media thumbnail gallery video audio post module currentmodule automodule autoclass"
    " autofunction prompt ipython graphviz uml mermaid chart slides".split()
)
CODE = frozenset("prompt ipython testcode testoutput doctest graphviz uml mermaid productionlist".split())


def to_html(data: bytes) -> dict[str, Any]:
    """`html`, and `values`: what the post says of itself, by Nikola's lines or Pelican's fields."""
    text = data.decode("utf-8").replace("\r\n", "\n")
    said = COMMENTS.match(text)
    values = {key.lower(): value.strip() for key, value in COMMENT.findall(said[1])} if said else {}
    own_title = {"doctitle_xform": "title" not in values}
    tree = core.publish_doctree(text[said.end() :] if said else text, settings_overrides={**SETTINGS, **own_title})
    for docinfo in list(tree.findall(nodes.docinfo)):
        for field in docinfo:
            values.setdefault(*_field(field))
        tree.remove(docinfo)
    if not tree.hasattr("title"):  # the fields stood before it
        DocTitle(tree).apply()
    for image in tree.findall(nodes.image):  # whose file would be looked at
        image.attributes = {key: value for key, value in image.attributes.items() if key not in ("loading", "scale")}
    for literal in tree.findall(nodes.literal):
        literal["classes"].append("code")
    _keep_refused(tree)
    parts = core.publish_parts(
        tree,
        source_class=DocTreeInput,
        reader=doctree.Reader(),
        writer="html5",
        settings_overrides={**SETTINGS, "output_encoding": "unicode"},
    )
    if parts["title"]:
        values.setdefault("title", tree["title"])
    subtitle = f"<h2>{parts['subtitle']}</h2>\n" if parts["subtitle"] else ""
    return {"html": subtitle + parts["fragment"], "values": values}


def _field(node: nodes.Element) -> tuple[str, str]:
    if isinstance(node, nodes.field):
        return node[0].astext().lower(), node[1].astext()
    if isinstance(node, nodes.authors):
        return "authors", ", ".join(one.astext() for one in node)
    return node.tagname, node.astext()


def _keep_refused(tree: nodes.document) -> None:
    """A directive that is written in another way than docutils has it is shown as it was typed."""
    for message in list(tree.findall(nodes.system_message)):
        typed = [child for child in message if isinstance(child, nodes.literal_block)]
        if typed and message.parent is not None:
            message.parent.replace(message, typed)


class _Options(dict[str, Callable[[str], Any]]):
    """Sphinx has options that docutils lacks."""

    def __missing__(self, name: str) -> Callable[[str], Any]:
        return str


class _Nothing(Directive):  # type: ignore[misc]
    optional_arguments, final_argument_whitespace, has_content = 1, True, True
    option_spec = _Options(none=str)

    def run(self) -> list[nodes.Node]:
        return [nodes.Text("")] if isinstance(self.state, SubstitutionDef) else []


class _Unknown(_Nothing):
    def run(self) -> list[nodes.Node]:
        made = []
        if self.arguments and self.name not in NAMED:
            inline, messages = self.state.inline_text(self.arguments[0], self.lineno)
            made = [nodes.paragraph("", "", *inline), *messages]
        if self.name in CODE:
            text = "\n".join(self.content)
            return [*made, nodes.literal_block(text, text)]
        inner = nodes.container()
        self.state.nested_parse(self.content, self.content_offset, inner)
        return [*made, *inner]


def _directive(name: str, language: Any, document: nodes.document) -> tuple[Any, list[Any]]:
    if name.lower() in NOTHING:
        return _Nothing, []
    found, _ = known_directive(name, language, document)
    if found is None:
        return _Unknown, []
    if not getattr(found, "option_spec", None):
        return found, []

    class Lenient(found):  # type: ignore[misc, valid-type]
        option_spec = _Options(found.option_spec)

        def run(self) -> list[nodes.Node]:
            caption = self.options.pop("caption", "")
            return [*([nodes.paragraph(caption, caption)] if caption else []), *super().run()]

    return Lenient, []


def _role(name: str, language: Any, line: int, reporter: Any) -> tuple[Any, list[Any]]:
    found, messages = known_role(name, language, line, reporter)
    return (found, messages) if found else (_words, [])


def _words(
    role: str, raw: str, text: str, line: int, inliner: Any, options: Any = None, content: Any = ()
) -> tuple[list[nodes.Node], list[nodes.Node]]:
    """Of `:doc:`this <there>`` what is shown."""
    explicit = EXPLICIT.match(text)
    shown = nodes.unescape(explicit[1] if explicit else text).lstrip("~!")
    return [nodes.inline(raw, shown)], []


known_directive, directives.directive = directives.directive, _directive
known_role, roles.role = roles.role, _role
