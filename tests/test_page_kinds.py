"""Common kinds of pages, all invented: exactly the author's text comes of each, with its title, day and name."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import pytest

from feature_pipeline.html.parser import page

A = "The ferry to the outer islands will stop at the old pier again from the first of May, the harbour board said."
B = "Repairs began two winters ago, when a storm tore away the landing stage and left the waiting room without a roof."
C = "Nobody had expected the work to take so long, but the piles had rotted, and each of them had to be drawn by hand."
D = "“We thought of giving it up,” said Mona Gren, who has sold tickets there for thirty years, “and then they all wrote.”"
E = "Fares stay as they are for now, although the board wants to look at them again when the summer is over."
F = "On the first morning I packed bread and a flask, and walked down before anybody else in the house was awake."
G = "The engine coughed twice, and then it ran as evenly as a sewing machine all the way to the second lighthouse."
H = "What I had forgotten is how the light moves across the water there, and how little there is to say about it."
OAR = (
    "Cut from a single piece of ash that has dried for four years, this oar bends where others break.",
    "We shave each blade by hand, and oil it three times before it leaves the shed by the harbour.",
    "It is 2.4 metres long and weighs less than two kilos, so that children can row with it as well.",
)
MENU = (
    "<nav><ul><li><a href=/>Home</a></li><li><a href=/about>About</a></li><li><a href=/all>Archive</a></li></ul></nav>"
)
FOOT = "<footer><p>© 2031 The Pier. All rights reserved. <a href=/privacy>Privacy</a></p></footer>"
OTHERS = "".join(
    f"<li><a href=/{n}>Another story about boats, number {n}, and the people in it</a></li>" for n in range(6)
)
DAY = "<meta property='article:published_time' content='2021-05-06T22:30:00-07:00'>"
BY = "<meta name=author content='Ann Lee'>"


def p(*paragraphs: str) -> str:
    return "".join(f"<p>{paragraph}</p>\n" for paragraph in paragraphs)


def said(*paragraphs: str) -> str:
    return "\n\n".join(paragraphs)


def comments(number: int) -> str:
    said = "I have taken that boat with my children every summer, and I do not believe a word of what the board says."
    return "".join(
        f"<li class=comment><cite>Reader {n}</cite> <time datetime=2022-01-0{n % 9 + 1}>later</time><p>{said}</p></li>"
        for n in range(number)
    )


@dataclass(frozen=True)
class Kind:
    """A page, and what is expected of it."""

    body: str
    text: str
    head: str = f"<title>The pier opens | The Pier</title>{DAY}{BY}"
    title: str = "The pier opens"


KINDS = {
    "news": Kind(
        f"""<header>{MENU}</header><main><article><h1>The pier opens</h1><div class=byline>By <a href=/ann>Ann
        Lee</a></div>
        <time datetime=2021-05-06>6 May 2021</time><figure><img src=a.jpg><figcaption>The pier in winter. Photo: J. Roe
        </figcaption></figure>{p(A, B)}<aside class=related><h4>Read also</h4><ul>{OTHERS}</ul></aside>{p(C, D, E)}
        <div class=tags><a href=/t/sea>Sea</a> <a href=/t/boats>Boats</a></div></article>
        <section class=more><h2>More stories</h2><ul>{OTHERS}</ul></section></main>{FOOT}""",
        said(A, B, C, D, E),
    ),
    "wordpress": Kind(
        f"""<div id=page><header id=masthead><p class=site-title>The Pier</p>{MENU}</header><div id=content>
        <article id=post-7 class="post-7 post type-post hentry"><header class=entry-header><h1 class=entry-title>The
        pier opens
        </h1><div class=entry-meta><span class=posted-on>Posted on <a href=/p><time class="entry-date published"
        datetime=2021-05-06T22:30:00-07:00>May 6, 2021</time></a></span> <span class=byline>by <span class="author
        vcard">
        <a class="url fn n" href=/ann>Ann Lee</a></span></span></div></header><div class=entry-content>{p(F, G)}
        <h2 class=wp-block-heading>What I saw</h2>{p(H)}<ul class=wp-block-list><li>one seal</li><li>two
        rainbows</li></ul>
        <div class="sharedaddy sd-sharing-enabled"><h3 class=sd-title>Share this:</h3><ul><li><a href=/s>Share on
        X</a></li>
        </ul></div><div id=jp-relatedposts class=jp-relatedposts><h3>Related</h3></div></div><footer class=entry-footer>
        Posted in <a href=/c>Walks</a></footer></article><nav class="navigation post-navigation"><a href=/o>Older
        post</a></nav>
        <div id=comments class=comments-area><h2 class=comments-title>2 thoughts on “The pier
        opens”</h2><ol>{comments(2)}</ol>
        </div></div><div id=secondary class=widget-area><h2>Recent posts</h2><ul>{OTHERS}</ul></div>{FOOT}</div>""",
        said(F, G, "## What I saw", H, "- one seal\n- two rainbows"),
        f"<title>The pier opens – The Pier</title><meta property='og:site_name' content='The Pier'>{BY}",
    ),
    "ghost": Kind(
        f"""<div class=site-wrapper><header class=gh-head>{MENU}</header><main id=site-main><article class="article
        post">
        <header class="article-header gh-canvas"><h1 class=article-title>The pier opens</h1><p class=article-excerpt>A
        walk
        to the boat.</p><div class=article-byline><h4 class=author-name><a href=/author/ann/>Ann Lee</a></h4><div
        class=byline-meta>
        <time datetime=2021-05-06>May 6, 2021</time><span>2 min read</span></div></div></header>
        <section class="gh-content gh-canvas">{p(F, G)}<figure class="kg-card kg-image-card"><img
        src=a.jpg><figcaption>Low tide
        </figcaption></figure>{p(H)}</section></article></main><section class=footer-cta><h2>Sign up for more like
        this.</h2>
        <form><input type=email></form></section><aside class=read-more-wrap><h3>Read
        more</h3><ul>{OTHERS}</ul></aside>{FOOT}</div>""",
        said("A walk to the boat.", F, G, H),
    ),
    "medium": Kind(
        f"""<div id=root><div><a href=/m>Open in app</a> <a href=/in>Sign in</a></div><article><div><section><div>
        <h1 class=pw-post-title>The pier opens</h1><div><a rel=author href=/@ann>Ann Lee</a> · <span>Follow</span>
        <p>3 min read · May 6, 2021</p><p>214</p><p>3</p></div><p class=pw-post-body-paragraph>{F}</p>
        <p class=pw-post-body-paragraph>{G}</p><blockquote><p>{H}</p></blockquote><p
        class=pw-post-body-paragraph>{E}</p></div>
        </section></div></article><footer><h2>Written by Ann Lee</h2><p>120 Followers</p><h2>More from Ann
        Lee</h2><ul>{OTHERS}
        </ul></footer></div>""",
        said(F, G, f"> {H}", E),
        "<title>The pier opens. A walk | by Ann Lee | Medium</title>"
        f"<meta property='og:title' content='The pier opens'>{DAY}{BY}",
    ),
    "substack": Kind(
        f"""<div id=main><div class=main-menu><a href=/subscribe>Subscribe</a> <a href=/in>Sign in</a></div><article
        class="typography newsletter-post post"><div class=post-header><h1 class=post-title>The pier opens</h1><h3
        class=subtitle>
        A walk to the boat</h3><div class=byline><a href=/@ann>Ann Lee</a></div><div>May 06, 2021</div></div>
        <div class=available-content><div class="body markup">{p(F, G)}<div class=subscription-widget-wrap><p>Thanks
        for reading
        The Pier! Subscribe for free to receive new posts.</p><form><input
        type=email></form></div>{p(H, E)}</div></div></article>
        <div class=comments-page><h4>Discussion about this post</h4>{comments(1)}</div></div>""",
        said("### A walk to the boat", F, G, H, E),
    ),
    "blogger": Kind(
        f"""<div class=header-outer><h1 class=title><a href=/>The Pier</a></h1></div><div class=main-outer><div
        class="blog-posts hfeed">
        <h2 class=date-header><span>Thursday, May 6, 2021</span></h2><div class="post hentry"><h3 class="post-title
        entry-title">
        The pier opens</h3><div class="post-body entry-content">{F}<br><br>{G}<br><br>{H}<div style="clear:
        both"></div></div>
        <div class=post-footer>Posted by <span class=fn>Ann Lee</span> at <abbr class=published
        title=2021-05-06T22:30:00-07:00>
        10:30 PM</abbr></div></div><div class=comments id=comments><h4>1 comment:</h4>{comments(1)}</div></div></div>
        <div class=sidebar><h2>Blog Archive</h2><ul>{OTHERS}</ul></div>""",
        said(F, G, H),
        f"<title>The Pier: The pier opens</title>{BY}",
    ),
    "hugo": Kind(
        f"""<body class=list><header class=header>{MENU}</header><main class=main><article class=post-single><header
        class=post-header><h1 class="post-title entry-hint-parent">The pier opens</h1><div class=post-meta><span
        title='2021-05-06 22:30:00 -0700'>May 6, 2021</span>&nbsp;·&nbsp;2 min&nbsp;·&nbsp;Ann Lee</div></header>
        <div class=toc><details><summary>Table of Contents</summary><ul><li><a href=#boat>The
        boat</a></li></ul></details></div>
        <div class=post-content>{p(F)}<h2 id=boat>The boat<a class=anchor href=#boat>#</a></h2>{p(G)}<div
        class=highlight><pre><code
        class=language-sh>ferry --to lighthouse

