"use strict";

// Samples: map, plot and table as one. Scripts of other sections: `(await tybalt.ready).select([0, 3])`.
globalThis.tybalt ??= {};

const sampleShapes = {
  circle: [["circle", { cx: 6, cy: 6, r: 5 }]],
  triangle: [["path", { d: "M6 1 11 11 1 11Z" }]],
  square: [["path", { d: "M1 1H11V11H1Z" }]],
  diamond: [["path", { d: "M6 0 11 6 6 12 1 6Z" }]],
  inverted_triangle: [["path", { d: "M1 1H11L6 11Z" }]],
  plus: [["path", { d: "M4 0H8V4H12V8H8V12H4V8H0V4H4Z" }]],
  x: [["path", { d: "M2 0 6 4 10 0 12 2 8 6 12 10 10 12 6 8 2 12 0 10 4 6 0 2Z" }]],
  star: [["path", { d: "M6 0 7.6 4.2 12 4.4 8.6 7.2 9.8 11.6 6 9.1 2.2 11.6 3.4 7.2 0 4.4 4.4 4.2Z" }]],
};

function shapeOf({ color, marker }) {
  const picture = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  picture.setAttribute("viewBox", "0 0 12 12");
  picture.setAttribute("class", "shape");
  for (const [tag, attributes] of sampleShapes[marker]) {
    const part = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries({ ...attributes, fill: color })) part.setAttribute(name, value);
    picture.append(part);
  }
  return picture;
}

// A choice among columns, by group; what was chosen stays chosen.
function offerColumns(select, store, fallback) {
  const chosen = select.value || fallback;
  select.replaceChildren();
  for (const [group, columns] of byGroup(store.columns)) {
    const part = document.createElement("optgroup");
    part.label = group;
    part.append(...columns.map(({ key, title }) => new Option(title, key, false, key === chosen)));
    select.append(part);
  }
}

function byGroup(columns) {
  const groups = new Map();
  for (const column of columns) groups.set(column.group, [...(groups.get(column.group) ?? []), column]);
  return groups;
}

