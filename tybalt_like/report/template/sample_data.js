"use strict";

// What is known of every sample, and which are selected. Other scripts find it as
// `tybalt.samples` (`await tybalt.ready`); samples are numbered in the order of the table.

// One thing that is known of every sample: numbers, or text as numbers of its values (0: none).
class SampleColumn {
  #numbers;

  constructor({ key, name, title, group, unit = "", decimals = null, digits = 3, values = null, codes = null, numbers = null }) {
    Object.assign(this, { key, name, title, group, unit, decimals, digits, values, codes });
    this.#numbers = numbers;
  }

  get isText() {
    return this.values !== null;
  }

  get numbers() {
    if (typeof this.#numbers === "function") this.#numbers = this.#numbers();
    return this.#numbers;
  }

  text(i) {
    return this.isText ? (this.values[this.codes[i] - 1] ?? "") : shownNumber(this.numbers[i], this);
  }

  // Numbers that sort as a reader expects; NaN goes last.
  get keys() {
    if (!this.isText) return this.numbers;
    const order = this.values.map((_, v) => v).sort((a, b) => compare(this.values[a], this.values[b], 1));
    const rank = new Float64Array(this.values.length + 1).fill(NaN);
    order.forEach((v, place) => (rank[v + 1] = place));
    return Float64Array.from(this.codes, (code) => rank[code]);
  }
}

function shownNumber(value, { decimals, digits }) {
  if (Number.isNaN(value)) return "–";
  if (decimals !== null) return value.toFixed(decimals);
  if (Number.isInteger(value) || Math.abs(value) >= 1000) return value.toFixed(0);
  return String(Number(value.toPrecision(digits)));
}

// How many scores find a sample strange: 2, larger than in all of the reference; 1, than in 95 %.
class MarkColumn extends SampleColumn {
  constructor(titles, marks) {
    const n = titles.length ? marks.length / titles.length : 0;
    const of = (i) => marks.subarray(i * titles.length, (i + 1) * titles.length);
    const numbers = Float32Array.from({ length: n }, (_, i) => of(i).reduce((sum, mark) => sum + (mark > 0), 0));
    super({ key: "marks", name: "marks", title: "found strange by", group: "Calls", numbers, decimals: 0 });
    this.titles = titles;
    this.of = of;
  }

  text(i) {
    return `${this.numbers[i]} of ${this.titles.length}`;
  }

  signs(i) {
    return Array.from(this.of(i), (mark) => "○◐●"[mark]).join("");
  }

  told(i) {
    const named = (mark) => this.titles.filter((_, j) => this.of(i)[j] === mark).join(", ") || "none";
    return `beyond all of the reference: ${named(2)}; beyond 95 %: ${named(1)}`;
  }
}

class SampleStore {
  #listeners = { select: [], columns: [], points: [] };
  #byKey = new Map();

  static async unpacked() {
    const [told, buffer] = await Promise.all([unpacked("samples-data"), unpackedBytes("samples-numbers")]);
    return new SampleStore(JSON.parse(told), buffer);
  }

  constructor(told, buffer) {
    const array = ({ at, type, n }) =>
      new { uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array, float32: Float32Array, float64: Float64Array }[
        type
      ](buffer, at, n);
    const numbers = (where) => {
      const stored = array(where);
      if (where.step === undefined) return stored;
      return Float32Array.from(stored, (code) => (code === 65534 ? NaN : where.low + where.step * code));
    };
    this.names = told.names;
    this.selected = [];
    this.points = [];
    this.views = told.views.map(({ key, name, x, y }) => ({ key, name, x: numbers(x), y: numbers(y) }));
    this.extrapolated = array(told.extrapolated);
    this.shown = told.shown;
    this.filters = told.filters;
    this.label = told.label;
    for (const { codes, numbers: where, ...rest } of told.columns) {
      const held = where ? { numbers: () => numbers(where) } : { codes: array(codes) };
      this.#byKey.set(rest.key, new SampleColumn({ ...rest, ...held }));
    }
    const { titles, marks } = told.agreement;
    if (titles.length > 1) this.#byKey.set("marks", new MarkColumn(titles, array(marks)));
  }

