from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("docqueue", "0010_rules_of_admission"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="queueitem",
            index=models.Index(
                models.F("queue"),
                models.F("next_retry_at"),
                models.F("id"),
                condition=models.Q(("status", "waiting"), ("wait_reason", "retry")),
                name="docqueue_item_retries",
            ),
        ),
    ]
