"use strict";

// The map, and a plot of any two columns: one source of points, one selection.
class SamplePlots {
  #store;
  #style;
  #source;
  #stars;
  #map;
  #pair;
  #busy = false;

  static async embedded(store) {
    const { doc, roots, styles } = JSON.parse(await unpacked("samples-plots"));
    const items = { docid: "plots", roots, root_ids: Object.keys(roots) };
    await Bokeh.embed.embed_items({ plots: doc }, [items]);
    return new SamplePlots(store, Bokeh.documents.at(-1), styles);
  }

  constructor(store, page, style) {
    this.#store = store;
    this.#style = style;
    this.#map = page.get_model_by_name("map");
    this.#pair = page.get_model_by_name("pair");
    this.#source = page.get_model_by_name("samples");
    this.#stars = page.get_model_by_name("stars")?.data_source;
    // A finger that moves over a plot scrolls the page until a tool is chosen.
    if (matchMedia("(pointer: coarse)").matches) {
      for (const plot of [this.#map, this.#pair]) {
        for (const tool of plot?.toolbar.tools ?? []) if (/lasso|box_select/i.test(tool.type)) tool.active = false;
      }
    }
    this.#source.selected.properties.indices.change.connect(() => {
      if (!this.#busy) store.select(this.#source.selected.indices.map((i) => this.#drawn(i)), "plot");
    });
    store.on("select", (indices) => this.#quietly(() => {
      this.#source.selected.indices = indices.map((i) => this.#drawn(i));
    }));
  }

  // The strangest samples are drawn last, on top of all others.
  #drawn(i) {
    return this.#store.names.length - 1 - i;
  }

  #by(value) {
    const n = this.#store.names.length;
    return Array.from({ length: n }, (_, i) => value(this.#drawn(i)));
  }

  #quietly(change) {
    this.#busy = true;
    change();
    this.#busy = false;
  }

  #set(columns) {
    this.#quietly(() => (this.#source.data = { ...this.#source.data, ...columns }));
  }

  // All that does not change.
  start() {
    const { names, column } = { names: this.#store.names, column: (key) => this.#store.column(key) };
    const flagged = column("flagged");
    const said = (i) => ["combined", "p", "q"].map((key) => `${column(key).title} ${column(key).text(i)}`).join(", ");
    this.#set({
      ...Object.fromEntries(["x", "y", "u", "v"].map((name) => [name, new Float64Array(names.length).fill(NaN)])),
      color: this.#by(() => this.#style.missing),
      marker: this.#by(() => "circle"),
      value: this.#by(() => ""),
      sample: this.#by((i) => names[i]),
      call: this.#by((i) => `${said(i)}, flagged: ${flagged.text(i)}`),
      size: this.#by(() => this.#size("circle")),
      ring: this.#by((i) => (flagged.text(i) === "yes" ? "#000000" : "#ffffff")),
    });
  }

  // Bokeh draws some shapes smaller than others of the same size.
  #size(marker) {
    const size = Math.min(10, Math.max(4, 260 / Math.sqrt(this.#store.names.length)));
    return size * ({ diamond: 1.4, star: 1.3, plus: 1.2 }[marker] ?? 1);
  }

  showView(key) {
    const view = this.#store.views.find((one) => one.key === key);
    if (!view) return;
    this.#set({ x: this.#by((i) => view.x[i]), y: this.#by((i) => view.y[i]) });
    const points = this.#store.points.filter(({ place }) => key in place);
    this.#stars.data = {
      x: points.map(({ place }) => place[key][0]),
      y: points.map(({ place }) => place[key][1]),
      sample: points.map(({ name }) => name),
    };
    this.#map.x_range.reset();
    this.#map.y_range.reset();
  }

  // Colours, and what the legend says of them.
  colourBy(column) {
    const value = this.#by((i) => `${column.title}: ${column.text(i)}`);
    if (column.isText) {
      const { groups, groupOf } = grouped(column, this.#style.of.length);
      const style = groups.map((group) => this.#styleOf(group));
      this.#set({
        value,
        color: this.#by((i) => style[groupOf[i]][0]),
        marker: this.#by((i) => style[groupOf[i]][1]),
        size: this.#by((i) => this.#size(style[groupOf[i]][1])),
      });
      return { groups: groups.map((group, g) => ({ ...group, color: style[g][0], marker: style[g][1] })), groupOf };
    }
    const [low, high] = percentiles(column.numbers, [0.01, 0.99]);
    const { scale, missing } = this.#style;
    const shade = (number) => {
      if (Number.isNaN(number)) return missing;
      const share = high > low ? (number - low) / (high - low) : 0.5;
      return scale[Math.round(Math.min(1, Math.max(0, share)) * (scale.length - 1))];
    };
    this.#set({
      value,
      color: this.#by((i) => shade(column.numbers[i])),
      marker: this.#by(() => "circle"),
      size: this.#by(() => this.#size("circle")),
    });
    return { low, high };
  }

  #styleOf({ style }) {
    return style === null ? [this.#style.missing, "circle"] : this.#style.of[style % this.#style.of.length];
  }

  // What stands across and up in the other plot.
  showPair(across, up) {
    const [u, v] = [this.#axis("across", across), this.#axis("up", up)];
    this.#set({ u: this.#by(u), v: this.#by(v) });
    this.#pair.x_range.reset();
    this.#pair.y_range.reset();
  }

  // Where samples stand on an axis; text has a row for each of its most frequent values.
  #axis(name, column) {
    const model = (kind) => this.#pair.document.get_model_by_name(`${name} ${kind}`);
    const [numbers, labels] = [model("numbers"), model("labels")];
    numbers.visible = !column.isText;
    labels.visible = column.isText;
    numbers.axis_label = labels.axis_label = asText(column.title, 60);
    if (!column.isText) return (i) => column.numbers[i];
    const { groups, groupOf } = grouped(column, 40);
    const last = groups.length - 1; // the first one stands on top
    labels.ticker.ticks = groups.map((_, g) => g);
    labels.major_label_overrides = new Map(groups.map(({ label }, g) => [last - g, asText(label, 18)]));
    const spread = name === "up" ? 0.6180339887 : 0.7548776662;
    return (i) => last - groupOf[i] + 0.7 * (((i + 1) * spread) % 1) - 0.35;
  }
}

// Bokeh would ask another place for a typesetter of formulas where text looks like one.
function asText(text, most) {
  const short = text.length > most ? `${text.slice(0, most - 1)}…` : text;
  return short.replaceAll("$$", "$\u200b$").replaceAll("\\[", "\\\u200b[").replaceAll("\\(", "\\\u200b(");
}
