"use strict";

// A file dropped onto the page: new samples are scored, genes of known ones colour the map.
{
  const { FileError, textOf, tableOf, samplesOf, cleaned } = tybalt.expression;
  const { DataError, unstored, assessed, placed, short } = tybalt.detector;
  const at = (id) => document.getElementById(`portable-${id}`);
  const input = at("file"), said = at("said"), zone = at("zone"), results = at("results");
  const say = (text, wrong = false) => { said.textContent = text; said.classList.toggle("wrong", wrong); };
  const NAMED_GENES = 5;
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
  const sentence = (text) => (text.endsWith(".") ? text : `${text}.`);
  const note = (...children) => element("p", { className: "note", children });
  function numbered(value, text) {
    const made = element("td", { text, className: "n" });
    made.dataset.value = value;
    return made;
  }

  // What spreadsheets would run as a formula gets an apostrophe in front, as in the package's tables.
  function tsvCell(value) {
    if (typeof value === "boolean") return value ? "True" : "False";
    if (typeof value === "number") return Number.isNaN(value) ? "" : String(value);
    const safe = /^(?:=|[+\-@][^]*[(|!])/.test(value) ? `'${value}` : value;
    return safe.includes('"') ? `"${safe.replaceAll('"', '""')}"` : safe;
  }

  function download(name, header, rows) {
    const text = [header, ...rows].map((row) => `${row.map(tsvCell).join("\t")}\n`).join("");
    const href = URL.createObjectURL(new Blob([text], { type: "text/tab-separated-values" }));
    element("a", { download: name, href }).click();
    setTimeout(() => URL.revokeObjectURL(href), 10_000);
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
      if (error instanceof FileError || error instanceof DataError) say(sentence(error.message), true);
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
      place(held, samples);
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      say(sentence(`${title}: ${error.message}`), true);
    }
  }

  function place(held, samples) {
    const page = tybalt.samples;
    if (!held.map || !page?.addPoints) return;
    try {
      if (held.map.unplaced) throw new DataError(held.map.unplaced);
      const places = placed(held.map, samples);
      page.points = []; // those of an earlier file
      page.addPoints(samples.names.map((name, n) => ({ name, place: places[n] })));
      const map = element("a", { href: "#samples", text: "the map" });
      const where = " as stars, each between the five samples of the run that are nearest to it.";
      results.append(note("The new samples stand on ", map, where));
    } catch (error) {
      if (!(error instanceof DataError)) throw error;
      results.append(note(sentence(`The new samples have no place on the map: ${error.message}`)));
    }
  }

  function show(held, { rows, scale, outcome, why, notes }, title) {
    const n = rows.length, of = `${n.toLocaleString("en")} ${n === 1 ? "sample" : "samples"}`;
    say(`${title}: ${of}, ${scale.scale} (${scale.evidence}).`);
    const order = [...rows].sort((a, b) => b.combined - a.combined);
    const detail = element("div");
    const nameOf = (one) => {
      const name = button(one.name, () => detail.replaceChildren(...genesOf(held, one)));
      return element("th", { scope: "row", children: [Object.assign(name, { className: "linkish", title: "Show its genes" })] });
    };
    const row = (one) => element("tr", {
      className: one.flagged ? "flagged" : "",
      children: [
        nameOf(one),
        numbered(one.combined, one.combined.toFixed(2)),
        numbered(one.p, number(one.p) + (one.extrapolated ? "*" : "")),
        numbered(one.q, number(one.q)),
        element("td", { text: one.genes.slice(0, NAMED_GENES).map(({ gene, direction }) => `${gene} ${direction}`).join(", ") }),
      ],
    });
    const table = tableWith(["sample"], ["combined score", "p", "q"], ["genes"], order.map(row));
    const flagged = rows.filter((one) => one.flagged).length;
    const holds = element("strong", { text: `Do the p-values hold? ${outcome[0].toUpperCase()}${outcome.slice(1)}: ` });
    const rate = `flagged as anomalous, at a false-discovery rate of ${number(100 * held.fdr)}%`;
    const beyond = `beyond what ranks among ${held.held_out.length.toLocaleString("en")} reference samples can tell`;
    results.replaceChildren(
      element("p", { className: outcome === "fine" ? "" : "caution", children: [holds, sentence(why)] }),
      element("p", { text: outcome === "refused" ? "No p-values are given." : `${flagged.toLocaleString("en")} of ${of} ${flagged === 1 ? "is" : "are"} ${rate}.` }),
      ...(notes.length ? [element("ul", { children: notes.map((one) => element("li", { text: sentence(one) })) })] : []),
      framed("Scores of the dropped samples", table),
      ...(rows.some((one) => one.extrapolated) ? [note(`* Extrapolated: ${beyond}.`)] : []),
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
    const head = (className) => (name) => element("th", { scope: "col", text: name, className });
    const heads = [...texts.map(head("")), ...numbers.map(head("n")), ...last.map(head(""))];
    return element("table", { className: "sortable", children: [
      element("thead", { children: [element("tr", { children: heads })] }),
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
    const apart = is_log2 ? "log2 fold change" : "difference";
    const table = tableWith(["gene"], ["observed", "expected", apart, "reference, 9 in 10", "z", "adjusted p"], [], rows);
    sortable(table);
    return [element("h3", { text: `Genes of ${name}` }), framed(`Genes of ${name}`, table)];
  }

  // As `tybalt-like score` writes them, with `--genes`.
  function saveScores(rows) {
    const tableRow = ({ name, views, combined, p, extrapolated, q, flagged }) =>
      ({ sample: name, ...views, combined, p_value: p, extrapolated, q_value: q, flagged });
    const [first, ...rest] = Object.keys(tableRow(rows[0]));
    download("scores.tsv", [first, ...rest.map((what) => `default_${what}`)], rows.map((one) => Object.values(tableRow(one))));
  }

  function saveGenes(rows) {
    const tableRows = rows.flatMap(({ name, genes }) => genes.map((one) => ({ sample: name, ...one })));
    download("gene_scores.tsv", Object.keys(tableRows[0]), tableRows.map(Object.values));
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
      children: [
        element("label", { children: ["Colour the map by ", gene] }),
        element("button", { text: "Colour" }),
        missing,
        button("Score them all the same", scoreThem),
      ],
    }));
  }

  input.addEventListener("change", () => input.files[0] && read(input.files[0]));
  // A file may be dropped anywhere on the page: beside the zone, a browser would leave the page for it.
  const isFile = ({ dataTransfer }) => dataTransfer.types.includes("Files");
  for (const name of ["dragenter", "dragover", "dragleave", "drop"]) {
    document.addEventListener(name, (event) => {
      if (!isFile(event)) return;
      event.preventDefault();
      zone.classList.toggle("over", name === "dragenter" || name === "dragover");
      if (name !== "drop") return;
      zone.scrollIntoView({ block: "center" });
      read(event.dataTransfer.files[0]);
    });
  }
}
