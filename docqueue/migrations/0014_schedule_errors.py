from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("docqueue", "0013_cheap_conditions"),
    ]

    operations = [
        migrations.AddField(
            model_name="schedule",
            name="last_error",
            field=models.CharField(blank=True, max_length=500, null=True, verbose_name="last error"),
        ),
        migrations.AddField(
            model_name="schedule",
            name="last_error_at",
            field=models.DateTimeField(blank=True, null=True, verbose_name="failing since"),
        ),
    ]
