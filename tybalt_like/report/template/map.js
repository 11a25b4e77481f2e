"use strict";

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

showMap(document.getElementById("map-data"));
