from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ingestion", "0004_items_lost_reopened"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="document",
            index=models.Index("extractor", "extractor_version", name="ingestion_document_extractor"),
        ),
        migrations.AddIndex(
            model_name="ingestfile",
            index=models.Index(
                "error_code", "id", condition=models.Q(("outcome", "failed")), name="ingestion_file_failed"
            ),
        ),
    ]
