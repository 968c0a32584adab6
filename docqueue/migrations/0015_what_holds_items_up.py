# Who paused a queue; the open breakers by an index; the place of an item under its concurrency key in the list of all items.

from django.db import migrations, models

from docqueue.migrations import _schema_0015 as schema


class Migration(migrations.Migration):
    dependencies = [
        ("docqueue", "0014_schedule_errors"),
    ]

    operations = [
        migrations.AddField(
            model_name="queue",
            name="paused_by",
            field=models.CharField(blank=True, db_default="", default="", max_length=255, verbose_name="paused by"),
        ),
        migrations.AddIndex(
            model_name="limit",
            index=models.Index(
                models.F("key"), condition=models.Q(("opened_at__isnull", False)), name="docqueue_limit_open"
            ),
        ),
        migrations.RunSQL(schema.ANY_ITEM, schema.ANY_ITEM_REVERSE),
    ]
