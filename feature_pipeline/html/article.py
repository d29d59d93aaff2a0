"""Which words of a whole page are its article; what is kept is written from the page itself.

trafilatura says where the article is. Of its output only the letters are used, to recognise the page's own paragraphs: it
loses headings, tables, lines of code and words beside formulas, and these stand between the paragraphs that it found.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import takewhile

from lxml.html import HtmlElement

from feature_pipeline.characters import letters
from feature_pipeline.html.markdown import BLOCKS, PRE, SKIP, to_markdown

# A stretch of so many letters is found again by more than chance; what is shorter than two is too short to tell.
STRETCH = 10
# Under so many letters outside links, and so small a part of the page, trafilatura's quick look has missed the article;
# also where more stands in paragraphs before what it found than in what it found, if its thorough one finds twice as much.
FEW, SMALL_PART = 600, 0.3
CONTENT = frozenset(
    (
        *("p", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "ul", "ol", "li", "dl", "dt", "dd", "table", "thead"),
        *("tbody", "tr", "td", "th", "caption", *PRE),
    )
)
# What stands over other people's words and other posts, alone on its line.
ENDINGS = re.compile(
    r"(?:related|recommended|more|most|other|latest|popular|trending|top|similar)(?: \w+){0,3}"
    r" (?:posts?|articles?|stories|news|videos?|content|reading|links?|topics?|coverage|headlines|read"
    r"|viewed|popular|shared)|related|you (?:may|might)(?: also)? (?:like|enjoy|be interested in).*"
    r"|more (?:from|on|about) .{2,60}|(?:read|see|up) (?:next|also)|read more|recommended(?: for you)?"
    r"|(?:\d+ |no |view |post a |add a |leave a |your )?(?:comments?|reply|replies|responses?|thoughts on.*)(?: ?\(?\d+\)?)?"
    r"|(?:share|tweet|like|follow|print|email|pin)(?: (?:this|on|us|it|via|with|me)\b.{0,40})?|leave a (?:reply|comment).*"
    r"|about the author|tags?|filed under.*|categor(?:y|ies)|advertisement|newsletter|sign up.{0,40}|subscribe.{0,40}"
    r"|join the (?:conversation|discussion).*",
    re.IGNORECASE,
)
# What stands between a title and the first sentence.
BYLINE = re.compile(
    r"(?:by|von|par|por)(?: \S+){1,6}|(?:posted|published|updated|last updated|written|author|date)\b.*"
    r"|.*\b(?:19|20)\d\d\b.*\b\d\d?\b.*|.*\b\d\d?\b.*\b(?:19|20)\d\d\b.*"
    r"|\d+ (?:comments?|views?|shares?|likes?|min(?:ute)?s?(?: read)?).*",
    re.IGNORECASE,
)
# Points to another post from the middle of this one; what it points to is a link.
POINTER = re.compile(
    r"(?:(?:also )?(?:read|see|watch)(?: (?:also|more|next))?|related|recommended|more)\b[^:|–—]{0,30}[:|–—]", re.I
)
# The same as a heading of its own, over a link.
LEADS = re.compile(
    r"(?:related|recommended|also read|(?:read|see) (?:also|more|next)|more on this)"
    r"(?: (?:story|stories|articles?|posts?|coverage|news|reading|links?))?",
    re.IGNORECASE,
)
COMMENTS = re.compile(
    r"(?:^|[\s_-])(?:comments?|commentlist|respond|disqus\w*|pingbacks?|trackbacks?"
    r"|author[_-]?(?:box|bio)|about[_-]?(?:the[_-]?)?author)(?:[\s_-]|$)",
    re.IGNORECASE,
)
# A heading and a byline are shorter.
SENTENCE = 90
SENTENCE_END = re.compile(r"[.!?…:。！？]['\"”’»)]?$")


@dataclass
class Run:
    """Text that a reader sees as one paragraph, heading, cell or block of code."""

    owner: HtmlElement
    places: list[tuple[HtmlElement, str]] = field(default_factory=list)
    linked: int = 0
    letters: str = ""
    found: bool = False

    def words(self) -> str:
        return " ".join("".join(getattr(node, name) or "" for node, name in self.places).split())

    def clear(self) -> None:
        for node, name in self.places:
            setattr(node, name, None)


@dataclass
class Tally:
    """Letters under an element: all, those in links, those that trafilatura found."""

    all: int = 0
    linked: int = 0
    found: int = 0


def article(root: HtmlElement, enough: int = 1) -> str:
    """Markdown of a page that has been through `prune`; "", and `root` as it was, for fewer than `enough` letters."""
    everything = _runs(root)
    runs = [run for run in everything if run.letters]
    seed = _seed(root, runs)
    if seed is None:
        return ""
    _recognise(runs, letters("".join(seed.itertext())))
    shown = _without_comments(runs)
    lines = {
        letters(text)
        for element in seed.iter()
        for text in ("".join(element.itertext()), element.text, element.tail)
        if text
    }
    kept = _without_pointers(_chosen(shown, lines))
    kept = _trimmed(_unquoted(kept), titles(root))
    if not kept or sum(len(run.letters) for run in kept) < enough:
        return ""
    _clear(everything, kept)
    part = to_markdown(_around([run.owner for run in kept]))
    return re.sub(r"\A(?:---\n\n)+|(?:\n\n---)+(?=\n\n---|\s*\Z)", "", part)


def _clear(runs: list[Run], kept: list[Run]) -> None:
    """All but what is kept, and the quotation marks around what is not."""
    keep = {id(run) for run in kept}
    gone = [run for run in runs if run.letters and id(run) not in keep]
    if signs := [run for run in runs if not run.letters and run.words()]:
        left, parts = _above(gone), _above(kept)
        gone += [run for run in signs if run.owner in left and run.owner not in parts]
    for run in gone:
        run.clear()


def _above(runs: list[Run]) -> set[HtmlElement]:
    return {node for run in runs for node in (run.owner, *run.owner.iterancestors())}


def _around(elements: list[HtmlElement]) -> HtmlElement:
    """The smallest element that holds them all."""
    above = [elements[0], *elements[0].iterancestors()]
    for element in elements[1:]:
        node = element
        while node not in above:
            node = node.getparent()
        above = above[above.index(node) :]
    return above[0]


def length(element: HtmlElement) -> int:
    """Letters that a reader sees in it, but for links."""
    return sum(len(run.letters) - run.linked for run in runs_of(element))


def titles(root: HtmlElement) -> set[str]:
    """The letters of what may be the title: it is no part of the text, and would stand there twice."""
    said = named(root)
    if not any(said) and (shown := titled(root)):
        return {letters(shown)}
    parts = [part for text in said for part in re.split(r"\s+[-–—|·•:»«]\s+", text) if len(part.split()) > 2]
    headings = [letters(h1.text_content() or "") for h1 in root.iter("h1")]
    if len(headings) > 1:  # those of sections may be of the first level as well
        headings = [h1 for h1 in headings if any(h1 in letters(text) for text in said)] or headings[:1]
    return {*headings, *map(letters, (*said, *parts))} - {""}


def named(root: HtmlElement) -> list[str]:
    """What the page calls itself."""
    return [root.findtext(".//title") or "", *map(str, root.xpath("//meta[@property='og:title']/@content"))]


def titled(root: HtmlElement) -> str:
    """What a word processor calls the title, as Google Docs does where it writes a page."""
    found = root.xpath("//body//p[contains(concat(' ', normalize-space(@class), ' '), ' title ')]")
    return " ".join((found[0].text_content() or "").split()) if found else ""


def _seed(root: HtmlElement, runs: list[Run]) -> HtmlElement | None:
    """trafilatura's article: its quick look adds less of others' words than its thorough one, but misses some pages."""
    quick = _found(root, fast=True)
    text = letters("".join(quick.itertext())) if quick is not None else ""
    own = sum(len(run.letters) - run.linked for run in runs if run.letters in text)
    few = own < min(FEW, SMALL_PART * sum(len(run.letters) for run in runs))
    prose = (run.letters for run in runs if len(run.letters) > SENTENCE and 2 * run.linked < len(run.letters))
    if not few and sum(map(len, takewhile(lambda paragraph: paragraph not in text, prose))) <= len(text):
        return quick
    thorough = _found(root, fast=False)
    if thorough is None or (not few and len(letters("".join(thorough.itertext()))) < 2 * len(text)):
        return quick
    return thorough


def _found(root: HtmlElement, fast: bool) -> HtmlElement | None:
    from trafilatura import bare_extraction

    answer = bare_extraction(  # it works on a copy of the tree
        root, output_format="txt", include_comments=False, include_formatting=False, fast=fast
    )
    return getattr(answer, "body", None)


def runs_of(root: HtmlElement) -> list[Run]:
    """In reading order, without those that have no letters."""
    return [run for run in _runs(root) if run.letters]


def _runs(root: HtmlElement) -> list[Run]:
    runs = [Run(root)]
    _collect(root, root, False, runs)
    return runs


def _collect(element: HtmlElement, owner: HtmlElement, linked: bool, runs: list[Run]) -> None:
    """Adds what is read inside `element`, which stands in the block `owner` and maybe in a link."""
    tag = element.tag
    if not isinstance(tag, str) or (tag in SKIP and tag != "form"):
        return
    if (tag in BLOCKS or tag == "form") and owner.tag not in PRE:
        owner = element
        runs.append(Run(owner))
    linked = linked or tag == "a"
    if text := element.text:
        _put(element, "text", text, owner, linked, runs)
    for child in element:
        _collect(child, owner, linked, runs)
        if text := child.tail:
            _put(child, "tail", text, owner, linked, runs)


def _put(node: HtmlElement, name: str, text: str, owner: HtmlElement, linked: bool, runs: list[Run]) -> None:
    if runs[-1].owner is not owner:
        runs.append(Run(owner))
    run, said = runs[-1], letters(text)
    run.places.append((node, name))
    run.letters += said
    if linked:
        run.linked += len(said)


def _recognise(runs: list[Run], text: str) -> None:
    """Marks those of which most stretches of letters stand in `text`, itself letters only, and in its order: a comment may
    quote the article, and so may what leads to it."""
    known: dict[str, int] = {}
    for at in range(len(text) - STRETCH + 1):
        known.setdefault(text[at : at + STRETCH], at)
    alike: list[Run] = []
    places: list[int] = []
    for run in runs:
        if len(run.letters) >= 2 * STRETCH:
            stretches = [run.letters[at : at + STRETCH] for at in range(0, len(run.letters) - STRETCH + 1, 3)]
            found = sorted(known[stretch] for stretch in stretches if stretch in known)
            if len(found) >= 0.6 * len(stretches):
                alike.append(run)
                places.append(found[len(found) // 2])
    row = _rising(places)
    for run in alike[row[0] : row[-1] + 1] if row else ():
        run.found = True


def _without_comments(runs: list[Run]) -> list[Run]:
    """By the names that themes give them; a part that holds most of what was found is only called after them."""
    tallies = _tallies(runs)
    most = sum(len(run.letters) for run in runs if run.found) / 2
    theirs = {
        element
        for element, tally in tallies.items()
        if tally.found <= most and COMMENTS.search(f"{element.get('id') or ''} {element.get('class') or ''}")
    }
    if not theirs:
        return runs
    return [run for run in runs if run.owner not in theirs and theirs.isdisjoint(run.owner.iterancestors())]


def _rising(places: list[int]) -> list[int]:
    """The numbers of the longest row of places of which none is before the last one."""
    ends: list[int] = []  # of the best row of each length, the number of its last place
    before: list[int | None] = []
    for number, place in enumerate(places):
        length = bisect_right(ends, place, key=places.__getitem__)
        before.append(ends[length - 1] if length else None)
        ends[length : length + 1] = [number]
    row: list[int] = []
    last = ends[-1] if ends else None
    while last is not None:
        row.append(last)
        last = before[last]
    return row[::-1]


def _chosen(runs: list[Run], lines: set[str]) -> list[Run]:
    """What was found, and what stands in between and looks like a part of it."""
    at = [place for place, run in enumerate(runs) if run.found]
    if not at:
        return [run for run in runs if run.letters in lines]
    tallies = _tallies(runs)
    verdicts: dict[HtmlElement, bool] = {}
    kept = []
    for place, run in enumerate(runs):
        inside = at[0] < place < at[-1]
        if run.found or run.letters in lines or (inside and _belongs(run.owner, tallies, verdicts)):
            kept.append(run)
    return kept


def _tallies(runs: list[Run]) -> dict[HtmlElement, Tally]:
    tallies: dict[HtmlElement, Tally] = {}
    for run in runs:
        node: HtmlElement | None = run.owner
        while node is not None:
            tally = tallies.setdefault(node, Tally())
            tally.all += len(run.letters)
            tally.linked += run.linked
            tally.found += len(run.letters) if run.found else 0
            node = node.getparent()
    return tallies


def _belongs(owner: HtmlElement, tallies: dict[HtmlElement, Tally], verdicts: dict[HtmlElement, bool]) -> bool:
    """Whether the largest part around `owner` in which nothing was found is content, not links or a box."""
    if tallies[owner].found:
        return True
    parent = owner.getparent()
    while parent is not None and not tallies[parent].found:
        owner, parent = parent, parent.getparent()
    if owner not in verdicts:
        code_or_table = owner.tag in ("div", "figure") and owner.find(".//pre") is not None
        code_or_table = code_or_table or (owner.tag == "div" and owner.find(".//table") is not None)
        linked = tallies[owner].linked > tallies[owner].all / 2
        verdicts[owner] = (owner.tag in CONTENT or code_or_table) and not linked
    return verdicts[owner]


def _without_pointers(runs: list[Run]) -> list[Run]:
    """Without what leads elsewhere, be it in one line or in a heading and the link under it."""
    kept, leads = [], False
    for place, run in enumerate(runs):
        under = leads and _leads_away(run)
        leads = not under and any(map(_leads_away, runs[place + 1 : place + 2])) and _is_lead(run)
        if not (under or leads or _points(run)):
            kept.append(run)
    return kept


def _is_lead(run: Run) -> bool:
    return len(run.letters) < 40 and bool(LEADS.fullmatch(run.words().strip(" :")))


def _leads_away(run: Run) -> bool:
    """A list of links may be the author's own."""
    return 2 * run.linked > len(run.letters) and run.owner.tag != "li"


