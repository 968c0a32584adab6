from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("docqueue", "0017_failures_by_cause"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="queueitem",
            index=models.Index(
                models.F("batch_id"),
                condition=models.Q(("batch_id__isnull", False), ("status", "dead")),
                name="docqueue_item_batch_dead",
            ),
        ),
        migrations.AddIndex(
            model_name="queueitem",
            index=models.Index(
                models.F("document_id"),
                condition=models.Q(
                    models.Q(("wait_reason__isnull", False), ("status", "dead"), _connector="OR"),
                    ("document_id__isnull", False),
                ),
                name="docqueue_item_document",
            ),
        ),
    ]