  // All columns, with `key`, `title`, `group`, `isText`, `numbers` (or `values` and `codes`), `text(i)`.
  get columns() {
    return [...this.#byKey.values()];
  }

  column(key) {
    return this.#byKey.get(key);
  }

  // "select": (indices, from), "columns" and "points": what is there has changed.
  on(what, listener) {
    this.#listeners[what].push(listener);
  }

  #tell(what, ...said) {
    for (const listener of this.#listeners[what]) listener(...said);
  }

  // Select samples by their numbers; `from` says who did so.
  select(indices, from = "script") {
    const next = [...new Set(indices)].filter((i) => i >= 0 && i < this.names.length).sort((a, b) => a - b);
    if (next.length === this.selected.length && next.every((i, k) => i === this.selected[k])) return;
    this.selected = next;
    this.#tell("select", next, from);
  }

  // Numbers by sample, NaN where there is none, to colour by, sort and filter. One of the same title is replaced.
  addColumn(title, values, { group = "Added", unit = "", decimals = null } = {}) {
    if (values.length !== this.names.length) throw new Error(`${title}: ${values.length} values for ${this.names.length} samples`);
    const key = `added ${title}`;
    this.#byKey.set(key, new SampleColumn({ key, name: title, title, group, unit, decimals, numbers: Float64Array.from(values) }));
    this.#tell("columns", key);
    return key;
  }

  // New samples, shown as stars: {name, place: {<key of a view>: [x, y]}}; those of the same name are replaced.
  addPoints(points) {
    const names = new Set(points.map(({ name }) => name));
    this.points = [...this.points.filter(({ name }) => !names.has(name)), ...points];
    this.#tell("points", this.points);
  }

  // A table to save; what a spreadsheet would run as a formula gets an apostrophe in front.
  tsv(rows, keys) {
    const columns = keys.map((key) => this.column(key));
    const cell = (text) => {
      const safe = /^(?:=|[+\-@][\s\S]*[(|!])/.test(text) ? `'${text}` : text;
      return /[\t\n\r"]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
    };
    const value = (column, i) => {
      if (column.isText) return cell(column.text(i));
      return Number.isNaN(column.numbers[i]) ? "" : String(Number(column.numbers[i].toPrecision(6)));
    };
    const lines = [["sample", ...columns.map(({ name }) => name)].map(cell)];
    for (const i of rows) lines.push([cell(this.names[i]), ...columns.map((column) => value(column, i))]);
    return lines.map((line) => `${line.join("\t")}\n`).join("");
  }
}

// Text in groups that can be told apart: the most frequent ones, in their order, then all others, then none.
function grouped(column, most) {
  const counts = new Array(column.values.length + 1).fill(0);
  for (const code of column.codes) counts[code] += 1;
  const present = column.values.map((_, v) => v + 1).filter((code) => counts[code] > 0);
  let kept = present;
  if (present.length > most) {
    const first = new Set([...present].sort((a, b) => counts[b] - counts[a]).slice(0, most - 1));
    kept = present.filter((code) => first.has(code));
  }
  const groups = kept.map((code) => ({ label: column.values[code - 1], style: code - 1, n: counts[code] }));
  const groupOf = new Array(counts.length).fill(groups.length);
  kept.forEach((code, g) => (groupOf[code] = g));
  const others = present.reduce((sum, code) => sum + counts[code], 0) - groups.reduce((sum, { n }) => sum + n, 0);
  if (others > 0) groups.push({ label: "other values", style: null, n: others });
  if (counts[0] > 0) {
    groupOf[0] = groups.length;
    groups.push({ label: "no value", style: null, n: counts[0] });
  }
  return { groups, groupOf: Uint16Array.from(column.codes, (code) => groupOf[code]) };
}

// Percentiles of what is known, as numpy's default ones.
function percentiles(numbers, shares) {
  const known = Float64Array.from(numbers).filter((value) => !Number.isNaN(value)).sort();
  if (!known.length) return shares.map(() => 0);
  return shares.map((share) => {
    const place = (known.length - 1) * share;
    const low = Math.floor(place);
    return known[low] + (place - low) * ((known[low + 1] ?? known[low]) - known[low]);
  });
}
