"""The Django project around docqueue and ingestion."""
