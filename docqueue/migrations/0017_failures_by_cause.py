# Dead letters by their cause, and how long they were dead when somebody saw to them.

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("docqueue", "0016_item_cancelling"),
    ]

    operations = [
        migrations.CreateModel(
            name="FailureGroup",
            fields=[
                (
                    "fingerprint",
                    models.CharField(max_length=32, primary_key=True, serialize=False, verbose_name="fingerprint"),
                ),
                ("queue", models.CharField(max_length=64, verbose_name="queue")),
                ("operation", models.CharField(max_length=200, verbose_name="operation")),
                ("error_code", models.CharField(max_length=100, verbose_name="code")),
                ("error_message", models.TextField(verbose_name="message")),
                ("sample_id", models.BigIntegerField(verbose_name="sample")),
                ("number", models.BigIntegerField(verbose_name="dead items")),
                ("first_at", models.DateTimeField(verbose_name="first died")),
                ("last_at", models.DateTimeField(verbose_name="last died")),
                ("hours", models.JSONField(default=list, verbose_name="by hour")),
                ("counted_at", models.DateTimeField(verbose_name="counted")),
                ("acknowledged_at", models.DateTimeField(null=True, verbose_name="acknowledged")),
                (
                    "acknowledged_by",
                    models.CharField(db_default="", default="", max_length=255, verbose_name="acknowledged by"),
                ),
                ("note", models.CharField(db_default="", default="", max_length=1000, verbose_name="note")),
            ],
            options={
                "verbose_name": "failure",
                "verbose_name_plural": "failures",
                "db_table": "docqueue_failure",
                "permissions": [("acknowledge_failure", "Can acknowledge failures")],
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="Resolution",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField(verbose_name="at")),
                ("seconds", models.FloatField(verbose_name="seconds")),
                ("number", models.BigIntegerField(verbose_name="items")),
            ],
            options={
                "db_table": "docqueue_resolution",
                "default_permissions": (),
            },
        ),
        migrations.AddIndex(
            model_name="queueitem",
            index=models.Index(
                models.F("fingerprint"),
                models.F("died_at"),
                models.F("id"),
                condition=models.Q(("status", "dead"), ("id__gt", 0)),
                name="docqueue_item_failure",
            ),
        ),
        migrations.AddIndex(
            model_name="failuregroup",
            index=models.Index(
                models.F("last_at"),
                models.F("fingerprint"),
                condition=models.Q(("number__gt", 0)),
                name="docqueue_failure_latest",
            ),
        ),
        migrations.AddIndex(
            model_name="resolution",
            index=models.Index(models.F("at"), name="docqueue_resolution_at"),
        ),
    ]
