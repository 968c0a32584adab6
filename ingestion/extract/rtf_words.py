"""The words of RTF that say where text is, and where none is."""

from __future__ import annotations

# Words that stand for a character.
CHARACTERS = {
    b"tab": "\t",
    b"line": "\n",
    b"lbr": "\n",
    b"softline": "\n",
    b"emdash": "\u2014",
    b"endash": "\u2013",
    b"bullet": "\u2022",
    b"lquote": "\u2018",
    b"rquote": "\u2019",
    b"ldblquote": "\u201c",
    b"rdblquote": "\u201d",
    b"emspace": " ",
    b"enspace": " ",
    b"qmspace": " ",
    b"zwj": "\u200d",
    b"zwnj": "\u200c",
    b"ltrmark": "\u200e",
    b"rtlmark": "\u200f",
}
SYMBOLS = {b"~": "\xa0", b"_": "-"}

# Groups that begin with these hold no text of the document, or say the same once more for other programs.
WITHOUT_TEXT = frozenset(
    {
        *(b"colortbl", b"stylesheet", b"listtable", b"listoverridetable", b"revtbl", b"filetbl", b"rsidtbl"),
        *(b"fldinst", b"datafield", b"fldtype", b"pict", b"nonshppict", b"objdata", b"objclass", b"objname"),
        *(b"sp", b"sn", b"sv", b"shprslt", b"bkmkstart", b"bkmkend", b"xe", b"tc", b"tcn", b"rxe", b"txe"),
        *(b"template", b"themedata", b"colorschememapping", b"latentstyles", b"datastore", b"generator"),
        *(b"nonesttables", b"panose", b"falt", b"fontemb", b"private", b"leveltext", b"levelnumbers"),
        *(b"ftnsep", b"ftnsepc", b"ftncn", b"aftnsep", b"aftnsepc", b"aftncn", b"private1", b"keycode"),
    }
)
# Those with pictures or other bytes, wherever in their group the word stands.
BYTES = frozenset({b"pict", b"objdata"})
# Groups marked as "leave this out if you do not know it" that hold text all the same.
STARRED_TEXT = frozenset({b"do", b"shpinst", b"shptxt", b"annotation", b"footnote", b"pntext", b"listtext", b"fldrslt"})

NOTES = frozenset({b"footnote", b"annotation"})
AROUND = frozenset(
    {b"header", b"headerl", b"headerr", b"headerf", b"footer", b"footerl", b"footerr", b"footerf"},
)
TITLE = b"title"
ASIDE = NOTES | AROUND  # text beside the body
