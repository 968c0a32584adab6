from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("docqueue", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="DeadItem",
            fields=[],
            options={
                "verbose_name": "dead letter",
                "verbose_name_plural": "dead letters",
                "proxy": True,
                "default_permissions": (),
                "indexes": [],
                "constraints": [],
            },
            bases=("docqueue.queueitem",),
        ),
    ]
