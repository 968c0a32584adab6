from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ingestion", "0007_text_reason"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="intake",
            index=models.Index(
                "finished_at",
                "id",
                condition=models.Q(("blob__isnull", False), ("finished_at__isnull", False)),
                name="ingestion_intake_archive",
            ),
        ),
    ]