# and back</code></pre></div>{p(H)}</div><footer class=post-footer><ul class=post-tags><li><a
        href=/t>sea</a></li></ul></footer>
        </article></main>{FOOT}""",
        said(F, "## The boat", G, "```sh\nferry --to lighthouse\n\n# and back\n```", H),
    ),
    "jekyll": Kind(
        f"""<header class=site-header><a class=site-title href=/>The Pier</a>{MENU}</header><main
        class=page-content><div class=wrapper>
        <article class="post h-entry" itemscope><header class=post-header><h1 class="post-title p-name">The pier
        opens</h1>
        <p class=post-meta><time class=dt-published datetime=2021-05-06T22:30:00-07:00 itemprop=datePublished>May 6,
        2021</time> •
        <span itemprop=author><span class="p-author h-card" itemprop=name>Ann Lee</span></span></p></header>
        <div class="post-content e-content">{p(F, f"<em>{G}</em>")}<hr>{p(H)}</div></article></div></main>{FOOT}""",
        said(F, f"*{G}*", "---", H),
        "<title>The pier opens | The Pier</title>",
    ),
    "recipe": Kind(
        f"""{MENU}<article><h1>Pea soup</h1><p class=byline>By Ann Lee</p>{p(F, H)}<div
        class=recipe><h2>Ingredients</h2><ul><li>500 g
        dried yellow peas</li><li>1 onion</li><li>2 l water</li></ul><h2>Method</h2><ol><li>Leave the peas in plenty
        of cold water
        overnight.</li><li>Boil them with the onion until they fall apart, which takes about two hours.</li></ol></div>
        <div class=rating>Rate this recipe</div></article><section class=comments><h3>3
        Comments</h3><ul>{comments(3)}</ul></section>""",
        said(
            F,
            H,
            "## Ingredients",
            "- 500 g dried yellow peas\n- 1 onion\n- 2 l water",
            "## Method",
            "1. Leave the peas in plenty of cold water overnight.\n"
            "2. Boil them with the onion until they fall apart, which takes about two hours.",
        ),
        '<title>Pea soup - The Pier</title><script type="application/ld+json">{"@type": "Recipe", "name": "Pea soup", '
        '"datePublished": "2021-05-06", "author": {"@type": "Person", "name": "Ann Lee"}}</script>',
        "Pea soup",
    ),
    "forum": Kind(
        f"""{MENU}<div class=thread><h1>The pier opens</h1><div class="message first"><div class=user>annlee</div><div
        class=message-body>{p(F, G, H)}</div></div><div id=replies class=comments>{comments(4)}</div></div>{FOOT}""",
        said(F, G, H),
    ),
    "shop": Kind(
        f"""{MENU}<div class=breadcrumb><a href=/>Home</a> / <a href=/oars>Oars</a></div><div class=product>
        <h1>Ash oar</h1><p class=price>49.00 €</p><button>Add to basket</button><div class=product-description>{p(*OAR)}
        </div></div><section class=related-products><h2>You may also like</h2><ul>{OTHERS}</ul></section>{FOOT}""",
        said(*OAR),
        f"<title>Ash oar | The Pier</title>{DAY}{BY}",
        "Ash oar",
    ),
    "documentation": Kind(
        f"""{MENU}<div class=sphinxsidebar><ul>{OTHERS}</ul></div><div class=document><div class=body
        role=main><section id=install>
        <h1>Installing<a class=headerlink href=#install title='Link to this heading'>¶</a></h1><p>The program needs a
        harbour and
        two hands. Get it with your own package manager:</p><div class="highlight-console notranslate"><div
        class=highlight><pre>