def _points(run: Run) -> bool:
    """Whether it leads elsewhere and says nothing itself: to another post, or from a table of contents into the text."""
    if run.linked == len(run.letters) and run.owner.tag == "li":
        return all(link.get("href", "").startswith("#") for link in run.owner.iter("a"))
    return run.linked * 2 > len(run.letters) and bool(POINTER.match(run.words()))


def _unquoted(runs: list[Run]) -> list[Run]:
    """Without the boxes that repeat a sentence of the text in large letters."""
    if not any(run.owner.tag == "aside" or next(run.owner.iterancestors("aside"), None) is not None for run in runs):
        return runs
    boxed = [next(run.owner.iterancestors("aside"), run.owner if run.owner.tag == "aside" else None) for run in runs]
    text = "\n".join(run.letters for run, box in zip(runs, boxed, strict=True) if box is None)
    return [run for run, box in zip(runs, boxed, strict=True) if box is None or run.letters not in text]


def _trimmed(runs: list[Run], named: set[str]) -> list[Run]:
    """Without the title and byline before the text, and without what invites to read or say more after it."""
    size = sum(len(run.letters) for run in runs)
    first = 0
    for place, run in enumerate(runs[:12]):
        if run.letters in named and sum(len(before.letters) for before in runs[:place]) < min(400, size / 4):
            first = place + 1
    head = min(first + 6, len(runs) - 1)
    head = next((place for place in range(first, head) if len(runs[place].words()) > SENTENCE), head)
    runs = [run for place, run in enumerate(runs[first:], first) if place >= head or not _is_byline(run)] or runs
    first = 0
    last, after = len(runs), 0
    for place in range(len(runs) - 1, first, -1):
        after += len(runs[place].letters)
        if after > size / 4:
            break
        words = runs[place].words().strip(" :.…»>")
        # One word may also be the heading of a last section.
        if len(words) < 70 and after <= size / (4 if " " in words else 10) and ENDINGS.fullmatch(words):
            last = place
    while last - 1 > first and re.fullmatch("h[1-6]", runs[last - 1].owner.tag):
        last -= 1
    return runs[first:last] or runs


def _is_byline(run: Run) -> bool:
    words = run.words()
    ended = SENTENCE_END.search(re.sub(r"\b[ap]\.m\.$", "", words))
    if re.fullmatch("h[2-6]", run.owner.tag) or len(words) > SENTENCE or ended:
        return False
    return not any(map(str.isalpha, words)) or bool(BYLINE.fullmatch(words))
