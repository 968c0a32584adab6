"""Documents: where the text and the bytes of each are, and what can be done about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from docqueue.admin import columns
from ingestion.acting import Acting
from ingestion.admin import happening, searching
from ingestion.admin.base import link, said
from ingestion.admin.downloads import DownloadAdmin
from ingestion.admin.files import CANCEL, cancellable, lines_of, stored_as
from ingestion.admin.filters import OutdatedFilter
from ingestion.admin.reprocess import ReprocessAdmin
from ingestion.admin.verbs import Button, Verb
from ingestion.diagnostics import reading
from ingestion.hints import hint_for
from ingestion.km import get_store
from ingestion.km.base import known_to
from ingestion.models import Blob, Document, IngestFile, Outcome, Stage
from ingestion.reprocess import Reprocessing
from ingestion.states import Line

if TYPE_CHECKING:
    Display = str | SafeString

DELETE = Verb(
    name="delete",
    button=_("Delete"),
    question=_(
        "Its text and, where nothing else has them, its bytes go with it. When another upload has the same bytes, that "
        "one is processed and becomes a document of its own. This can not be undone."
    ),
    done=lambda n: ngettext("%(n)d document is deleted.", "%(n)d documents are deleted.", n),
    before=_("it was gone already."),
)


@admin.register(Document)
class DocumentAdmin(DownloadAdmin, ReprocessAdmin):
    """Documents, the newest first."""

    heading = _("Documents")
    noun = "document"
    selects_by = "documents"
    needed = ("owner", "blob", "file__intake")
    empty = _(
        "There is no document. Each file of an upload that is one becomes one: upload something, then run a worker: "
        "manage.py run_queue_worker"
    )
    list_display = ("id", "named", "owner", "state", "type", "page_count", "chunk_count", "bytes", "created")
    list_display_links = ("id", "named")
    list_filter = ("text_status", "text_reason", OutdatedFilter, "created_at")
    list_select_related = ("owner", "blob", "file__intake")
    search_fields = ("id",)  # shows the search box; what is searched stands in searching.py
    search_help_text = _("Exact id, owner or SHA-256; part of the title among the newest.")
    actions = ("retry", "reprocess", "cancel", "delete")
    failure = ("error_code", "what_failed", "next_step")
    main = ("named", "owner", "intake_link", "file_link", "item", "content_type", "tags", "text", "why_no_text",
            "text_note", "stored_bytes", "sha256", "knowledge", "km_calls", "said_while_read")  # fmt: skip
    times = ("created", "indexed")
    verbs = {"cancel": CANCEL, "delete": DELETE}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip().replace("\0", "")
        return (queryset.filter(pk__in=searching.documents(term)) if term else queryset), False

    def lines(self, rows: Sequence[Document]) -> dict[int, Line]:
        files = {row.pk: file for row in rows if (file := _file(row)) is not None}
        lines = lines_of(list(files.values()))
        return {row.pk: lines[files[row.pk].pk] if row.pk in files else Line("", columns.NOTHING) for row in rows}

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = ("state", *said(self.failure, self, obj), *said(self.main, self, obj))
        return [(None, {"fields": fields}), (_("Times"), {"fields": said(self.times, self, obj)})]

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> list[str]:
        return ["state", *self.failure, *self.main, *self.times]

    def buttons(self, row: Document) -> list[Button]:
        file = _file(row)
        stop = [Button("cancel", CANCEL.button, destructive=True)] if file is not None and cancellable(file) else []
        return [*stop, Button("delete", DELETE.button, destructive=True)]

    def act(self, acting: Acting, verb: str, row: Document, reason: str) -> str | bool | None:
        if verb == "delete":
            return acting.delete_document(row, reason=reason)
        acting.cancel_document(row, reason=reason)
        return None

    def reprocess_one(self, acting: Acting, row: Document, stage: str, reason: str) -> Reprocessing:
        return acting.reprocess_document(row, from_stage=stage or Stage.UPLOADING.value, reason=reason)

    def about(self, verb: str, ids: Sequence[int]) -> list[tuple[str, str]]:
        documents = (ngettext("document", "documents", len(ids)), f"{len(ids):,}")
        if verb == "cancel":
            return [documents]
        sums = Document.objects.filter(pk__in=ids).aggregate(chunks=Sum("chunk_count"), bytes=Sum("blob__size"))
        chunks = sums["chunks"] or 0
        stored = (gettext("stored bytes, if nothing else has them"), filesizeformat(sums["bytes"] or 0))
        return [documents, (ngettext("piece of text", "pieces of text", chunks), f"{chunks:,}"), stored]

    def beside(self, request: HttpRequest, row: Document) -> dict[str, Any]:
        file = _file(row)
        found = happening.of_file(request, file) if file is not None else {"timeline": []}
        return {"title": row.title, "nothing_happened": _("Nothing is known: its file is gone."), **found}

    def stored(self, row: Document) -> tuple[Blob | None, str, str]:
        file = _file(row)
        return row.blob, file.safe_name if file is not None else row.title, row.type

    @admin.display(description=_("title"))
    def named(self, row: Document) -> Display:
        return columns.text(row.title)

    @admin.display(description=_("error code"))
    def error_code(self, row: Document) -> Display:
        file = _file(row)
        return file.error_code if file is not None else ""

    @admin.display(description=_("what failed"))
    def what_failed(self, row: Document) -> Display:
        file = _file(row)
        return columns.text(file.error_message if file is not None else "")

    @admin.display(description=_("next step"))
    def next_step(self, row: Document) -> Display:
        file = _file(row)
        known = file is not None and file.error_code
        return columns.text((file.hint or hint_for(file.error_code)) if file is not None and known else "")

    @admin.display(description=_("intake"))
    def intake_link(self, row: Document) -> Display:
        file = _file(row)
        return link("intake", file.intake_id, str(file.intake)) if file is not None else columns.NOTHING

    @admin.display(description=_("source file"))
    def file_link(self, row: Document) -> Display:
        file = _file(row)
        return link("ingestfile", file.pk, file.source_path) if file is not None else columns.NOTHING

    @admin.display(description=_("item"))
    def item(self, row: Document) -> Display:
        file = _file(row)
        return columns.item_link(file.item_id if file is not None else None)

    @admin.display(description=_("size"))
    def bytes(self, row: Document) -> Display:
        return filesizeformat(row.blob.size)

    @admin.display(description=_("text"))
    def text(self, row: Document) -> Display:
        """Where its text is, how much, and who took it."""
        if not row.text_status:
            return gettext("not read yet: search does not find it")
        if not row.searchable:
            return gettext("none was found: search does not find it")
        chunks = ngettext("%(n)s piece", "%(n)s pieces", row.chunk_count) % {"n": f"{row.chunk_count:,}"}
        told = {"length": f"{row.text_length:,}", "chunks": chunks, "extractor": row.extractor or "?"}
        told["version"] = str(row.extractor_version or "?")
        return columns.text(
            gettext("%(length)s characters in %(chunks)s in the search index, taken by %(extractor)s %(version)s")
            % told
        )

    @admin.display(description=_("why no text"))
    def why_no_text(self, row: Document) -> Display:
        return row.get_text_reason_display()

    @admin.display(description=_("stored bytes"))
    def stored_bytes(self, row: Document) -> Display:
        return stored_as(row.blob)

    @admin.display(description=_("SHA-256"))
    def sha256(self, row: Document) -> Display:
        return columns.text(row.blob.sha256)

    @admin.display(description=_("knowledge store"))
    def knowledge(self, row: Document) -> Display:
        """Whether the knowledge store has it."""
        name = reading.store_name()
        if name == "?":
            return gettext("its settings name none that there is")
        store = get_store()
        if not store.keeps_copies:
            return gettext("this database: the text above is all it has")
        if reference := known_to(store, row.km_ref):
            return columns.text(gettext("%(store)s has it as %(ref)s") % {"store": name, "ref": reference})
        return columns.text(gettext("%(store)s does not have it yet") % {"store": name})

    @admin.display(description=_("knowledge store calls"))
    def km_calls(self, row: Document) -> Display:
        return format_html('<a href="{}?q={}">{}</a>', reverse("admin:ingestion_kmcall_changelist"), row.pk, _("show"))

    @admin.display(description=_("warnings"))
    def said_while_read(self, row: Document) -> Display:
        return columns.as_json(row.warnings) if row.warnings else columns.NOTHING

    @admin.display(description=_("created"))
    def created(self, row: Document) -> Display:
        return columns.ago(row.created_at)

    @admin.display(description=_("indexed"))
    def indexed(self, row: Document) -> Display:
        return columns.ago(row.indexed_at)

    @admin.action(description=_("Retry what has failed …"), permissions=["act"])
    def retry(self, request: HttpRequest, queryset: QuerySet[Document]) -> HttpResponse | None:
        return self.ask_about(request, outcome=Outcome.FAILED.value)

    @admin.action(description=_("Reprocess …"), permissions=["act"])
    def reprocess(self, request: HttpRequest, queryset: QuerySet[Document]) -> HttpResponse | None:
        return self.ask_about(request)

    @admin.action(description=_("Cancel …"), permissions=["act"])
    def cancel(self, request: HttpRequest, queryset: QuerySet[Document]) -> HttpResponse | None:
        return self.act_on_chosen(request, "cancel")

    @admin.action(description=_("Delete …"), permissions=["remove"])
    def delete(self, request: HttpRequest, queryset: QuerySet[Document]) -> HttpResponse | None:
        return self.act_on_chosen(request, "delete")


def _file(row: Document) -> IngestFile | None:
    """The file that the document was made of."""
    found: IngestFile | None = getattr(row, "file", None)
    return found
