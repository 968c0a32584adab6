# What has no document (much of what a queue does) needs no entry: that is one less for each item that finishes.

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("docqueue", "0003_worker_swept_at"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="historyitem",
            name="docqueue_history_document",
        ),
        migrations.AddIndex(
            model_name="historyitem",
            index=models.Index(
                models.F("document_id"),
                condition=models.Q(("document_id__isnull", False)),
                name="docqueue_history_document",
            ),
        ),
    ]
