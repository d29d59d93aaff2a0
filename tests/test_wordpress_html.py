"""What WordPress keeps of a post → what readers see of it."""

from __future__ import annotations

import pytest

from feature_pipeline.sources.platforms.wordpress_html import plain_title, to_html


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ("One.\nStill one.\r\n\r\nTwo.", "<p>One.<br>\nStill one.</p>\n<p>Two.</p>"),
        ("<strong>Bold</strong> start\n\nEnd", "<p><strong>Bold</strong> start</p>\n<p>End</p>"),
        ("One.\n<!--more-->\nTwo.", "<p>One.</p>\n<p>Two.</p>"),
        ("<blockquote>Said\n\nSo</blockquote>\nYes", "<blockquote><p>Said</p>\n<p>So</p>\n</blockquote><p>Yes</p>"),
        ("<ul>\n<li>a\nb</li>\n</ul>", "<ul>\n<li>a\nb</li>\n</ul>"),
        ("<p>Own\n\nparagraph</p>", "<p>Own\n\nparagraph</p>"),
        ("a\n\n<pre>x\n\ny</pre>\n\nb", "<p>a</p>\n<pre>x\n\ny</pre><p>b</p>"),
        ("<!-- wp:paragraph -->\n<p>B\nc</p>\n<!-- /wp:paragraph -->", "<p>B\nc</p>"),
        (
            'Old.\n\nStyle.\n<!-- wp:paragraph {"a":1} --><p>New.</p><!-- /wp:paragraph --><!-- wp:x /-->\nAnd\n\nold.',
            "<p>Old.</p>\n<p>Style.</p>\n<p>New.</p><p>And</p>\n<p>old.</p>",
        ),
        ('[gallery ids="1,2"]Text[embed]https://v.example/1[/embed][youtube=https://v.example]', "<p>Text</p>"),
        ("As he said [sic], see [1] and [\u2026] or [my note] [where n=3] [see https://a.example/]", None),
        ('<img alt="[x]"> [[caption]]', '<p><img alt="[x]"> [caption]</p>'),
        ('<code>[vc_row a="b"]</code> kept', '<p><code>[vc_row a="b"]</code> kept</p>'),
        ('[vc_row css=".x"][vc_column]Words[/vc_column][/vc_row]', "<p>Words</p>"),
        ("[contact-form-7 id=3]Hello", "<p>Hello</p>"),
        (
            '[sourcecode language="c"]\na &lt; b\n\n[1]\n[/sourcecode]',
            '<pre><code class="language-c">a &lt; b\n\n[1]</code></pre>',
        ),
        ("[code]if a<b[/code]", "<pre><code>if a&lt;b</code></pre>"),
    ],
)
def test_what_the_editors_keep_becomes_what_readers_see(content: str, shown: str | None) -> None:
    assert to_html(content) == (f"<p>{content}</p>" if shown is None else shown)


def test_the_words_of_captions_stay() -> None:
    new = to_html('[caption id="a" width="300"]<img src="x"> The cat[/caption]\nText')
    assert new == '<div><p><img src="x"> The cat</p>\n</div><p>Text</p>'
    assert "<p>Old cat</p>" in to_html('[caption id="a" caption="Old cat"]<img src="x">[/caption]')
    assert to_html("[quote]Hm[/quote]") == "<blockquote><p>Hm</p>\n</blockquote>"


@pytest.mark.parametrize(
    "hostile", ["[" * 200_000, "<pre>" * 50_000, "[a " * 50_000, "<div" * 50_000, "<!-- " * 50_000]
)
def test_hostile_content_takes_no_time(hostile: str) -> None:
    to_html(hostile)
    plain_title(hostile)
