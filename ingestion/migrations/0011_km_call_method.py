from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ingestion", "0010_view_content"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="kmcall",
            index=models.Index("method", "started_at", name="ingestion_kmcall_method"),
        ),
    ]
