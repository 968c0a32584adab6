"""The smallest PPTX that is whole: a theme, a master and a layout have to be there, though nothing stands in them."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape

from samples.office import packed

_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_KIND = "application/vnd.openxmlformats-officedocument"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_SPACES = (
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" '
    f'xmlns:r="{_RELATIONS}" xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
)
_GROUP = (
    '<p:nvGrpSpPr><p:cNvPr id="1" name=""/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr><a:xfrm>'
    '<a:off x="0" y="0"/><a:ext cx="0" cy="0"/><a:chOff x="0" y="0"/><a:chExt cx="0" cy="0"/></a:xfrm></p:grpSpPr>'
)
_COLOURS = {
    "dk1": "000000",
    "lt1": "FFFFFF",
    "dk2": "1F2A44",
    "lt2": "EEEEEE",
    "accent1": "3366AA",
    "accent2": "AA5533",
    "accent3": "669944",
    "accent4": "886699",
    "accent5": "449999",
    "accent6": "BB8833",
    "hlink": "0044CC",
    "folHlink": "660099",
}
_FILL = '<a:solidFill><a:schemeClr val="phClr"/></a:solidFill>'


def pptx(title: str, slides: Sequence[Sequence[str]]) -> bytes:
    """A PowerPoint presentation; of each slide the first line is the title, the others are its text."""
    parts = {
        "slideMasters/slideMaster1": ("slideMaster", _master(), ["slideLayouts/slideLayout1", "theme/theme1"]),
        "slideLayouts/slideLayout1": ("slideLayout", _layout(), ["slideMasters/slideMaster1"]),
        "theme/theme1": ("theme", _theme(), []),
    }
    for number, lines in enumerate(slides, start=1):
        parts[f"slides/slide{number}"] = ("slide", _slide(lines), ["slideLayouts/slideLayout1"])
    main = [name for name, (kind, _, _) in parts.items() if kind != "slideLayout"]
    shown = "".join(
        f'<p:sldId id="{255 + number}" r:id="rId{2 + number}"/>' for number, _ in enumerate(slides, start=1)
    )
    presentation = (
        f'<p:presentation {_SPACES}><p:sldMasterIdLst><p:sldMasterId id="2147483648" r:id="rId1"/></p:sldMasterIdLst>'
        f'<p:sldIdLst>{shown}</p:sldIdLst><p:sldSz cx="9144000" cy="6858000"/><p:notesSz cx="6858000" cy="9144000"/>'
        "</p:presentation>"
    )
    core = (
        f'<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties" '
        f'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{escape(title)}</dc:title></cp:coreProperties>'
    )
    entries = {
        "[Content_Types].xml": _types({name: kind for name, (kind, _, _) in parts.items()}),
        "_rels/.rels": _relations(
            [
                (f"{_RELATIONS}/officeDocument", "ppt/presentation.xml"),
                (f"{_PACKAGE}/relationships/metadata/core-properties", "docProps/core.xml"),
            ]
        ),
        "docProps/core.xml": core,
        "ppt/presentation.xml": presentation,
        "ppt/_rels/presentation.xml.rels": _relations([(_kind(name), f"{name}.xml") for name in main]),
    }
    for name, (_, xml, others) in parts.items():
        folder, _, last = name.partition("/")
        entries[f"ppt/{name}.xml"] = xml
        if others:
            listed = [(_kind(other), f"../{other}.xml") for other in others]
            entries[f"ppt/{folder}/_rels/{last}.xml.rels"] = _relations(listed)
    return packed({name: (_HEAD + xml).encode() for name, xml in entries.items()})


def _kind(name: str) -> str:
    return f"{_RELATIONS}/{name.partition('/')[0].removesuffix('s')}"


def _types(parts: dict[str, str]) -> str:
    kinds = {"ppt/presentation.xml": f"{_KIND}.presentationml.presentation.main+xml"}
    kinds["docProps/core.xml"] = "application/vnd.openxmlformats-package.core-properties+xml"
    for name, kind in parts.items():
        kinds[f"ppt/{name}.xml"] = f"{_KIND}.theme+xml" if kind == "theme" else f"{_KIND}.presentationml.{kind}+xml"
    overrides = "".join(f'<Override PartName="/{name}" ContentType="{kind}"/>' for name, kind in kinds.items())
    return (
        f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
        f'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>{overrides}</Types>'
    )


def _relations(targets: Sequence[tuple[str, str]]) -> str:
    listed = "".join(
        f'<Relationship Id="rId{number}" Type="{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate(targets, start=1)
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{listed}</Relationships>'


def _slide(lines: Sequence[str]) -> str:
    first, *others = lines
    shapes = _shape(2, "Title", 'type="title"', 274_638, 1_143_000, [first])
    shapes += _shape(3, "Text", 'idx="1"', 1_600_200, 4_525_963, others)
    return (
        f"<p:sld {_SPACES}><p:cSld><p:spTree>{_GROUP}{shapes}</p:spTree></p:cSld>"
        "<p:clrMapOvr><a:masterClrMapping/></p:clrMapOvr></p:sld>"
    )


def _shape(number: int, name: str, placeholder: str, top: int, height: int, lines: Sequence[str]) -> str:
    text = "".join(f"<a:p><a:r><a:t>{escape(line)}</a:t></a:r></a:p>" for line in lines) or "<a:p/>"
    return (
        f'<p:sp><p:nvSpPr><p:cNvPr id="{number}" name="{name}"/><p:cNvSpPr/><p:nvPr><p:ph {placeholder}/></p:nvPr>'
        f'</p:nvSpPr><p:spPr><a:xfrm><a:off x="457200" y="{top}"/><a:ext cx="8229600" cy="{height}"/></a:xfrm>'
        f'<a:prstGeom prst="rect"><a:avLst/></a:prstGeom></p:spPr><p:txBody><a:bodyPr/><a:lstStyle/>{text}'
        "</p:txBody></p:sp>"
    )


def _master() -> str:
    map_ = " ".join(f'{name}="{name}"' for name in _COLOURS if name.startswith("accent"))
    return (
        f"<p:sldMaster {_SPACES}><p:cSld><p:spTree>{_GROUP}</p:spTree></p:cSld>"
        f'<p:clrMap bg1="lt1" tx1="dk1" bg2="lt2" tx2="dk2" {map_} hlink="hlink" folHlink="folHlink"/>'
        '<p:sldLayoutIdLst><p:sldLayoutId id="2147483649" r:id="rId1"/></p:sldLayoutIdLst></p:sldMaster>'
    )


def _layout() -> str:
    title = _shape(2, "Title", 'type="title"', 274_638, 1_143_000, ["Click to add title"])
    return (
        f'<p:sldLayout {_SPACES} type="obj"><p:cSld name="Title and text"><p:spTree>{_GROUP}'
        f"{title}</p:spTree></p:cSld>"
        "<p:clrMapOvr><a:masterClrMapping/></p:clrMapOvr></p:sldLayout>"
    )


def _theme() -> str:
    colours = "".join(f'<a:{name}><a:srgbClr val="{value}"/></a:{name}>' for name, value in _COLOURS.items())
    font = '<a:latin typeface="Arial"/><a:ea typeface=""/><a:cs typeface=""/>'
    line = f'<a:ln w="9525">{_FILL}</a:ln>'
    effect = "<a:effectStyle><a:effectLst/></a:effectStyle>"
    return (
        '<a:theme xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main" name="Plain"><a:themeElements>'
        f'<a:clrScheme name="Plain">{colours}</a:clrScheme><a:fontScheme name="Plain"><a:majorFont>{font}</a:majorFont>'
        f'<a:minorFont>{font}</a:minorFont></a:fontScheme><a:fmtScheme name="Plain"><a:fillStyleLst>{_FILL * 3}'
        f"</a:fillStyleLst><a:lnStyleLst>{line * 3}</a:lnStyleLst><a:effectStyleLst>{effect * 3}</a:effectStyleLst>"
        f"<a:bgFillStyleLst>{_FILL * 3}</a:bgFillStyleLst></a:fmtScheme></a:themeElements></a:theme>"
    )
