"""Blob, Document and Chunk: the stored bytes, the logical document and its searchable text."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from ingestion.models.choices import TextReason, TextStatus

PENDING_KB = 256
"""What may wait to be sorted into the index of chunks; PostgreSQL's own 4,096 kB would cost each search too much."""


class Blob(models.Model):
    """Stored bytes, found by their sha256 and shared by everything that has the same content."""

    id = models.BigAutoField(primary_key=True)
    sha256 = models.CharField(_("sha256"), max_length=64, unique=True)
    size = models.BigIntegerField(_("size"))
    storage_key = models.CharField(_("storage key"), max_length=255)
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("stored file")
        verbose_name_plural = _("stored files")

    def __str__(self) -> str:
        return self.sha256[:12]


class Document(models.Model):
    """A document of one owner. How its processing goes stands on its file (`document.file`).

    `receipt_sha256` is the receipt: set in the transaction that completed the document and at no other time, unique
    within the owner. A content counts as known by it alone, so a failed document never hides a later upload.
    What search answers is described here and changes only together with the chunks.
    """

    id = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="documents",
        db_index=False,
        verbose_name=_("owner"),
    )
    title = models.CharField(_("title"), max_length=255)
    blob = models.ForeignKey(Blob, on_delete=models.PROTECT, related_name="documents", verbose_name=_("stored file"))
    receipt_sha256 = models.CharField(_("receipt"), max_length=64, null=True, blank=True, editable=False)
    tags = ArrayField(models.CharField(max_length=64), verbose_name=_("tags"), default=list, blank=True)
    type = models.CharField(_("type"), max_length=32, blank=True, default="")
    content_type = models.CharField(_("content type"), max_length=127, blank=True, default="")
    text_status = models.CharField(_("text"), max_length=16, choices=TextStatus.choices, blank=True, default="")
    text_reason = models.CharField(_("why no text"), max_length=16, choices=TextReason.choices, blank=True, default="")
    text_note = models.CharField(_("note on the text"), max_length=255, blank=True, default="")
    text_length = models.BigIntegerField(_("characters"), default=0)
    page_count = models.IntegerField(_("pages"), null=True, blank=True)
    chunk_count = models.IntegerField(_("chunks"), default=0)
    extractor = models.CharField(_("extractor"), max_length=64, blank=True, default="")
    extractor_version = models.IntegerField(_("extractor version"), null=True, blank=True)
    warnings = models.JSONField(_("warnings"), default=list, blank=True)
    km_ref = models.CharField(_("reference in the knowledge store"), max_length=255, blank=True, default="")
    created_at = models.DateTimeField(_("created"), db_default=Now())
    indexed_at = models.DateTimeField(_("indexed"), null=True, blank=True)

    class Meta:
        verbose_name = _("document")
        verbose_name_plural = _("documents")
        permissions = [("view_content", "Can download the documents of everybody")]
        indexes = [
            models.Index("owner", "id", name="ingestion_document_owner"),
            # Whose text an older version of an extractor took: selecting.py.
            models.Index("extractor", "extractor_version", name="ingestion_document_extractor"),
        ]
        constraints = [
            models.UniqueConstraint("owner", "receipt_sha256", name="ingestion_document_receipt"),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def searchable(self) -> bool:
        """Whether search can find text of this document now."""
        return self.chunk_count > 0


class Chunk(models.Model):
    """A piece of a document's current text. A tsvector holds 1 MiB at most, so text is indexed by the piece.

    `facets` is what a search can be narrowed by (`search/facets.py`): in one index with the words, so that a narrow
    search reads little however common its words are.
    """

    id = models.BigAutoField(primary_key=True)
    document = models.ForeignKey(
        Document, on_delete=models.CASCADE, related_name="chunks", db_index=False, verbose_name=_("document")
    )
    index = models.IntegerField(_("index"))
    page = models.IntegerField(_("page"), null=True, blank=True)
    text = models.TextField(_("text"))
    facets = ArrayField(models.CharField(max_length=80), verbose_name=_("facets"), default=list)
    search_vector = SearchVectorField(_("search vector"))

    class Meta:
        verbose_name = _("chunk")
        verbose_name_plural = _("chunks")
        # Every search reads the whole list of what was not sorted into the index yet, so that list is kept short.
        indexes = [
            GinIndex("facets", "search_vector", name="ingestion_chunk_search", gin_pending_list_limit=PENDING_KB)
        ]
        constraints = [models.UniqueConstraint("document", "index", name="ingestion_chunk_once")]

    def __str__(self) -> str:
        return f"{self.document_id} / {self.index}"
