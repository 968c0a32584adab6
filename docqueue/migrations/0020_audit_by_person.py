# What a person did, for the audit's search. Items have no part in it: it costs no enqueue, claim or finish anything.

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("docqueue", "0019_overview_and_asks"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(models.F("actor"), models.F("id"), name="docqueue_audit_actor"),
        ),
    ]
