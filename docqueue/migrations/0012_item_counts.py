from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("docqueue", "0011_item_retries"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="queueitem",
            index=models.Index(
                models.F("queue"),
                models.F("status"),
                models.F("wait_reason"),
                condition=models.Q(("id__gt", 0), ("status__in", ["waiting", "dead"])),
                name="docqueue_item_aside",
            ),
        ),
    ]
