"use strict";

// Rows on paper.
const PRINTED = 50;

// The table of samples: only the rows in sight are there, so that it holds any number of them.
class SampleTable {
  #store;
  #table;
  #box;
  #keys;
  #filters = new Map();
  #words = [];
  #sorted = { key: null, sign: 1 };
  #order;
  #rows;
  #selectedOnly = false;
  #sheets = Number(document.getElementById("sheet-holder")?.dataset.n ?? 0);
  #rowHeight = 34;
  #last = null;
  #texts;

  constructor(store, table) {
    this.#store = store;
    this.#table = table;
    this.#box = table.parentElement;
    this.#keys = store.shown.filter((key) => store.column(key));
    this.onChange = () => {};
    for (const [key, value] of Object.entries(store.filters)) this.#filters.set(key, { equals: value });
    table.classList.add("virtual");
    this.#order = store.names.map((_, i) => i);
    this.#box.addEventListener("scroll", () => requestAnimationFrame(() => this.#draw()));
    addEventListener("resize", () => this.#draw());
    addEventListener("beforeprint", () => this.#draw(PRINTED));
    addEventListener("afterprint", () => this.#draw());
    table.addEventListener("click", (event) => this.#clicked(event));
    store.on("select", (indices, from) => {
      if (from !== "table") this.#selectedOnly = indices.length > 0;
      else if (!indices.length) this.#selectedOnly = false;
      this.#filter();
    });
    store.on("columns", () => (this.#texts = null));
    this.#head();
    this.#filter();
  }

  get keys() {
    return this.#keys;
  }

  get rows() {
    return this.#rows;
  }

  // Selected samples that filters keep out of the table.
  get hidden() {
    const shown = new Set(this.#rows);
    return this.#store.selected.filter((i) => !shown.has(i)).length;
  }

  get selectedOnly() {
    return this.#selectedOnly;
  }

  set selectedOnly(only) {
    this.#selectedOnly = only;
    this.#filter();
  }

  // Samples all of whose words are in their name or in a text column of the table.
  search(text) {
    this.#words = text.toLowerCase().split(/\s+/).filter(Boolean);
    this.#filter();
  }

  showColumns(keys) {
    this.#keys = keys;
    for (const key of this.#filters.keys()) if (!keys.includes(key)) this.#filters.delete(key);
    this.#texts = null;
    this.#head();
    this.#filter();
  }

  #columns() {
    return this.#keys.map((key) => this.#store.column(key));
  }

  #head() {
    const head = document.createElement("tr");
    const filters = document.createElement("tr");
    const widths = document.createElement("colgroup");
    const name = { key: null, title: "sample", isText: true };
    for (const column of [null, name, ...this.#columns()]) {
      const th = document.createElement(column ? "th" : "td");
      const td = document.createElement("td");
      const width = document.createElement("col");
      width.style.width = `${column ? this.#width(column) : 2.2}rem`;
      widths.append(width);
      if (column) {
        th.scope = "col";
        if (!column.isText && column.key !== "marks") th.className = "n";
        th.append(this.#sorter(column, th));
        if (column.key) td.append(...this.#filterOf(column));
      }
      head.append(th);
      filters.append(td);
    }
    filters.className = "filters";
    this.#table.querySelector("colgroup")?.remove();
    this.#table.prepend(widths);
    this.#table.tHead.replaceChildren(head, filters);
  }

  #width(column) {
    const longest = !column.isText
      ? 7
      : Math.max(6, ...(column.key ? column.values : this.#store.names).slice(0, 5000).map((text) => text.length));
    const ofTitle = Math.max(...column.title.split(/\s/).map((word) => word.length)) + 2;
    const chars = Math.max(Math.min(column.key ? 22 : 24, longest), Math.min(ofTitle, 16));
    return column.key === "marks" ? 5.5 + 0.62 * column.titles.length : Math.max(column.isText ? 5 : 7, 0.55 * chars + 1.7);
  }

  #sorter(column, th) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = column.title;
    const mark = () => {
      if (this.#sorted.key === column.key && this.#sorted.by) {
        th.setAttribute("aria-sort", this.#sorted.sign > 0 ? "ascending" : "descending");
      } else th.removeAttribute("aria-sort");
    };
    button.addEventListener("click", () => {
      const again = this.#sorted.by && this.#sorted.key === column.key;
      // The largest numbers come first, and the first of texts.
      this.#sorted = { by: true, key: column.key, sign: again ? -this.#sorted.sign : column.isText ? 1 : -1 };
      for (const other of this.#table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      this.#sort();
      mark();
    });
    mark();
    return button;
  }

  #sort() {
    const { key, sign } = this.#sorted;
    const names = () => {
      const order = this.#store.names.map((_, i) => i).sort((a, b) => compare(this.#store.names[a], this.#store.names[b], 1));
      const rank = new Float64Array(order.length);
      order.forEach((i, place) => (rank[i] = place));
      return rank;
    };
    const keys = key === null ? names() : this.#store.column(key).keys;
    this.#order = this.#store.names.map((_, i) => i).sort((a, b) => compare(keys[a], keys[b], sign) || a - b);
    this.#filter();
  }

  // Text: one of its values, or what it contains; numbers: from and to.
  #filterOf(column) {
    const held = this.#filters.get(column.key) ?? {};
    const control = (tag, what, label, set) => {
      const element = document.createElement(tag);
      element.setAttribute("aria-label", `${column.title}: ${label}`);
      set(element);
      element.addEventListener("input", () => {
        const filter = { ...this.#filters.get(column.key) };
        const text = element.value.trim();
        if (text === "") delete filter[what];
        else filter[what] = what === "contains" ? text.toLowerCase() : what === "equals" ? element.value : Number(text.replace(",", "."));
        if (Object.keys(filter).length) this.#filters.set(column.key, filter);
        else this.#filters.delete(column.key);
        this.#filter();
      });
      return element;
    };
    const input = (what, label) =>
      control("input", what, label, (element) => {
        element.type = what === "contains" ? "search" : "text";
        if (what !== "contains") element.inputMode = "decimal";
        element.placeholder = label;
        element.value = held[what] ?? "";
      });
    if (!column.isText) return [input("from", "from"), input("to", "to")];
    const { groups } = grouped(column, Infinity);
    if (groups.length > 60) return [input("contains", "contains")];
    return [
      control("select", "equals", "only", (element) => {
        element.append(new Option("all", ""));
        for (const { label, n, style } of groups) {
          element.append(new Option(`${label} (${n.toLocaleString("en")})`, style === null ? "\u0000" : label));
        }
        element.value = held.equals ?? "";
      }),
    ];
  }

  #keeps(column, filter) {
    if (!column.isText) {
      const { from = -Infinity, to = Infinity } = filter;
      return (i) => column.numbers[i] >= from && column.numbers[i] <= to;
    }
    const wanted = (text) =>
      (filter.equals === undefined || text === (filter.equals === "\u0000" ? "" : filter.equals)) &&
      (filter.contains === undefined || text.toLowerCase().includes(filter.contains));
    const kept = ["", ...column.values].map(wanted);
    return (i) => kept[column.codes[i]];
  }

  #filter() {
    const tests = [...this.#filters].map(([key, filter]) => this.#keeps(this.#store.column(key), filter));
    if (this.#selectedOnly) {
      const selected = new Set(this.#store.selected);
      tests.push((i) => selected.has(i));
    }
    if (this.#words.length) {
      const columns = this.#columns().filter(({ isText }) => isText);
      this.#texts ??= this.#store.names.map((name, i) => [name, ...columns.map((column) => column.text(i))].join("\n").toLowerCase());
      tests.push((i) => this.#words.every((word) => this.#texts[i].includes(word)));
    }
    this.#rows = this.#order.filter((i) => tests.every((test) => test(i)));
    this.#table.setAttribute("aria-rowcount", this.#rows.length + 2);
    this.#draw();
    this.onChange();
  }

  #draw(least = 0) {
    const [height, n] = [this.#rowHeight, this.#rows.length];
    const top = Math.max(0, Math.min(this.#box.scrollTop, n * height - this.#box.clientHeight));
    const first = least ? 0 : Math.max(0, Math.floor(top / height) - 5);
    const count = least || Math.ceil(this.#box.clientHeight / height) + 10;
    const shown = this.#rows.slice(first, first + count);
    const columns = this.#columns();
    const selected = new Set(this.#store.selected);
    const space = (rows) => {
      const tr = document.createElement("tr");
      tr.className = "space";
      tr.setAttribute("aria-hidden", "true");
      tr.style.height = `${rows * height}px`;
      return tr;
    };
    const rows = shown.map((i, k) => this.#row(i, first + k, columns, selected.has(i)));
    const focused = this.#focused();
    this.#table.tBodies[0].replaceChildren(space(first), ...rows, space(n - first - shown.length));
    if (focused !== null) this.#table.querySelector(`input[data-index="${focused}"]`)?.focus({ preventScroll: true });
    const real = rows[0]?.getBoundingClientRect().height;
    if (real && Math.abs(real - height) > 0.5) {
      this.#rowHeight = real;
      this.#draw(least);
    }
  }

  #focused() {
    const active = document.activeElement;
    return this.#table.tBodies[0].contains(active) ? (active.dataset.index ?? null) : null;
  }

  #row(i, place, columns, selected) {
    const tr = document.createElement("tr");
    tr.setAttribute("aria-rowindex", place + 3);
    tr.dataset.index = i;
    tr.className = [this.#store.column("flagged").text(i) === "yes" && "flagged", selected && "selected"].filter(Boolean).join(" ");
    const tick = document.createElement("input");
    tick.type = "checkbox";
    tick.checked = selected;
    tick.dataset.index = i;
    tick.setAttribute("aria-label", `Select ${this.#store.names[i]}`);
    const box = document.createElement("td");
    box.append(tick);
    const name = document.createElement("th");
    name.scope = "row";
    name.title = this.#store.names[i];
    if (i < this.#sheets) {
      const link = document.createElement("a");
      link.href = `#sheet-${i + 1}`;
      link.textContent = this.#store.names[i];
      name.append(link);
    } else name.textContent = this.#store.names[i];
    tr.append(box, name);
    for (const column of columns) {
      const td = document.createElement("td");
      const text = column.text(i);
      td.textContent = column.key === "p" && this.#store.extrapolated[i] ? `${text}*` : text;
      if (column instanceof MarkColumn) {
        const signs = document.createElement("span");
        signs.className = "marks";
        signs.textContent = ` ${column.signs(i)}`;
        td.append(signs);
        td.title = column.told(i);
      } else if (column.isText) td.title = text;
      else td.className = "n";
      tr.append(td);
    }
    return tr;
  }

  // A click selects or leaves a row, with Shift all from the last one on.
  #clicked(event) {
    const row = event.target.closest("tbody tr[data-index]");
    if (!row || event.target.closest("a") || getSelection().type === "Range") return;
    const i = Number(row.dataset.index);
    const selected = new Set(this.#store.selected);
    const [from, to] = [this.#rows.indexOf(this.#last), this.#rows.indexOf(i)].sort((a, b) => a - b);
    const several = event.shiftKey && from >= 0 ? this.#rows.slice(from, to + 1) : [i];
    const leave = selected.has(i);
    for (const one of several) leave ? selected.delete(one) : selected.add(one);
    this.#last = i;
    this.#store.select(selected, "table");
  }
}
