# The page of everything at a glance, and what people may ask of a worker.

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("docqueue", "0018_lists_of_items"),
    ]

    operations = [
        migrations.CreateModel(
            name="Overview",
            fields=[],
            options={
                "verbose_name": "overview",
                "verbose_name_plural": "overview",
                "proxy": True,
                "default_permissions": (),
                "indexes": [],
                "constraints": [],
            },
            bases=("docqueue.queue",),
        ),
        migrations.AlterModelOptions(
            name="worker",
            options={
                "permissions": [("manage_workers", "Can quiet and stop workers")],
                "verbose_name": "worker",
                "verbose_name_plural": "workers",
            },
        ),
        migrations.AddField(
            model_name="worker",
            name="asked",
            field=models.CharField(
                blank=True,
                choices=[("quiet", "to claim nothing new"), ("stop", "to finish what runs, and end")],
                max_length=8,
                null=True,
                verbose_name="asked",
            ),
        ),
        migrations.AddField(
            model_name="worker",
            name="asked_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="asked at"),
        ),
        migrations.AddField(
            model_name="worker",
            name="asked_by",
            field=models.CharField(blank=True, db_default="", default="", max_length=255, verbose_name="asked by"),
        ),
    ]
