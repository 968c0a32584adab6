# A trigger before an update has each row locked and read once more, also where there is nothing to refuse.

from django.db import migrations

MOVES = """
drop trigger docqueue_item_legal_moves on docqueue_item;
create trigger docqueue_item_legal_moves {when} update of status on docqueue_item for each row
when (OLD.status <> NEW.status AND (OLD.status, NEW.status) NOT IN (
    ('dead', 'pending'), ('dead', 'waiting'),
    ('in_progress', 'dead'), ('in_progress', 'pending'), ('in_progress', 'waiting'),
    ('pending', 'in_progress'),
    ('waiting', 'in_progress'), ('waiting', 'pending')))
execute function docqueue_refuse_transition();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("docqueue", "0005_lane_fronts"),
    ]

    operations = [migrations.RunSQL(MOVES.format(when="after"), MOVES.format(when="before"))]
