"""Documents' bytes in S3, or in what speaks its language. Needs boto3 (the extra `s3`), and imports it only when used.

`storage.py` is Django's storage, `options.py` what it can be told; `sending.py` and `reading.py` move bytes,
`errors.py` gives what goes wrong its names.
"""

from ingestion.s3.storage import S3Storage

__all__ = ["S3Storage"]
