# A claim has the condition of each partial index and of the trigger evaluated for each item that it takes. Begun with what
# is null of most items, or with the move that it makes, they cost it next to nothing.

from django.db import migrations, models

MOVES = """
drop trigger docqueue_item_legal_moves on docqueue_item;
create trigger docqueue_item_legal_moves after update of status on docqueue_item for each row
when (OLD.status <> NEW.status AND (OLD.status, NEW.status) NOT IN ({moves}))
execute function docqueue_refuse_transition();
"""
CLAIM = "('pending', 'in_progress')"
BEFORE_IT = "('dead', 'pending'), ('dead', 'waiting'), ('in_progress', 'dead'), ('in_progress', 'pending'), ('in_progress', 'waiting')"
BEHIND_IT = "('waiting', 'in_progress'), ('waiting', 'pending')"


class Migration(migrations.Migration):
    dependencies = [
        ("docqueue", "0012_item_counts"),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name="historyitem",
            name="docqueue_history_answers",
        ),
        migrations.RemoveIndex(
            model_name="queueitem",
            name="docqueue_item_returned",
        ),
        migrations.RemoveIndex(
            model_name="queueitem",
            name="docqueue_item_line",
        ),
        migrations.RemoveIndex(
            model_name="queueitem",
            name="docqueue_item_due",
        ),
        migrations.RemoveIndex(
            model_name="queueitem",
            name="docqueue_item_slot_line",
        ),
        migrations.RemoveIndex(
            model_name="queueitem",
            name="docqueue_item_limited",
        ),
        migrations.RemoveIndex(
            model_name="queueitem",
            name="docqueue_item_tenant_line",
        ),
        migrations.RemoveIndex(
            model_name="queueitem",
            name="docqueue_item_tenant_lane",
        ),
        migrations.RemoveIndex(
            model_name="queueitem",
            name="docqueue_item_retries",
        ),
        migrations.RemoveIndex(
            model_name="queueitem",
            name="docqueue_item_aside",
        ),
        migrations.AddIndex(
            model_name="historyitem",
            index=models.Index(
                models.F("operation"),
                models.F("unique_key"),
                models.F("finished_at"),
                condition=models.Q(("unique_key__isnull", False), ("status", "completed")),
                name="docqueue_history_answers",
            ),
        ),
        migrations.AddIndex(
            model_name="queueitem",
            index=models.Index(
                models.F("queue"),
                models.OrderBy(models.F("priority"), descending=True),
                models.F("position"),
                condition=models.Q(("returned", True), ("status", "pending")),
                name="docqueue_item_returned",
            ),
        ),
        migrations.AddIndex(
            model_name="queueitem",
            index=models.Index(
                models.F("next_retry_at"),
                models.F("id"),
                condition=models.Q(
                    ("wait_reason__in", ("delayed", "retry", "snoozed", "no_handler", "unwell")), ("status", "waiting")
                ),
                name="docqueue_item_due",
            ),
        ),
        migrations.AddIndex(
            model_name="queueitem",
            index=models.Index(
                models.F("queue"),
                models.F("next_retry_at"),
                models.F("id"),
                condition=models.Q(("wait_reason", "retry"), ("status", "waiting")),
                name="docqueue_item_retries",
            ),
        ),
        migrations.AddIndex(
            model_name="queueitem",
            index=models.Index(
                models.F("ordering_key"),
                models.F("id"),
                condition=models.Q(("wait_reason", "ordering"), ("status", "waiting")),
                name="docqueue_item_line",
            ),
        ),
        migrations.AddIndex(
            model_name="queueitem",
            index=models.Index(
                models.F("slot_key"),
                models.OrderBy(models.F("priority"), descending=True),
                models.F("id"),
                condition=models.Q(("wait_reason", "concurrency"), ("status", "waiting")),
                name="docqueue_item_slot_line",
            ),
        ),
        migrations.AddIndex(
            model_name="queueitem",
            index=models.Index(
                models.F("queue"),
                models.F("limit_key"),
                models.OrderBy(models.F("priority"), descending=True),
                models.F("id"),
                condition=models.Q(("wait_reason", "limited"), ("status", "waiting")),
                name="docqueue_item_limited",
            ),
        ),
        migrations.AddIndex(
            model_name="queueitem",
            index=models.Index(
                models.F("queue"),
                models.F("priority"),
                models.F("tenant"),
                models.F("id"),
                condition=models.Q(("wait_reason", "fair_share"), ("status", "waiting")),
                name="docqueue_item_tenant_line",
            ),
        ),
        migrations.AddIndex(
            model_name="queueitem",
            index=models.Index(
                models.F("queue"),
                models.F("priority"),
                models.F("tenant"),
                condition=models.Q(("tenant__isnull", False), ("status", "pending")),
                name="docqueue_item_tenant_lane",
            ),
        ),
        migrations.AddIndex(
            model_name="queueitem",
            index=models.Index(
                models.F("queue"),
                models.F("status"),
                models.F("wait_reason"),
                condition=models.Q(
                    models.Q(("wait_reason__isnull", False), ("status", "dead"), _connector="OR"), ("id__gt", 0)
                ),
                name="docqueue_item_aside",
            ),
        ),
        migrations.RunSQL(
            MOVES.format(moves=f"{CLAIM}, {BEFORE_IT}, {BEHIND_IT}"),
            MOVES.format(moves=f"{BEFORE_IT}, {CLAIM}, {BEHIND_IT}"),
        ),
    ]
