"""E-mail: headers, the body once, attachments by name."""

from __future__ import annotations

import base64
from email.message import EmailMessage

import pytest

from ingestion.errors import ContentTooLarge, CorruptFile
from tests.ingestion.extract.conftest import Extract


def mail(**headers: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in ({"Subject": "Subject", "From": "ada@example.org", "To": "bob@example.org"} | headers).items():
        message[name] = value
    return message


def test_headers_body_and_names_of_attachments(extracted: Extract) -> None:
    message = mail(Subject="Grüße – für Zoë", Cc="carl@example.org", Date="Fri, 27 Feb 2026 10:15:00 +0000")
    message.set_content("The plain body, größer.\n")
    message.add_alternative("<p>The rich body</p>", subtype="html")
    message.add_attachment(b"secret words", maintype="application", subtype="pdf", filename="Preisübersicht.pdf")
    extraction = extracted(bytes(message), "eml")
    assert extraction.title == "Grüße – für Zoë"
    assert extraction.pages[0].text == (
        "From: ada@example.org\nTo: bob@example.org\nCc: carl@example.org\nDate: Fri, 27 Feb 2026 10:15:00 +0000\n"
        "Subject: Grüße – für Zoë\n\nThe plain body, größer.\n\nAttachment: Preisübersicht.pdf (application/pdf)"
    )
    (attachment,) = extraction.attachments
    assert (attachment.name, attachment.inline, attachment.read()) == ("Preisübersicht.pdf", False, b"secret words")
    assert extraction.warnings == ()


def test_a_picture_that_the_text_shows_is_told_apart_from_one_that_was_sent(extracted: Extract) -> None:
    message = mail()
    message.set_content('<p>Hello <img src="cid:logo"></p>', subtype="html")
    message.add_related(b"logo", maintype="image", subtype="png", cid="<logo>", filename="logo.png")
    message.make_mixed()
    message.add_attachment(b"scan", maintype="image", subtype="png", filename="scan.png")
    attachments = extracted(bytes(message), "eml").attachments
    assert [(one.name, one.inline) for one in attachments] == [("logo.png", True), ("scan.png", False)]


def test_a_body_of_html_alone_is_read_as_a_page(extracted: Extract) -> None:
    message = mail()
    message.set_content("<html><style>x</style><p>Rich &amp; <b>bo</b>ld</p></html>", subtype="html")
    assert extracted(bytes(message), "eml").pages[0].text.endswith("\n\nRich & bold")


def test_an_empty_plain_body_does_not_hide_the_html(extracted: Extract) -> None:
    message = mail()
    message.set_content(" \n")
    message.add_alternative("<p>Only here</p>", subtype="html")
    assert extracted(bytes(message), "eml").pages[0].text.endswith("Only here")


def test_what_is_attached_inside_the_version_not_chosen_is_listed(extracted: Extract) -> None:
    message = mail()
    message.set_content("plain")
    message.add_alternative("<p>rich</p>", subtype="html")
    rich = message.get_payload()[1]
    rich.make_mixed()
    rich.add_attachment(b"x", maintype="application", subtype="pdf", filename="inside.pdf")
    text = extracted(bytes(message), "eml").pages[0].text
    assert "plain" in text
    assert "rich" not in text
    assert "Attachment: inside.pdf" in text


def test_a_forwarded_mail_is_read_with_its_headers(extracted: Extract) -> None:
    inner = mail(Subject="The inner one")
    inner.set_content("inner body")
    message = mail(Subject="Fwd")
    message.set_content("see below")
    message.add_attachment(inner)
    extraction = extracted(bytes(message), "eml")
    assert extraction.title == "Fwd"
    assert "Attached message:\nFrom: ada@example.org" in extraction.pages[0].text
    assert extraction.pages[0].text.endswith("Subject: The inner one\n\ninner body")


def test_a_mail_that_was_attached_under_a_name_is_a_file_of_its_own(extracted: Extract) -> None:
    inner = mail(Subject="The inner one")
    inner.set_content("inner body")
    message = mail(Subject="Outer")
    message.set_content("see the file")
    message.add_attachment(inner, filename="inner.eml")
    extraction = extracted(bytes(message), "eml")
    (attachment,) = extraction.attachments
    assert attachment.name == "inner.eml"
    assert extracted(attachment.read(), "eml").title == "The inner one"
    assert "inner body" not in extraction.pages[0].text


def test_a_forwarded_mail_in_base64_is_read_although_the_standard_forbids_it(extracted: Extract) -> None:
    inner = base64.encodebytes(b"Subject: Inner\n\nhidden words\n").decode()
    source = (
        'Subject: Outer\nContent-Type: multipart/mixed; boundary="b"\n\n--b\nContent-Type: message/rfc822\n'
        f"Content-Transfer-Encoding: base64\n\n{inner}\n--b--\n"
    )
    assert extracted(source, "eml").pages[0].text.endswith("Subject: Inner\n\nhidden words")


@pytest.mark.parametrize(
    ("raw", "subject"),
    [
        (b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("Subject: Grüße".encode(), "Grüße"),
        ("Subject: Grüße".encode("cp1252"), "Grüße"),
        (b"Subject: =?no-such-charset?q?Gr=FC=DFe?=", "=?no-such-charset?q?Gr=FC=DFe?="),
        (b"Subject: =?utf-8?b?not base64 at all", "=?utf-8?b?not base64 at all"),
        (b"Subject: folded\n over lines", "folded over lines"),
    ],
)
def test_a_subject_in_any_state_is_shown(extracted: Extract, raw: bytes, subject: str) -> None:
    assert extracted(raw + b"\nFrom: <<<@@>>>\n\nbody", "eml").title == subject


def test_an_unknown_charset_is_found_out(extracted: Extract) -> None:
    source = b"Subject: x\nContent-Type: text/plain; charset=x-unknown\n\n" + "größer".encode()
    assert extracted(source, "eml").pages[0].text.endswith("größer")


def test_a_body_that_is_no_text_is_left_out_with_a_warning(extracted: Extract) -> None:
    source = b"Subject: x\nContent-Type: text/plain\n\n" + bytes(range(256)) * 10
    extraction = extracted(source, "eml")
    assert extraction.pages[0].text == "Subject: x"
    assert extraction.warnings == ("encoding_unreadable: a part of the body could not be read as text",)


def test_a_boundary_that_never_comes_is_no_loss(extracted: Extract) -> None:
    source = 'Subject: x\nContent-Type: multipart/mixed; boundary="never"\n\nwords without a boundary\n'
    assert extracted(source, "eml").pages[0].text.endswith("words without a boundary")


def test_parts_nested_absurdly_are_corrupt(extracted: Extract) -> None:
    nested = "".join(f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(200))
    with pytest.raises(CorruptFile):
        extracted(f"Subject: x\n{nested}\n\nend", "eml")


def test_a_mail_of_too_many_parts_or_bytes_is_too_large(extracted: Extract) -> None:
    parts = "".join(f"--b\nContent-Type: text/plain\n\npart {n}\n" for n in range(50))
    source = f'Subject: x\nContent-Type: multipart/mixed; boundary="b"\n\n{parts}--b--\n'
    assert extracted(source, "eml").pages[0].text.endswith("part 49")
    for limits in ({"max_parts": 20}, {"max_content_bytes": 1_000}):
        with pytest.raises(ContentTooLarge):
            extracted(source, "eml", **limits)


@pytest.mark.parametrize("source", ["", "\n\nno headers at all", "just a line of prose"])
def test_what_has_no_headers_is_corrupt(extracted: Extract, source: str) -> None:
    with pytest.raises(CorruptFile):
        extracted(source, "eml")
