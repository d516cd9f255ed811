"""A line of the model card is HTML with its links and emphasis, and nothing that could run."""

import pytest

from board.pages.frame.markdown import inline


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("Flights *into* New York", "Flights <em>into</em> New York"),
        ("**good** and `code`", "<strong>good</strong> and <code>code</code>"),
        ("the [R package](https://example.org/a)", 'the <a href="https://example.org/a" rel="noreferrer">R package</a>'),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("<script>a & b</script>", "&lt;script&gt;a &amp; b&lt;/script&gt;"),
        ('[x](https://a.b/"onclick="alert)', '<a href="https://a.b/&#34;onclick=&#34;alert" rel="noreferrer">x</a>'),
        ("two\n  lines", "two lines"),
        ("2 * 3 * 4", "2 * 3 * 4"),
    ],
)
def test_inline_markdown(text, html):
    assert inline(text) == html
