"use strict";

// A file of expression values, as `tybalt_like.io` reads delimited text: bytes in, samples x genes
// out, or one sentence about what is wrong. Nothing here knows the page.
globalThis.tybalt ??= {};

{
  class FileError extends Error {}

  const MOST_BYTES = 1 << 29; // of text that a browser holds as one string
  const SEPARATORS = { "\t": "tab", ";": "semicolon", ",": "comma", " ": "space" };
  const NUMBER = /^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$/;
  const MISSING = new Set([
    "", ..."NA N/A n/a #N/A #NV <NA> NaN nan NAN null NULL Null".split(" "),
    ..."#DIV/0! #VALUE! #WERT! #NUM! #REF! #NAME? #NULL!".split(" "),
    ..."na Na - -- . .. ? -nan None none NONE missing Missing MISSING".split(" "),
  ]);
  const UNNAMED = new Set(["", "NA", "N/A", "#N/A", "NaN"]);
  const ABOUT_GENES = new Set(
    ("hugo_symbol entrez_gene_id entrez_id entrezid entrez geneid gene_id gene_name gene_symbol symbol " +
      "ensembl_id ensembl_gene_id gene_type gene_biotype biotype description gene_description chr chrom " +
      "chromosome start end strand length effective_length transcript_id transcript_id(s) probe_id " +
      "cytoband locuslink locusid").split(" "),
  );
  // What programs put among the genes and is none: reads without a gene, totals.
  const NOT_A_GENE = new RegExp(
    "^(_{0,2}(no_?feature|ambiguous(_readpair_position)?|too_low_aqual|not_aligned" +
      "|alignment_not_unique)|_(empty|lowaqual|notaligned)" +
      "|N_(unmapped|multimapping|nofeature|ambiguous)|assigned|unassigned_\\w+|\\*" +
      "|\\W*(ambiguous|unmapped)|(grand[ _])?total|total[ _](counts|reads))$", "i",
  );
  const OTHER_FILES = [
    [[0x50, 0x4b, 3, 4], "a zip archive or an Excel workbook; save the table as tsv"],
    [[0xd0, 0xcf, 0x11, 0xe0], "an old Excel workbook; save the table as tsv"],
    [[0x89, 0x48, 0x44, 0x46], "an HDF5 file; write the matrix as tsv, or use `tybalt-like score`"],
    [[0x25, 0x50, 0x44, 0x46], "a PDF; ask for the table as tsv"],
    [[0x42, 0x5a, 0x68], "compressed with bzip2; compress it with gzip"],
    [[0xfd, 0x37, 0x7a, 0x58], "compressed with xz; compress it with gzip"],
    [[0x28, 0xb5, 0x2f, 0xfd], "compressed with zstd; compress it with gzip"],
  ];

  // The text of a file, decompressed if it is gzip.
  async function textOf(file) {
    const head = new Uint8Array(await file.slice(0, 4).arrayBuffer());
    if (!file.size) throw new FileError(`${file.name} is empty`);
    const other = OTHER_FILES.find(([magic]) => magic.every((byte, i) => head[i] === byte));
    if (other) throw new FileError(`${file.name} is ${other[1]}`);
    const packed = head[0] === 0x1f && head[1] === 0x8b;
    const stream = packed ? file.stream().pipeThrough(new DecompressionStream("gzip")) : file.stream();
    const pieces = [];
    let size = 0;
    try {
      for (const reader = stream.getReader(); ; ) {
        const { done, value } = await reader.read();
        if (done) break;
        pieces.push(value);
        size += value.length;
        if (size > MOST_BYTES) {
          await reader.cancel();
          throw new FileError(`${file.name} holds more than ${MOST_BYTES >> 20} MB of text, too much for a page; use \`tybalt-like score\``);
        }
      }
    } catch (error) {
      if (error instanceof FileError) throw error;
      const why = packed ? "the gzip data are damaged, end early or come in blocks (bgzip)" : "the data cannot be read";
    throw new FileError(`${file.name}: ${why}; copy the file again, or unpack it first`);
    }
    const bytes = new Uint8Array(await new Blob(pieces).arrayBuffer());
    const wide = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
    if (!wide && bytes.subarray(0, 1 << 16).includes(0)) {
      throw new FileError(`${file.name} is not text; give a table as tsv or csv`);
    }
    if (wide) return new TextDecoder(bytes[0] === 0xff ? "utf-16le" : "utf-16be").decode(bytes);
    try {
      return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    } catch {
      return new TextDecoder("latin1").decode(bytes);
    }
  }

  // A table with a name for every row and column: `values` holds the numbers by row, in single
  // precision as everywhere in tybalt_like, NaN where one is missing; `beside` the columns of text.
  function tableOf(text, name) {
    const lines = text.split(/\r\n|\n|\r/);
    if (/^#1\.2/.test(lines[0])) lines.splice(0, 2); // GCT: version and size stand above the table
    let at = lines.findIndex((line) => line.trim() && !line.startsWith("#"));
    const top = lines[0].startsWith("#") && at === 1 && ["\t", ",", ";"].find(
      (sep) => lines[0].includes(sep) && lines[0].split(sep).length === lines[1].split(sep).length,
    );
    if (top) at = 0;
    const rows = at < 0 ? [] : lines.slice(at + 1).filter((line) => line.trim());
    if (!rows.length) throw new FileError(`${name}: there are no rows below a header`);
    const first = lines[at].replace(/^#/, "");
    const sep = separator([first, ...rows.slice(0, 4)]);
    const shown = rows.slice(0, 20).map((row) => cells(row, sep));
    const header = headerOf(cells(first, sep).map((cell) => cell.trim()), shown, name, sep);
    const texts = textFields(header, shown);
    const numbers = header.map((_, i) => i).filter((i) => !texts.includes(i));
    if (!numbers.length) throw new FileError(`${name}: no column holds numbers; is this a sample table?`);
    const decimal = decimalOf(shown, numbers, sep);
    const found = {
      rows: [],
      columns: numbers.map((i) => header[i]),
      values: new Float32Array(rows.length * numbers.length),
      beside: Object.fromEntries(texts.slice(1).filter((i) => header[i]).map((i) => [header[i], []])),
    };
    rows.forEach((line, r) => {
      const row = cells(line, sep);
      if (row.length !== header.length) {
        throw new FileError(`${name}: row ${JSON.stringify(row[0])} has ${row.length} fields where the header has ${header.length} (separator: ${SEPARATORS[sep]})`);
      }
      found.rows.push(row[0].trim());
      for (const i of texts) if (header[i] in found.beside && i) found.beside[header[i]].push(row[i].trim());
      numbers.forEach((i, c) => {
        const isPlain = decimal === "." && NUMBER.test(row[i]);
        const value = isPlain ? Number(row[i]) : numberOf(row[i], { decimal, name, row: found.rows[r], column: header[i] });
        found.values[r * numbers.length + c] = value;
      });
    });
    return found;
  }

  // Whether decimals stand behind commas: some cells of the first rows do, and none behind a point.
  function decimalOf(rows, numbers, sep) {
    if (sep === ",") return ".";
    const shown = rows.flatMap((row) => numbers.map((i) => (row[i] ?? "").trim()));
    const surely = shown.some((cell) => /^[+-]?\d*,\d+(e[+-]?\d+)?$/i.test(cell) && !/^[+-]?[1-9]\d{0,2},\d{3}$/.test(cell));
    return surely && !shown.some((cell) => cell.includes(".") && NUMBER.test(cell)) ? "," : ".";
  }

  function numberOf(cell, { decimal, name, row, column }) {
    const written = decimal === "." ? cell : cell.includes(".") ? "" : cell.replace(decimal, ".");
    if (NUMBER.test(written)) return Number(written);
    const text = cell.trim();
    if (MISSING.has(text)) return NaN;
    if (/^[+-]?inf(inity)?$/i.test(text)) return Infinity;
    const hint = /^[+-]?[\d.]*,[\d.,]+$/.test(text)
      ? "write decimals with a point and nothing between thousands"
      : "correct it, or leave the cell empty if it is missing";
    throw new FileError(`${name}: row ${JSON.stringify(row)}, column ${JSON.stringify(column)}: ${JSON.stringify(text)} is not a number; ${hint}`);
  }

  // The fields of a line; quotes are honoured if they come in pairs.
  function cells(line, sep) {
    if (!line.includes('"') || line.split('"').length % 2 === 0) return line.split(sep);
    const found = [];
    let cell = "", quoted = false;
    for (let i = 0; i < line.length; i++) {
      if (quoted) {
        if (line[i] !== '"') cell += line[i];
        else if (line[i + 1] === '"') cell += line[i++];
        else quoted = false;
      } else if (line[i] === '"' && !cell) quoted = true;
      else if (line[i] === sep) cell = (found.push(cell), "");
      else cell += line[i];
    }
    return [...found, cell];
  }

  // The first separator by which header and rows fit; else the most frequent one.
  function separator(top) {
    for (const sep of Object.keys(SEPARATORS)) {
      const [header, ...rows] = top.map((line) => cells(line, sep).length);
      if (rows[0] > 1 && rows.every((n) => n === rows[0]) && Math.abs(header - rows[0]) <= 1) return sep;
    }
    const times = (sep) => top[0].split(sep).length;
    return Object.keys(SEPARATORS).reduce((best, sep) => (times(sep) > times(best) ? sep : best));
  }

  // R's write.table leaves out the corner, others end the header by a separator.
  function headerOf(header, rows, name, sep) {
    const width = rows[0].length;
    if (header.length === width + 1 && !header.at(-1)) header = header.slice(0, -1);
    else if (header.length === width - 1) header = ["", ...header];
    if (width < 2 || header.length !== width) {
      throw new FileError(`${name}: the header has ${header.length} fields and the first row ${width} (separator taken: ${SEPARATORS[sep]}); it must be a table with one name per column, separated by tabs, commas or semicolons`);
    }
    return header;
  }

  // Row names, columns without any number, and leading columns known to describe genes.
  function textFields(header, rows) {
    const found = [0];
    const fit = rows.filter((row) => row.length === header.length);
    for (let i = 1; i < header.length; i++) {
      const column = fit.map((row) => row[i]);
      const isText = (cell) => !MISSING.has(cell.trim()) && !NUMBER.test(cell.replaceAll(",", ""));
      const leading = found.length === i && ABOUT_GENES.has(header[i].toLowerCase());
      const trailing = i === header.length - 1 && !header[i] && column.every((cell) => !cell.trim());
      if (leading || trailing || (!column.some((cell) => NUMBER.test(cell)) && column.some(isText))) found.push(i);
    }
    return found;
  }

  // Names without characters that break lines or turn the direction of what follows.
  function plain(name) {
    return name
      .replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g, " ")
      .replace(/[\u061c\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/g, "")
      .trim();
  }

  // Samples x genes: `names`, `genes`, the further names of these, `rows` of values.
  //
  // The genes are where more of the `known` names are found: what the page was made for decides
  // which way round a table is.
  function samplesOf(table, known, name) {
    const hits = (names) => cleaned(names).reduce((n, gene) => n + known.has(gene), 0);
    const others = Object.values(table.beside).map(hits);
    const inRows = Math.max(hits(table.rows), ...others), inColumns = hits(table.columns);
    const transposed = inColumns > inRows;
    const genes = transposed ? table.columns : table.rows;
    const names = (transposed ? table.rows : table.columns).map(plain);
    const kept = genes.map((_, g) => g).filter((g) => !NOT_A_GENE.test(genes[g]) && !UNNAMED.has(genes[g]));
    const [step, along] = transposed ? [1, table.columns.length] : [table.columns.length, 1];
    const found = {
      names,
      genes: kept.map((g) => plain(genes[g])),
      ids: transposed ? {} : Object.fromEntries(
        Object.entries(table.beside).map(([title, texts]) => [title, kept.map((g) => texts[g])]),
      ),
      rows: names.map((_, n) => Float32Array.from(kept, (g) => table.values[n * along + g * step])),
    };
    checkSamples(found, name);
    return found;
  }

  function checkSamples({ names, genes, rows }, name) {
    const unnamed = names.findIndex((one) => UNNAMED.has(one));
    if (unnamed >= 0) throw new FileError(`${name}: sample ${unnamed + 1} has no name; name it`);
    const twice = names.find((one, n) => names.indexOf(one) < n);
    if (twice !== undefined) throw new FileError(`${name}: sample ${JSON.stringify(twice)} occurs twice; rename or remove the copies`);
    rows.forEach((row, n) => {
      const g = row.findIndex((value) => Math.abs(value) === Infinity);
      if (g >= 0) throw new FileError(`${name}: sample ${JSON.stringify(names[n])}, gene ${JSON.stringify(genes[g])}: the value is infinite or too large for a 32-bit number; correct it, or leave it empty`);
    });
    const empty = names.filter((_, n) => rows[n].every((value) => !value));
    if (empty.length) throw new FileError(`${empty.length} sample(s) have no value but 0: ${some(empty)}; remove them`);
  }

  function some(names, n = 5) {
    return (names.length > n ? [...names.slice(0, n), "..."] : names).join(", ");
  }

  // Genes that spreadsheets take for dates, by month: numbers, the symbol of today, and as typed.
  const numbersTo = (n) => Array.from({ length: n }, (_, i) => i + 1);
  const DATED = {
    mar: [[numbersTo(11), "MARCHF", "MARCH"], [[1, 2], "MTARC", "MARC"]],
    sep: [[[...numbersTo(12), 14], "SEPTIN", "SEPT"], [[15], "SELENOF", "SEP"]],
    dec: [[[1], "DELEC", "DEC"]],
  };
  const DATES = [
    [/^(?<n>\d{1,2})-(?<month>mar|sep|sept|dec)$/i, (month) => month.toLowerCase().slice(0, 3)],
    [/^(?<month>mar|sep|sept|dec)-(?<n>\d{1,2})$/i, (month) => month.toLowerCase().slice(0, 3)],
    [/^\d{4}-(?<month>03|09|12)-(?<n>\d{2})(?: 00:00:00)?$/, (month) => ({ "03": "mar", "09": "sep", 12: "dec" })[month]],
  ];

  // Genes that a date can have been, as [symbol of today, symbol as typed].
  function dated(name) {
    const found = DATES.map(([pattern, monthOf]) => [pattern.exec(name)?.groups, monthOf]).find(([groups]) => groups);
    if (!found) return [];
    const [{ n, month }, monthOf] = found;
    const of = DATED[monthOf(month)].filter(([numbers]) => numbers.includes(Number(n)));
    return of.map(([, today, typed]) => [today === "SELENOF" ? today : today + Number(n), typed + Number(n)]);
  }

  // Dates become symbols again where the other names leave one possibility.
  function undated(names) {
    const known = new Set(names), times = placesOf(names);
    return names.map((name) => {
      const genes = dated(name), free = genes.filter((pair) => !pair.some((gene) => known.has(gene)));
      if (genes.length !== 1 && !(free.length && times.get(name).length === 1)) return name;
      return (free[0] ?? genes[0])[0];
    });
  }

  // Gene names without what files add to them: blanks, quotes, versions of Ensembl ids, Entrez ids
  // after a bar, and what spreadsheets make of MARCH1.
  function cleaned(names) {
    const bare = names.map((name) =>
      name.trim().replace(/^["']+|["']+$/g, "").trim().replace(/^(ENS[A-Z]{0,4}[GTP]\d{11})\.\d+(_PAR_Y)?$/, "$1$2"),
    );
    const split = bare.map((name) => /^(\S+)\|(\d+)$/.exec(name));
    const times = new Map();
    for (const symbol of new Map(split.filter(Boolean).map((m) => [m[0], m[1]])).values()) {
      times.set(symbol, (times.get(symbol) ?? 0) + 1);
    }
    return undated(bare.map((name, i) => {
      const m = split[i];
      return m === null ? name : m[1] === "?" || times.get(m[1]) > 1 ? m[2] : m[1];
    }));
  }

  // The columns of every wanted gene, as `genes.align` finds them: by name; by cleaned name or
  // further identifier; as the same human gene under another kind of identifier; last by alias. No
  // column is used for two genes.
  function aligned({ genes, ids }, wanted) {
    const places = placesOf(genes);
    let found = wanted.names.map((gene) => places.get(gene) ?? []);
    if (found.every((columns) => columns.length)) return found;
    found = found.map((columns, i) => (isPlaceholder(wanted.names[i]) ? [] : [...columns]));
    const used = new Set(found.flat());
    const offered = [cleaned(genes), ...identifiers(ids, wanted)].map((labels) =>
      labels.map((label) => (isPlaceholder(label) ? "" : label)),
    );
    findMore(found, used, wanted.labels, offered);
    for (const how of Object.keys(wanted.same)) {
      if (found.every((columns) => columns.length)) break;
      const { keys, rows } = wanted.same[how];
      const known = (labels) => {
        const table = rows[kindOf(labels)] ?? {};
        return labels.map((label) => (Object.hasOwn(table, label) ? table[label] : ""));
      };
      findMore(found, used, keys, offered.map(known));
    }
    return found;
  }

  // Columns of text that identify genes: they differ in nine genes of ten, or in two of five if they
  // hold genes that are looked for.
  function identifiers(ids, wanted) {
    const known = new Set(wanted.labels.flat());
    return Object.values(ids).map(cleaned).filter((labels) => {
      const share = new Set(labels.filter(Boolean)).size / Math.max(1, labels.length);
      return share >= 0.9 || (share >= 0.4 && labels.some((label) => known.has(label)));
    });
  }

  function placesOf(names) {
    const places = new Map();
    names.forEach((name, column) => {
      if (!name) return;
      if (places.has(name)) places.get(name).push(column);
      else places.set(name, [column]);
    });
    return places;
  }

  function findMore(found, used, wanted, offered) {
    for (const theirs of offered) {
      const places = placesOf(theirs);
      for (const ours of wanted) {
        const times = placesOf(ours);
        ours.forEach((label, i) => {
          if (found[i].length || times.get(label)?.length !== 1) return;
          found[i] = (places.get(label) ?? []).filter((column) => !used.has(column));
          for (const column of found[i]) used.add(column);
        });
      }
    }
  }

  function kindOf(labels) {
    const share = (pattern) => labels.filter((label) => pattern.test(label)).length / Math.max(1, labels.length);
    if (share(/^ENSG\d{11}$/) >= 0.3) return "ensembl";
    return share(/^\d+$/) >= 0.3 ? "entrez" : "symbol";
  }

  function isPlaceholder(name) {
    return /^(unknown|unnamed|unassigned|unmapped|undefined|not[ _.]?(available|found|assigned)|null|none|nan|n[./]?a|[-?.*]+)([-_.|]\d+)?$/i.test(name);
  }

  tybalt.expression = { FileError, textOf, tableOf, samplesOf, aligned, cleaned, some };
}
