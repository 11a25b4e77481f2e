"use strict";

// A file dropped onto the page: new samples are scored, genes of known ones colour the map.
{
  const { FileError, textOf, tableOf, samplesOf, cleaned } = tybalt.expression;
  const { DataError, unstored, assessed, placed, short } = tybalt.detector;
  const at = (id) => document.getElementById(`portable-${id}`);
  const input = at("file"), said = at("said"), zone = at("zone"), results = at("results");
  const say = (text, wrong = false) => { said.textContent = text; said.classList.toggle("wrong", wrong); };
  let stored = null;
  const payload = () => (stored ??= unpacked("portable-data").then((text) => unstored(JSON.parse(text))));

  function element(tag, { text, children = [], ...properties } = {}) {
    const made = Object.assign(document.createElement(tag), properties);
    if (text !== undefined) made.textContent = text;
    made.append(...children);
    return made;
  }
  const button = (text, onclick) => element("button", { type: "button", text, onclick });
  const number = (value, digits = 2) => (Number.isNaN(value) ? "–" : short(value, digits));
  function numbered(value, text) {
    const made = element("td", { text, className: "n" });
    made.dataset.value = value;
    return made;
  }

  // What spreadsheets would run as a formula gets an apostrophe in front, as in the package's tables.
  function download(name, header, rows) {
    const harmless = (value) => (/^(=|[+\-@][^]*[(|!])/.test(value) ? `'${value}` : value).replace(/^.*".*$/, (text) => `"${text.replaceAll('"', '""')}"`);
    const shown = (value) => (typeof value === "string" ? harmless(value) : value === true ? "True" : value === false ? "False" : Number.isNaN(value) ? "" : String(value));
    const text = [header, ...rows].map((row) => row.map(shown).join("\t")).join("\n");
    const link = element("a", { download: name, href: URL.createObjectURL(new Blob([`${text}\n`], { type: "text/tab-separated-values" })) });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  async function read(file) {
    if (input.disabled) return;
    input.disabled = true;
    results.replaceChildren();
    try {
      say(`Reading ${file.name} ...`);
      const held = await payload();
      const table = tableOf(await textOf(file), file.name);
      const samples = samplesOf(table, wantedBy(held), file.name);
      const known = new Set(tybalt.samples?.names ?? []);
      const n = samples.names.filter((name) => known.has(name)).length;
      if (2 * n > samples.names.length) offerColours(samples, n, () => score(held, samples, file.name));
      else await score(held, samples, file.name);
    } catch (error) {
      if (error instanceof FileError || error instanceof DataError) say(`${error.message}.`, true);
      else {
        say(`${file.name} cannot be read (${error.message}); use \`tybalt-like score\`.`, true);
        throw error;
      }
    } finally {
      input.disabled = false;
    }
  }

  // Every name that a gene may have which is looked for.
  function wantedBy({ normaliser, map }) {
    const found = new Set();
    for (const { read: { labels, same } } of [normaliser, map?.normaliser].filter(Boolean)) {
      for (const label of labels.flat()) found.add(label);
      for (const { rows } of Object.values(same)) for (const of of Object.values(rows)) for (const label of Object.keys(of)) found.add(label);
    }
    return found;
  }

  async function score(held, samples, title) {
    try {
      const found = await assessed(held, samples, { onProgress: (n, of) => say(`Scoring ${title}: ${n} of ${of} samples ...`) });
      show(held, found, title);
      place(held, samples, found);
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      say(`${title}: ${error.message}.`, true);
    }
  }

  function place(held, samples, found) {
    const page = tybalt.samples;
    if (!held.map || !page?.addPoints) return;
    try {
      const places = placed(held.map, samples);
      page.addPoints(samples.names.map((name, n) => ({ name, place: places[n] })));
      const link = element("a", { href: "#samples", text: "the map" });
        results.append(element("p", { className: "note", children: ["The new samples stand on ", link, " as stars, each between the five samples of the run that are nearest to it."] }));
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      results.append(element("p", { className: "note", text: `The new samples have no place on the map: ${error.message}.` }));
    }
  }

  function show(held, { rows, scale, outcome, sentence, notes }, title) {
    const flagged = rows.filter((row) => row.flagged).length, n = rows.length;
    const order = [...rows].sort((a, b) => b.combined - a.combined);
    say(`${title}: ${n.toLocaleString("en")} ${n === 1 ? "sample" : "samples"}, ${scale.scale} (${scale.evidence}).`);
    const detail = element("div", { id: "portable-genes" });
    const row = (one) => element("tr", {
      className: one.flagged ? "flagged" : "",
      children: [
        element("th", { scope: "row", children: [Object.assign(button(one.name, () => detail.replaceChildren(...genesOf(held, one))), { className: "linkish", title: "Show its genes" })] }),
        numbered(one.combined, one.combined.toFixed(2)),
        numbered(one.p, number(one.p) + (one.extrapolated ? "*" : "")),
        numbered(one.q, number(one.q)),
        element("td", { text: one.genes.slice(0, 5).map(({ gene, direction }) => `${gene} ${direction}`).join(", ") }),
      ],
    });
    const table = tableWith(["sample"], ["combined score", "p", "q"], ["genes"], order.map(row));
    results.replaceChildren(
      element("p", { className: outcome === "fine" ? "" : "caution", children: [element("strong", { text: `Do the p-values hold? ${outcome[0].toUpperCase()}${outcome.slice(1)}: ` }), `${sentence}.`] }),
      element("p", { text: outcome === "refused" ? "No p-values are given." : `${flagged} of ${n} ${n === 1 ? "sample is" : "samples are"} flagged as anomalous, at a false-discovery rate of ${100 * held.fdr}%.` }),
      ...(notes.length ? [element("ul", { children: notes.map((note) => element("li", { text: `${note}.` })) })] : []),
      framed("Scores of the dropped samples", table),
      ...(rows.some((one) => one.extrapolated) ? [element("p", { className: "note", text: `* Extrapolated: beyond what ranks among ${held.held_out.length} reference samples can tell.` })] : []),
      element("div", { className: "controls", children: [
        button("Save scores as TSV", () => saveScores(rows)),
        button("Save genes as TSV", () => saveGenes(rows)),
      ] }),
      detail,
    );
    sortable(table);
    detail.replaceChildren(...genesOf(held, order[0]));
  }

  function tableWith(texts, numbers, last, rows) {
    const head = (name, className = "") => element("th", { scope: "col", text: name, className });
    return element("table", { className: "sortable", children: [
      element("thead", { children: [element("tr", { children: [...texts.map((name) => head(name)), ...numbers.map((name) => head(name, "n")), ...last.map((name) => head(name))] })] }),
      element("tbody", { children: rows }),
    ] });
  }

  function framed(label, table) {
    const frame = element("div", { className: "scroll tall", tabIndex: 0, children: [table] });
    frame.setAttribute("role", "region");
    frame.setAttribute("aria-label", label);
    return frame;
  }

  function genesOf({ is_log2 }, { name, genes }) {
    const rows = genes.map((one) => element("tr", { children: [
      element("th", { scope: "row", text: one.gene }),
      numbered(one.observed, one.observed.toFixed(2)),
      numbered(one.expected, one.expected.toFixed(2)),
      numbered(one.difference, one.difference.toFixed(2)),
      numbered(one.reference_low, `${one.reference_low.toFixed(2)} to ${one.reference_high.toFixed(2)}`),
      numbered(one.z, one.z.toFixed(1)),
      numbered(one.p_adjusted, number(one.p_adjusted)),
    ] }));
    const table = tableWith(["gene"], ["observed", "expected", is_log2 ? "log2 fold change" : "difference", "reference, 9 in 10", "z", "adjusted p"], [], rows);
    sortable(table);
    return [element("h3", { text: `Genes of ${name}` }), framed(`Genes of ${name}`, table)];
  }

  function saveScores(rows) {
    const views = Object.keys(rows[0].views);
    const header = ["sample", ...views.map((view) => `default_${view}`), ...["combined", "p_value", "extrapolated", "q_value", "flagged"].map((what) => `default_${what}`)];
    download("scores.tsv", header, rows.map((one) => [one.name, ...views.map((view) => one.views[view]), one.combined, one.p, one.extrapolated, one.q, one.flagged]));
  }

  function saveGenes(rows) {
    download("gene_scores.tsv", ["sample", ...Object.keys(rows[0].genes[0])], rows.flatMap(({ name, genes }) => genes.map((one) => [name, ...Object.values(one)])));
  }

  // A file of samples that the page knows.
  function offerColours(samples, n, scoreThem) {
    say(`${n.toLocaleString("en")} of these ${samples.names.length.toLocaleString("en")} samples are those of this run.`);
    const gene = element("input", { type: "search", placeholder: "gene", autocomplete: "off" });
    const missing = element("output");
    const colour = () => {
      const wanted = cleaned([gene.value])[0].toLowerCase();
      const g = cleaned(samples.genes).findIndex((name) => name.toLowerCase() === wanted);
      missing.textContent = g < 0 ? `There is no gene ${gene.value} in this file.` : "";
      if (g < 0) return;
      const value = new Map(samples.names.map((name, i) => [name, samples.rows[i][g]]));
      const page = tybalt.samples;
      page.addColumn(samples.genes[g], page.names.map((name) => value.get(name) ?? NaN));
      missing.textContent = `The map offers ${samples.genes[g]} under “Colour by”.`;
    };
    results.replaceChildren(element("form", {
      className: "controls",
      onsubmit: (event) => { event.preventDefault(); colour(); },
      children: [element("label", { children: ["Colour the map by ", gene] }), element("button", { text: "Colour" }), missing, button("Score them all the same", scoreThem)],
    }));
  }

  input.addEventListener("change", () => input.files[0] && read(input.files[0]));
  for (const name of ["dragenter", "dragover"]) zone.addEventListener(name, (event) => { event.preventDefault(); zone.classList.add("over"); });
  zone.addEventListener("dragleave", () => zone.classList.remove("over"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    if (event.dataTransfer.files[0]) read(event.dataTransfer.files[0]);
  });
}
