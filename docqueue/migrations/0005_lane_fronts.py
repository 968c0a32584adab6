# Numbers that workers share without a lock and without row versions: how far the deepest lanes have been claimed.

from django.db import migrations

FRONTS = 16


class Migration(migrations.Migration):
    dependencies = [
        ("docqueue", "0004_history_document_partial"),
    ]

    operations = [
        migrations.RunSQL(f"create sequence docqueue_front_{n}", f"drop sequence docqueue_front_{n}")
        for n in range(FRONTS)
    ]
