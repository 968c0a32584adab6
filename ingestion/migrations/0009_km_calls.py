import django.contrib.postgres.fields
import django.contrib.postgres.indexes
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ingestion", "0008_archives_kept"),
    ]

    operations = [
        migrations.CreateModel(
            name="KmCall",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("started_at", models.DateTimeField(verbose_name="started")),
                ("method", models.CharField(max_length=32, verbose_name="method")),
                ("attempt", models.SmallIntegerField(default=1, verbose_name="attempt")),
                ("status", models.SmallIntegerField(blank=True, null=True, verbose_name="HTTP status")),
                ("code", models.CharField(blank=True, default="", max_length=100, verbose_name="error code")),
                (
                    "document_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.BigIntegerField(),
                        blank=True,
                        default=list,
                        size=None,
                        verbose_name="documents",
                    ),
                ),
                ("bytes_sent", models.BigIntegerField(default=0, verbose_name="bytes sent")),
                (
                    "queue_wait_seconds",
                    models.FloatField(blank=True, null=True, verbose_name="wait for a connection, s"),
                ),
                ("connect_seconds", models.FloatField(blank=True, null=True, verbose_name="connect, s")),
                ("send_seconds", models.FloatField(blank=True, null=True, verbose_name="send, s")),
                ("first_byte_seconds", models.FloatField(blank=True, null=True, verbose_name="first byte, s")),
                ("total_seconds", models.FloatField(verbose_name="total, s")),
            ],
            options={
                "verbose_name": "knowledge store call",
                "verbose_name_plural": "knowledge store calls",
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(models.F("started_at"), name="ingestion_kmcall_started"),
                    django.contrib.postgres.indexes.GinIndex(
                        models.F("document_ids"), name="ingestion_kmcall_documents"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="KmTotal",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("method", models.CharField(max_length=32)),
                ("code", models.CharField(max_length=100)),
                ("phase", models.CharField(max_length=32)),
                ("bucket", models.SmallIntegerField()),
                ("calls", models.BigIntegerField()),
                ("seconds", models.FloatField()),
                ("bytes_sent", models.BigIntegerField()),
            ],
            options={
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        models.F("method"),
                        models.F("code"),
                        models.F("phase"),
                        models.F("bucket"),
                        name="ingestion_kmtotal_once",
                    )
                ],
            },
        ),
    ]
