"""Formats that the program LibreOffice turns into PDF, of which the text is then taken. Off unless FORMATS names them.

The program runs anew for each file, in a process of its own with an empty profile: seconds a file, and nothing of one
document reaches the next. Macros do not run; links to other places are not followed.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from ingestion.errors import CorruptFile
from ingestion.extract import pdf
from ingestion.extract.contract import Extractor, Format, PageWriter
from ingestion.extract.programs import run

PROGRAM = "soffice"
_TYPES = ("ppt", "odg", "vsd", "vsdx", "wordperfect", "xlsb", "iwork")
_SETTING = (
    '<item oor:path="/org.openoffice.Office.Common/Security/Scripting"><prop oor:name="{}" oor:op="fuse">'
    "<value>true</value></prop></item>"
)
_SETTINGS = (
    '<?xml version="1.0" encoding="UTF-8"?><oor:items xmlns:oor="http://openoffice.org/2001/registry">'
    + _SETTING.format("DisableMacrosExecution")
    + _SETTING.format("BlockUntrustedRefererLinks")
    + "</oor:items>"
)


def read(path: Path, out: PageWriter) -> None:
    """Write the text of the PDF that the program makes of the file."""
    with path.open("rb"):
        pass  # a file that is not there is the storage's fault, and an OSError
    with tempfile.TemporaryDirectory(prefix="libreoffice-") as folder:
        profile, made = Path(folder, "profile"), Path(folder, "made")
        (profile / "user").mkdir(parents=True)
        (profile / "user" / "registrymodifications.xcu").write_text(_SETTINGS)
        convert = ["--headless", "--norestore", "--convert-to", "pdf", "--outdir", str(made), str(path.resolve())]
        run([PROGRAM, f"-env:UserInstallation={profile.as_uri()}", *convert])
        results = list(made.iterdir()) if made.is_dir() else []
        if len(results) != 1:
            raise CorruptFile("The file is damaged: LibreOffice can not open it.")
        pdf.read(results[0], out)


EXTRACTOR = Extractor(name="libreoffice", version=1, read=read, program=PROGRAM)
FORMATS = tuple(Format(type=each, extractor=EXTRACTOR) for each in _TYPES)
