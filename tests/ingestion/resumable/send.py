"""Sends one file with tuspy, and goes on where an earlier run of it was killed.

`python -m tests.ingestion.resumable.send ENDPOINT TOKEN FILE STATE CHUNK_BYTES`
"""

from __future__ import annotations

import sys

from tusclient.client import TusClient
from tusclient.storage.filestorage import FileStorage


def main(endpoint: str, token: str, path: str, state: str, chunk_bytes: str) -> None:
    uploader = TusClient(endpoint, headers={"Authorization": f"Token {token}"}).uploader(
        path,
        chunk_size=int(chunk_bytes),
        metadata={"filename": "big.bin"},
        store_url=True,
        url_storage=FileStorage(state),
        retries=60,
        retry_delay=0.5,
    )
    uploader.upload()
    print("intake", uploader.request.response_headers["docqueue-intake"])


if __name__ == "__main__":
    main(*sys.argv[1:])
