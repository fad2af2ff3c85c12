"""HTML that cannot be broken by what it shows: text is escaped unless it was made here."""

from html import escape


class Markup(str):
    """HTML that is safe to put into a page as it is."""

    __slots__ = ()


def tag(name: str, *content: str, **attributes: str) -> Markup:
    """An element. What is no `Markup` in it is text, and shown as such; `class_` and the like lose their underscore.

    Example:

        >>> tag("p", "1 < 2, ", tag("b", "<script>"), class_="note")
        '<p class="note">1 &lt; 2, <b>&lt;script&gt;</b></p>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_printable(value))}"' for key, value in attributes.items()
    )
    return Markup(f"<{name}{written}>{together(*content)}</{name}>")


def together(*content: str) -> Markup:
    """Several pieces one after another; text among them is escaped."""
    return Markup("".join(piece if isinstance(piece, Markup) else escape(_printable(piece)) for piece in content))


def _printable(text: str) -> str:
    """Text without control characters, which HTML forbids and some readers act on."""
    return "".join(letter if letter.isprintable() or letter in " \n\t" else "\ufffd" for letter in text)
