// Files as people give them: from an input, a folder, or dropped. Each with the path that it has in its folder.

const MOST = 20000; // beyond that somebody has dropped a whole disk
const JUNK = new Set([".ds_store", "thumbs.db", "ehthumbs.db", "desktop.ini"]);

// What an operating system leaves behind; the server skips the same in archives.
export function isJunk(path) {
  const parts = path.split("/");
  const last = parts[parts.length - 1];
  return parts.includes("__MACOSX") || JUNK.has(last.toLowerCase()) || last.startsWith("._");
}

export function fromInput(input) {
  const chosen = [...input.files].map((file) => ({ file, path: file.webkitRelativePath || file.name }));
  return chosen;
}

// The entries must be taken from the event at once: they are gone after the first pause.
export async function fromDrop(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  const entries = items.map((item) => (item.webkitGetAsEntry ? item.webkitGetAsEntry() : null));
  const files = items.map((item) => item.getAsFile());
  const found = [];
  for (let n = 0; n < items.length; n += 1) {
    if (entries[n]) await walk(entries[n], "", found);
    else if (files[n]) found.push({ file: files[n], path: files[n].name });
  }
  return found;
}

async function walk(entry, folder, found) {
  if (found.length >= MOST) return;
  if (entry.isFile) {
    const file = await new Promise((done, failed) => entry.file(done, failed));
    found.push({ file, path: folder + file.name });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((done, failed) => reader.readEntries(done, failed)); // 100 at a time
    if (!some.length) return;
    for (const one of some) await walk(one, `${folder}${entry.name}/`, found);
  }
}

// One file in one state: what makes choosing it again the same wish.
export const printOf = ({ file, path }) => `${path}\u0000${file.size}\u0000${file.lastModified}`;