async function showSamples() {
  const store = await SampleStore.unpacked();
  tybalt.samples = store;
  const plots = await SamplePlots.embedded(store);
  const of = (id) => document.getElementById(id);
  const usual = store.label ?? "combined";
  const [view, color, across, up] = ["map-view", "color-by", "pair-across", "pair-up"].map(of);
  const legend = of("samples-legend");

  let groupOf = null;
  const pressed = () => {
    if (groupOf === null) return;
    const [all, chosen] = [new Map(), new Map()];
    for (const g of groupOf) all.set(g, (all.get(g) ?? 0) + 1);
    for (const i of store.selected) chosen.set(groupOf[i], (chosen.get(groupOf[i]) ?? 0) + 1);
    for (const button of legend.querySelectorAll("button")) {
      const g = Number(button.dataset.group);
      button.setAttribute("aria-pressed", String(all.get(g) === chosen.get(g)));
    }
  };
  const colour = () => {
    const column = store.column(color.value);
    const drawn = plots.colourBy(column);
    groupOf = drawn.groupOf ?? null;
    if (groupOf === null) legend.replaceChildren(...scaleOf(column, drawn));
    else {
      legend.replaceChildren(
        ...drawn.groups.map((group, g) => {
          const button = document.createElement("button");
          button.type = "button";
          button.dataset.group = g;
          button.title = group.label;
          const name = document.createElement("span");
          name.textContent = `${group.label} (${group.n.toLocaleString("en")})`;
          button.append(shapeOf(group), name);
          return button;
        }),
      );
    }
    if (store.points.length) legend.append(shapeOf({ color: "#d55e00", marker: "star" }), `new samples (${store.points.length})`);
    pressed();
  };
  const pair = () => plots.showPair(store.column(across.value), store.column(up.value));
  const offer = () => {
    offerColumns(color, store, usual);
    offerColumns(across, store, "combined");
    offerColumns(up, store, usual === "combined" ? "flagged" : usual);
  };
  legend.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const members = store.names.map((_, i) => i).filter((i) => groupOf[i] === Number(button.dataset.group));
    const selected = new Set(store.selected);
    const leave = button.getAttribute("aria-pressed") === "true";
    for (const i of members) leave ? selected.delete(i) : selected.add(i);
    store.select(selected, "legend");
  });

  offer();
  plots.start();
  if (view) plots.showView(view.value);
  colour();
  pair();
  view?.addEventListener("change", () => plots.showView(view.value));
  color.addEventListener("change", colour);
  across.addEventListener("change", pair);
  up.addEventListener("change", pair);
  store.on("select", pressed);
  store.on("columns", (key) => {
    offer();
    if (color.value === key) colour();
    if ([across.value, up.value].includes(key)) pair();
    offerChecks();
  });
  store.on("points", () => {
    if (view) plots.showView(view.value);
    colour();
  });

  const [shown, count, only, clear, save, all, search, columns, find] = [
    ...["samples-shown", "samples-selected", "selected-only", "select-none", "save-samples", "select-shown"],
    ...["samples-search", "samples-columns", "find-column"],
  ].map(of);
  const table = new SampleTable(store, of("samples-table"));
  const told = () => {
    const [n, chosen] = [store.names.length.toLocaleString("en"), store.selected.length];
    const hidden = table.hidden ? `; ${table.hidden.toLocaleString("en")} selected ones are filtered out` : "";
    shown.textContent = `${table.rows.length.toLocaleString("en")} of ${n} in the table${hidden}`;
    count.textContent = chosen ? `${chosen.toLocaleString("en")} of ${n} selected` : "none selected";
    only.checked = table.selectedOnly;
    only.disabled = clear.disabled = chosen === 0;
    save.textContent = chosen ? `Save the ${chosen.toLocaleString("en")} selected as TSV` : `Save the ${table.rows.length.toLocaleString("en")} in the table as TSV`;
  };
  table.onChange = told;
  only.addEventListener("change", () => (table.selectedOnly = only.checked));
  clear.addEventListener("click", () => store.select([]));
  all.addEventListener("click", () => store.select(table.rows, "table"));
  search.addEventListener("input", () => table.search(search.value));
  save.addEventListener("click", () => {
    const rows = store.selected.length ? store.selected : table.rows;
    const link = document.createElement("a");
    link.download = "samples.tsv";
    link.href = URL.createObjectURL(new Blob([store.tsv(rows, table.keys)], { type: "text/tab-separated-values" }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  });

  const offerChecks = () => {
    const wanted = find.value.trim().toLowerCase();
    const parts = [];
    for (const [group, members] of byGroup(store.columns)) {
      const matching = members.filter(({ title }) => title.toLowerCase().includes(wanted));
      if (!matching.length) continue;
      const set = document.createElement("fieldset");
      const legendOf = document.createElement("legend");
      legendOf.textContent = group;
      set.append(legendOf, ...matching.map(check));
      parts.push(set);
    }
    columns.replaceChildren(...parts);
  };
  const check = ({ key, title }) => {
    const [label, box] = [document.createElement("label"), document.createElement("input")];
    box.type = "checkbox";
    box.checked = table.keys.includes(key);
    box.addEventListener("change", () => {
      table.showColumns(box.checked ? [...table.keys, key] : table.keys.filter((one) => one !== key));
    });
    label.append(box, ` ${title}`);
    return label;
  };
  find.addEventListener("input", offerChecks);
  columns.closest("details").addEventListener("toggle", offerChecks);
  told();

  // Genes and samples that other sections name: press to see them on the map.
  const see = () => of("samples").scrollIntoView();
  const numberOf = new Map(store.names.map((name, i) => [name, i]));
  const link = (part) => {
    for (const named of part.querySelectorAll("[data-gene]:not(:has(button))")) {
      if (!store.column(`gene ${named.dataset.gene}`)) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.title = "Colour the map by this gene";
      button.append(...named.childNodes);
      named.append(button);
      button.addEventListener("click", () => {
        color.value = `gene ${named.dataset.gene}`;
        colour();
        see();
      });
    }
    for (const button of part.querySelectorAll("button[data-sample]")) {
      button.hidden = !numberOf.has(button.dataset.sample);
      button.onclick = () => {
        store.select([numberOf.get(button.dataset.sample)]);
        see();
      };
    }
  };
  link(document);
  document.addEventListener("shown", (event) => link(event.target));

  const still = of("samples-figures");
  if (still) {
    still.open = false;
    addEventListener("beforeprint", () => (still.open = true));
  }
  of("samples").dataset.ready = "true";
  return store;
}

// From dark to bright, in the unit of the column.
function scaleOf(column, { low, high }) {
  const [from, bar, to, name] = ["span", "span", "span", "span"].map((tag) => document.createElement(tag));
  from.textContent = `≤ ${shownNumber(low, column)}`;
  bar.className = "gradient";
  bar.setAttribute("role", "img");
  bar.setAttribute("aria-label", "from dark blue, low, to yellow, high");
  to.textContent = `≥ ${shownNumber(high, column)}`;
  name.textContent = column.unit ? `${column.title} (${column.unit})` : column.title;
  return [from, bar, to, name];
}

tybalt.ready = showSamples();
