"""The tests' settings with a store that gets stuck, and formats that do, or worse."""

from tests.settings import *  # noqa: F403
from tests.settings import INGESTION

INGESTION = {
    **INGESTION,
    "FORMATS": ["tests.ingestion.stuck.STUCK", "tests.ingestion.stuck.POISON"],
    "KM": "tests.ingestion.stuck.StuckKM",
}