<span></span><span class=gp>$ </span>get ferry
</pre></div></div><p>Then see whether it floats, which every version since the second should
        do.</p><table><thead><tr><th>Option</th>
        <th>Meaning</th></tr></thead><tbody><tr><td><code>--row</code></td><td>without an
        engine</td></tr></tbody></table>
        </section></div></div><div class=related role=navigation><a href=/next>next</a></div>{FOOT}""",
        said(
            "The program needs a harbour and two hands. Get it with your own package manager:",
            "```console\n$ get ferry\n```",
            "Then see whether it floats, which every version since the second should do.",
            "| Option | Meaning |\n| --- | --- |\n| `--row` | without an engine |",
        ),
        f"<title>Installing — Ferry 2.0 documentation</title>{DAY}{BY}",
        "Installing",
    ),
    "cookie banner": Kind(
        f"""<div id=cookie-consent class=cookie-banner role=dialog><h2>We value your privacy</h2><p>We and our 812
        partners store and
        read information on your device, such as cookies, in order to measure what you read and to show you
        advertisements.</p>
        <button>Accept all</button></div>{MENU}<div class=story><h1>The pier opens</h1>{p(A, B, C)}</div>{FOOT}""",
        said(A, B, C),
    ),
    "amp": Kind(
        f"""<amp-sidebar id=side layout=nodisplay>{MENU}</amp-sidebar><header class=amp-header>The Pier</header><article
        class=amp-wp-article><header><h1 class=amp-wp-title>The pier opens</h1><div class=amp-wp-byline>Ann
        Lee</div></header>
        <div class=amp-wp-article-content><amp-img src=a.jpg width=9 height=9></amp-img>{p(A, B)}<amp-ad width=9
        height=9></amp-ad>{p(C)}
        </div></article>{FOOT}""",
        said(A, B, C),
    ),
    "more comments than article": Kind(
        f"""{MENU}<article><h1>The pier opens</h1>{p(A, B)}</article><section id=comments><h2>40
        comments</h2><ol>{comments(40)}</ol>
        </section>{FOOT}""",
        said(A, B),
    ),
    "several articles": Kind(
        f"""{MENU}<main><article class=main-post><h1>The pier opens</h1>{p(A, B, C, D)}</article><div class=list>{
            "".join(
                f"<article class=card><h3><a href=/{n}>Boat {n}</a></h3><p>A short text about boat {n}.</p></article>"
                for n in range(4)
            )
        }</div></main>{FOOT}""",
        said(A, B, C, D),
    ),
    "live blog": Kind(
        f"""{MENU}<main><h1>The pier opens</h1><div class=summary>{p(A)}</div><div class=live-posts>{
            "".join(
                f"<section class=live-entry><h2>{hour}:15</h2><p>{text}</p></section>"
                for hour, text in ((12, D), (11, C), (10, B))
            )
        }</div></main>{FOOT}""",
        said(A, "## 12:15", D, "## 11:15", C, "## 10:15", B),
    ),
    "lines without paragraphs": Kind(
        f"{MENU}<div id=text><h1>The pier opens</h1>{F}<br>{G}<br><br>{H}<br><br>{A}</div>{FOOT}",
        said(f"{F}\n{G}", H, A),
    ),
    "tables for layout": Kind(
        f"""<table width=100%><tr><td colspan=2><font size=5>The Pier</font></td></tr><tr><td width=120><a
        href=/>Home</a><br>
        <a href=/a>About me</a><br><a href=/l>Links</a></td><td><h1>The pier
        opens</h1>{p(F, G, H)}</td></tr></table>""",
        said(F, G, H),
    ),
    "list of five": Kind(
        f"""{MENU}<article><h1>Five boats</h1>{p(A)}<h2>1. The tar boat</h2>{p(B)}<h2>2. The yawl</h2>{p(C)}<h2>3. The
        punt</h2>
        {p("Flat, slow and kind.")}<h2>4. The skiff</h2>{p(G)}<h2>5. The ferry</h2>{p(H)}<p><strong>Read next:</strong>
        <a href=/x>Another story about boats</a></p></article>{FOOT}""",
        said(
            *(A, "## 1. The tar boat", B, "## 2. The yawl", C, "## 3. The punt", "Flat, slow and kind."),
            *("## 4. The skiff", G, "## 5. The ferry", H),
        ),
        f"<title>Five boats | The Pier</title>{DAY}{BY}",
        "Five boats",
    ),
    "interview": Kind(
        f"""{MENU}<article><h1>The pier opens</h1>{p(A)}<p><strong>Why now?</strong></p>{p(C)}<p><strong>And the
        fares?</strong></p>
        {p(E)}<p><strong>Who wrote?</strong></p>{p("Everyone.")}<p>{H}</p></article>{FOOT}""",
        said(A, "**Why now?**", C, "**And the fares?**", E, "**Who wrote?**", "Everyone.", H),
    ),
    "gallery": Kind(
        f"""{MENU}<article><h1>The pier opens</h1>{p(A)}<div class=gallery>{
            "".join(
                f"<figure><img src={n}.jpg><figcaption>Picture {n}: the pier</figcaption></figure>" for n in range(3)
            )
        }</div>{p(B, C)}</article>{FOOT}""",
        said(A, B, C),
    ),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_kind_of_page(kind: Kind) -> None:
    text, found = page(
        f"<!doctype html><html lang=en><head>{kind.head}</head><body>{kind.body}</body></html>", "https://p.example/x"
    )
    assert text == kind.text
    assert (found.title, found.date, found.author) == (kind.title, dt.date(2021, 5, 6), "Ann Lee")
