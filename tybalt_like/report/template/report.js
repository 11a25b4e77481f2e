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

// Map: which picture, which colours, which labels, and a search that enlarges what it finds.
async function showMap(data) {
  await Bokeh.embed.embed_item(JSON.parse(data.textContent), "map-plot");
  const page = Bokeh.documents.at(-1);
  const source = page.get_model_by_name("samples").data_source;
  const [plot] = page.roots();
  const all = source.data;
  const [view, color, find] = ["map-view", "map-color", "map-find"].map((id) => document.getElementById(id));
  const labels = document.getElementById("map-labels");
  const hidden = new Set();

  const update = () => {
    const byLabel = color.value === "label_color";
    labels.hidden = !byLabel;
    document.getElementById("map-scale").hidden = byLabel;
    const sought = find.value.trim().toLowerCase();
    const found = all.sample.map((name) => sought !== "" && name.toLowerCase().includes(sought));
    const alpha = sought === "" ? 0.85 : 0.15;
    source.data = {
      ...all,
      x: all[`${view.value}_1`],
      y: all[`${view.value}_2`],
      color: all[color.value],
      alpha: all.label.map((label, i) => (found[i] ? 1 : hidden.has(label) ? 0 : alpha)),
      size: Array.from(all.size, (size, i) => (found[i] ? 2 * size : size)),
    };
  };
  view.addEventListener("change", () => {
    update();
    plot.x_range.reset();
    plot.y_range.reset();
  });
  color.addEventListener("change", update);
  find.addEventListener("input", update);
  labels.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const { label } = button.dataset;
    if (!hidden.delete(label)) hidden.add(label);
    button.setAttribute("aria-pressed", String(!hidden.has(label)));
    update();
  });
  update();
}

for (const element of document.querySelectorAll("[data-needs-script]")) element.hidden = false;
const table = document.getElementById("sample-table");
for (const one of document.querySelectorAll("table.sortable")) sortable(one);
if (table) searchable(table, ...["search", "only-flagged", "shown"].map((id) => document.getElementById(id)));
const mapData = document.getElementById("map-data");
if (mapData) showMap(mapData);
