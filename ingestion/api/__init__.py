"""The HTTP face of ingestion: uploads, their progress, documents and search, under /api/v1/."""
