"""In which code page a run of RTF's text is: that of its font, else that of the document."""

from __future__ import annotations

from ingestion.extract.decode import named_encoding

MAX_FONTS = 100_000
_DOCUMENT = {b"ansi": "cp1252", b"mac": "mac_roman", b"pc": "cp437", b"pca": "cp850"}
# By the number of a font's character set; 1, "default", is the document's.
_CHARSETS = {
    0: "cp1252",
    2: "cp1252",
    77: "mac_roman",
    78: "shift_jis",
    79: "euc_kr",
    80: "gb2312",
    81: "big5",
    128: "cp932",
    129: "cp949",
    130: "johab",
    134: "gbk",
    136: "cp950",
    161: "cp1253",
    162: "cp1254",
    163: "cp1258",
    177: "cp1255",
    178: "cp1256",
    186: "cp1257",
    204: "cp1251",
    222: "cp874",
    238: "cp1250",
    254: "cp437",
    255: "cp850",
}


class CodePages:
    """The code pages of one document."""

    def __init__(self) -> None:
        self.damaged = 0  # characters that no code page has
        self._document = "cp1252"
        self._fonts: dict[int, str | None] = {}
        self._described = 0  # the font that the table of fonts is at
        self._default_font = -1

    def set(self, word: bytes, value: int | None) -> bool:
        """Take a word about the whole document; tells whether it is one."""
        if word in _DOCUMENT:
            self._document = _DOCUMENT[word]
        elif word == b"ansicpg":
            self._document = _numbered(value or 0) or self._document
        elif word == b"deff" and value is not None:
            self._default_font = value
        else:
            return False
        return True

    def describe_font(self, word: bytes, value: int | None) -> None:
        """Take a word of the table of fonts."""
        if value is None or len(self._fonts) > MAX_FONTS:
            return
        if word == b"f":
            self._described = value
        elif word == b"fcharset":
            self._fonts[self._described] = _CHARSETS.get(value)
        elif word == b"cpg":
            self._fonts[self._described] = _numbered(value)

    def decode(self, data: bytes | bytearray, font: int | None) -> str:
        """The text of a run in this font."""
        codec = self._fonts.get(self._default_font if font is None else font)
        text = data.decode(codec or self._document, "replace")
        damaged = text.count("\ufffd")
        if damaged * 2 > len(text):  # a font for another script, but its text is in the document's code page
            text = data.decode(self._document, "replace")
            damaged = text.count("\ufffd")
        self.damaged += damaged
        return text


def _numbered(number: int) -> str | None:
    """The codec of a Windows code page, None where there is none."""
    return "mac_roman" if number == 10_000 else named_encoding(f"cp{number}")
