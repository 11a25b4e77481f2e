"use strict";

// Sample table: sort by a column, search, show flagged only.
function sortable(table) {
  const body = table.tBodies[0];
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const direction = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", direction);
      const sign = direction === "ascending" ? 1 : -1;
      const rows = [...body.rows].map((row) => [key(row.cells[column]), row]);
      rows.sort(([a], [b]) => compare(a, b, sign));
      body.append(...rows.map(([, row]) => row));
    });
  });
}

function key(cell) {
  return "value" in cell.dataset ? Number(cell.dataset.value) : cell.textContent;
}

// Missing numbers stay at the end, whatever the direction.
function compare(a, b, sign) {
  if (typeof a === "string") return sign * a.localeCompare(b, undefined, { numeric: true });
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
  return sign * (a - b);
}

function searchable(table, search, onlyFlagged, shown) {
  const rows = [...table.tBodies[0].rows].map((row) => [row, row.textContent.toLowerCase()]);
  const update = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let n = 0;
    for (const [row, text] of rows) {
      const wanted = !onlyFlagged?.checked || row.classList.contains("flagged");
      row.hidden = !(wanted && words.every((word) => text.includes(word)));
      n += !row.hidden;
    }
    shown.textContent = `${n} of ${rows.length} shown`;
  };
  search.addEventListener("input", update);
  onlyFlagged?.addEventListener("change", update);
  update();
}

function bytesOf(base64) {
  const text = atob(base64), bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

// What a packed element holds: gzip in base64.
async function unpackedBytes(id) {
  const plain = new Blob([bytesOf(document.getElementById(id).textContent)]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(plain).arrayBuffer();
}

async function unpacked(id) {
  return new TextDecoder().decode(await unpackedBytes(id));
}

// A button that copies the text of some elements, or selects it where that is not allowed.
async function copyText(button) {
  const parts = button.dataset.copy.split(" ").map((id) => document.getElementById(id)).filter(Boolean);
  try {
    await navigator.clipboard.writeText(parts.map((part) => part.innerText).join("\n\n"));
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(parts[0]);
  }
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", () => copyText(button));
}
for (const element of document.querySelectorAll("[data-needs-script]")) element.hidden = false;
const table = document.getElementById("sample-table");
for (const one of document.querySelectorAll("table.sortable")) sortable(one);
if (table) searchable(table, ...["search", "only-flagged", "shown"].map((id) => document.getElementById(id)));
