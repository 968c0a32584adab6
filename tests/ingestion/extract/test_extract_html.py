"""HTML: what a reader sees."""

from __future__ import annotations

import html

from tests.ingestion.extract.conftest import Extract


def test_scripts_styles_and_comments_are_not_text(extracted: Extract) -> None:
    html = (
        "<html><head><title>The &amp; Title</title><style>p {color: red}</style></head><body><script>var hidden = 1"
        "</script><p>Seen</p><!-- hidden --><noscript>hidden</noscript><template><p>hidden</p></template>"
        "<svg><title>hidden</title><text>hidden</text></svg><p>Also seen</p></body></html>"
    )
    extraction = extracted(html, "html")
    assert extraction.title == "The & Title"
    assert extraction.pages[0].text == "Seen\nAlso seen"


def test_blocks_break_lines_and_words_stay_whole(extracted: Extract) -> None:
    html = "<div>One <b>bo</b>ld\n  word<br>after break</div><ul><li>a<li>b</ul><table><tr><td>1<td>2</tr></table>"
    assert extracted(html, "html").pages[0].text == "One bold word\nafter break\na\nb\n1 | 2"


def test_preformatted_text_keeps_its_lines(extracted: Extract) -> None:
    assert extracted("<pre>a\n  b</pre><p>c\n d", "html").pages[0].text == "a\n  b\nc d"


def test_without_a_title_the_first_heading_is_the_title(extracted: Extract) -> None:
    assert extracted("<h1>Big <i>news</i></h1><h2>Small</h2>", "html").title == "Big news"


def test_pictures_are_read_by_their_alternative_text(extracted: Extract) -> None:
    assert extracted("<p>See<img src=x alt='a red dome'>there", "html").pages[0].text == "See a red dome there"


def test_the_named_encoding_counts_where_the_bytes_allow_it(extracted: Extract) -> None:
    cyrillic = '<meta charset="windows-1251"><p>Телескоп'.encode("cp1251")
    assert extracted(cyrillic, "html").pages[0].text == "Телескоп"
    lying = "<meta http-equiv=Content-Type content='text/html; charset=ISO-8859-1'><p>größer".encode()
    assert extracted(lying, "html").pages[0].text == "größer"
    stateful = '<meta charset="iso-2022-jp"><p>望遠鏡'.encode("iso-2022-jp")
    assert extracted(stateful, "html").pages[0].text == "望遠鏡"


def test_a_head_never_closed_does_not_hide_the_body(extracted: Extract) -> None:
    assert extracted("<head><title>T</title><body><p>text", "html").pages[0].text == "text"


def test_entities_and_characters_that_can_not_be_are_harmless(extracted: Extract) -> None:
    text = extracted("<p>a&nbsp;b &#0;&#xD800;&#xFFFE; &lt;x&gt; \x00 &unknown;", "html").pages[0].text
    assert text.startswith("a\xa0b")
    assert "<x>" in text
    assert "\x00" not in text


def test_a_hundred_thousand_elements_inside_one_another_end_with_their_text(extracted: Extract) -> None:
    assert extracted("<div>" * 100_000 + "the end", "html").pages[0].text == "the end"


def test_an_external_entity_is_not_read(extracted: Extract) -> None:
    html = '<!DOCTYPE html [<!ENTITY x SYSTEM "file:///etc/passwd">]><p>before &x; after'
    assert "root:" not in extracted(html, "html").pages[0].text


def test_html_beyond_the_limit_says_so_even_when_the_text_is_short(extracted: Extract) -> None:
    extraction = extracted("<!--" + "x" * 2_000 + "--><p>lost", "html", max_text_characters=1_000)
    assert extraction.warnings[0].startswith("text_truncated:")


def test_a_page_that_a_frame_holds_itself_is_read_in_its_place(extracted: Extract) -> None:
    inside = "<title>inner</title><p>in the &amp;lt;frame&amp;gt;</p><script>no()</script>"
    page = f"<body>before<iframe srcdoc='{inside}'>no frames here</iframe>after<iframe src='other.html'>no</iframe>"
    assert extracted(page, "html").pages[0].text == "before\nin the <frame>\nafter"


def test_frames_inside_one_another_are_read_to_a_depth(extracted: Extract) -> None:
    page = "<p>innermost"
    for depth in range(8):
        page = f'<p>{depth}<iframe srcdoc="{html.escape(page)}"></iframe>'
    assert extracted(page, "html").pages[0].text.split() == ["7", "6", "5", "4", "3", "2"]
