// Sends one file with tus-js-client, and goes on where an earlier run of it was killed:
// node send.mjs ENDPOINT TOKEN FILE STATE CHUNK_BYTES
import { createReadStream, statSync } from "node:fs";
import * as tus from "tus-js-client";

const [endpoint, token, path, state, chunkSize] = process.argv.slice(2);
const upload = new tus.Upload(createReadStream(path), {
  endpoint,
  headers: { Authorization: `Token ${token}` },
  uploadSize: statSync(path).size,
  chunkSize: Number(chunkSize),
  metadata: { filename: "big.bin", filetype: "application/octet-stream" },
  urlStorage: new tus.FileUrlStorage(state),
  retryDelays: Array(60).fill(500),
  onAfterResponse: (_request, answer) => {
    if (answer.getHeader("Docqueue-Intake")) console.log(`intake ${answer.getHeader("Docqueue-Intake")}`);
  },
  onError: (error) => {
    console.error(String(error));
    process.exit(1);
  },
  onSuccess: () => process.exit(0),
});
const [earlier] = await upload.findPreviousUploads();
if (earlier) upload.resumeFromPreviousUpload(earlier);
upload.start();
