from django.db import migrations, models

# Documents from before: their sentence tells which reason it was.
FILL = """
update ingestion_document set text_reason = case when text_note like '%(OCR)%' then 'needs_ocr' else 'empty' end
    where text_status = 'no_text';
"""


class Migration(migrations.Migration):
    dependencies = [
        ("ingestion", "0006_search_and_deletion"),
    ]

    operations = [
        migrations.AddField(
            model_name="document",
            name="text_reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("empty", "nothing is written in it"),
                    ("needs_ocr", "its pages are pictures or drawings: text recognition (OCR) is needed"),
                    ("not_recognised", "text recognition (OCR) saw nothing on its pages"),
                ],
                default="",
                max_length=16,
                verbose_name="why no text",
            ),
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
    ]
