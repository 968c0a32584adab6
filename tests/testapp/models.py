from django.db import models


class Effect(models.Model):
    """One database effect of a handler: what must happen exactly once."""

    item_id = models.BigIntegerField()
    attempt = models.IntegerField()
    note = models.CharField(max_length=100, default="")

    class Meta:
        app_label = "testapp"

    def __str__(self):
        return f"{self.item_id}, attempt {self.attempt}"
