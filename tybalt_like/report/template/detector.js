"use strict";

// The detector of `tybalt-like score`, in double precision: samples in, scores, p-values and genes
// out. Suffixes name axes as in the package: x_ng holds samples x genes, an array of rows.
globalThis.tybalt ??= {};

{
  const { aligned, some } = tybalt.expression;
  const { abs, ceil, exp, floor, fround, log, log1p, log2, max, min, round, sign, sqrt } = Math;
  const sum = (x) => { let total = 0; for (const value of x) total += value; return total; };
  const mean = (x) => sum(x) / x.length;
  const dot = (x, y) => { let total = 0; for (let i = 0; i < x.length; i++) total += x[i] * y[i]; return total; };
  const sorted = (x) => Float64Array.from(x).sort();
  const evenly = (n, of) => Array.from({ length: n }, (_, i) => halfEven(n > 1 ? (i * (of - 1)) / (n - 1) : 0));

  function halfEven(value) {
    const below = floor(value);
    return value - below === 0.5 ? below + (below % 2) : round(value);
  }

  function quantileOf(ascending, q) {
    const at = q * (ascending.length - 1), below = floor(at);
    const low = ascending[below], high = ascending[min(below + 1, ascending.length - 1)];
    return low + (at - below) * (high - low);
  }

  const quantile = (x, q) => quantileOf(sorted(x), q);
  const median = (x) => quantile(x, 0.5);

  function sd(x, free = 0) {
    const centre = mean(x);
    let total = 0;
    for (const value of x) total += (value - centre) ** 2;
    return sqrt(total / (x.length - free));
  }

  // Piecewise linear, constant beyond the ends; the knots ascend.
  function interpolated(x, knots, values) {
    const last = knots.length - 1;
    if (!(x > knots[0])) return x <= knots[0] ? values[0] : NaN;
    if (x >= knots[last]) return values[last];
    let low = 0, high = last;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (knots[middle] <= x) low = middle;
      else high = middle;
    }
    return values[low] + ((values[high] - values[low]) / (knots[high] - knots[low])) * (x - knots[low]);
  }

  // ---- Arrays of the payload: base64 of little-endian numbers, with their shape.
  function unstored(thing) {
    if (Array.isArray(thing)) return thing.map(unstored);
    if (thing === null || typeof thing !== "object") return thing;
    if (!("base64" in thing)) return Object.fromEntries(Object.entries(thing).map(([key, value]) => [key, unstored(value)]));
    const kind = thing.bits === 32 ? Float32Array : Float64Array;
    const values = new kind(bytesOf(thing.base64).buffer);
    if (!thing.shape.length) return values[0];
    if (thing.shape.length === 1) return values;
    const width = thing.shape[1];
    return Array.from({ length: thing.shape[0] }, (_, i) => values.subarray(i * width, (i + 1) * width));
  }

  // ---- Scale: `pp.scale.detect`, but for which kind of logged values they are.
  const FAMILY = {
    counts: "counts", linear: "linear", raw_intensity: "linear", log2: "logged", log_ratio: "logged",
    z_scored: "logged", zero_one: "unit",
  };
  const LOG_CEILING = 30, SKEWED = 8, FEW = 0.02, LOOKED_AT = 1 << 21;

  function scaleOf(rows) {
    const width = rows[0].length;
    const x_ng = evenly(min(rows.length, max(1, floor(LOOKED_AT / width))), rows.length).map((n) => rows[n]);
    const finite = sorted(x_ng.flatMap((row) => [...row.filter(Number.isFinite)]));
    if (!finite.length) return { scale: "log2", evidence: "no finite value" };
    const low = finite[0], high = finite.at(-1), share = (of, is) => of.filter(is).length / of.length;
    const whole = (value) => value === halfEven(value);
    if (low < 0) {
      const negative = `${short(100 * share(finite, (value) => value < 0))}% negative`;
      if (isLarge(x_ng)) return { scale: "raw_intensity", evidence: `${negative}, from ${short(low, 6)} to ${short(high, 6)}` };
      return { scale: "log2", evidence: `${negative}, from ${short(low)} to ${short(high)}` };
    }
    if (finite.every(whole)) return { scale: "counts", evidence: `whole numbers from ${low} to ${high}` };
    const positive = finite.filter((value) => value > 0);
    if (isLarge(x_ng)) {
      const counted = share(positive, whole);
      if (counted > 0.3) return { scale: "counts", evidence: `${round(100 * counted)}% of the values are whole, up to ${short(high, 6)}` };
      return { scale: "linear", evidence: `no negative value, fractions, up to ${short(high, 6)}` };
    }
    const rest = sorted(ofMostGenes(x_ng)), typical = quantileOf(rest, 0.5), large = quantileOf(rest, 0.99);
    if (large > 20 * typical && high > 2) {
      return { scale: "linear", evidence: `long tail: median ${short(typical)}, 99% quantile ${short(large)}, up to ${short(high)}` };
    }
    if (high <= 1) return { scale: "zero_one", evidence: `all values between ${short(low)} and ${short(high)}` };
    return { scale: "log2", evidence: `values from ${short(low)} to ${short(high)}, median ${short(quantileOf(finite, 0.5))}` };
  }

  function isLarge(x_ng) {
    const size_ng = x_ng.map((row) => row.map((value) => (Number.isFinite(value) ? abs(value) : 0)));
    if (quantile(size_ng.flatMap((row) => [...row.filter((value) => value > 0)]), 0.999) <= LOG_CEILING) return false;
    const rest = sorted(ofMostGenes(size_ng));
    return rest.at(-1) > LOG_CEILING || quantileOf(rest, 0.99) > SKEWED * quantileOf(rest, 0.5);
  }

  // The positive values of all but the few genes that have the highest.
  function ofMostGenes(x_ng) {
    const high_g = x_ng[0].map((_, g) => x_ng.reduce((most, row) => (row[g] > most && row[g] < Infinity ? row[g] : most), 0));
    const limit = quantile(high_g.filter((value) => value > 0), 1 - FEW);
    return x_ng.flatMap((row) => [...row.filter((value, g) => high_g[g] <= limit && value > 0 && value < Infinity)]);
  }

  // Some samples on another scale than the others: `pp.findings`.
  function otherUnits({ names, rows }) {
    const known = rows.map((row) => row.map((value) => value || 0));
    if (known.every((row) => row.every((value) => value === halfEven(value)))) return [];
    const large = known.map((row) => Float32Array.from(row).sort().at(-max(1, floor(row.length / 1000))));
    const linear = large.filter((value) => value > LOG_CEILING), logged = large.filter((value) => !(value > LOG_CEILING));
    if (!linear.length || !logged.length || min(...linear) < 4 * max(...logged)) return [];
    return names.filter((_, n) => large[n] > LOG_CEILING === 2 * linear.length <= names.length);
  }

  // ---- Normalisation: `pp.Normaliser.transform`.
  class DataError extends Error {}

  function normalised(normaliser, samples, scale = scaleOf(samples.rows)) {
    const { names, genes, rows } = samples, { read, steps, picked, scaler } = normaliser;
    const columns = columnsOf(normaliser, aligned(samples, read));
    checkMissing(read.names, columns, normaliser.max_missing);
    checkMissing(picked.map((g) => read.names[g]), picked.map((g) => columns[g]), normaliser.max_missing);
    if (normaliser.any_scale === false && FAMILY[scale.scale] !== FAMILY[normaliser.scale]) {
      throw new DataError(`these samples look ${scale.scale} (${scale.evidence}), but the training samples were ${normaliser.scale}; give them on the same scale`);
    }
    const filled = picked.filter((g) => !columns[g].length).map((g) => read.names[g]);
    const unscaled_ng = rows.map((row, n) => {
      let x_r = Float64Array.from(columns, (from) => (from.length ? mean(from.map((g) => row[g])) : NaN));
      for (const step of steps) x_r = STEPS[step.transform](x_r, step);
      return Float64Array.from(picked, (r, g) => {
        const value = fround(x_r[r]);
        if (abs(value) === Infinity || (Number.isNaN(value) && columns[r].length && normaliser.refuses_missing)) {
          throw new DataError(`${Number.isNaN(value) ? "missing" : "infinite"} value in gene ${read.names[r]}, sample ${names[n]}; mend it or remove the sample`);
        }
        return Number.isNaN(value) ? normaliser.median_g[g] : value;
      });
    });
    return {
      genes: picked.map((g) => read.names[g]),
      filled,
      unscaled_ng: unscaled_ng.map((x_g) => x_g.map(fround)),
      x_ng: unscaled_ng.map((x_g) => x_g.map((value, g) => fround(scaler ? SCALERS[scaler.transform](scaler, value, g) : value))),
    };
  }

  const total = (x_g) => sum(x_g.filter((value) => !Number.isNaN(value))) || 1;
  const logged = (logarithm) => (x_g, { floor: least }) => x_g.map((value) => logarithm(max(value, least) + (least === 0)));
  const STEPS = {
    cpm: (x_g) => { const reads = total(x_g); return x_g.map((value) => (value / reads) * 1e6); },
    median_of_ratios: (x_g, { geometric_mean_g }) => {
      const used = x_g.map((_, g) => g).filter((g) => geometric_mean_g[g] > 0 && x_g[g] > 0);
      const factor = used.length ? exp(median(used.map((g) => log(x_g[g]) - log(geometric_mean_g[g])))) : 1;
      return x_g.map((value) => value / factor);
    },
    log2: logged(log2),
    log1p: logged(log),
  };

  // Single genes on a common scale.
  const SCALERS = {
    zscore: ({ mean_g, sd_g }, value, g) => (sd_g[g] > 1e-6 * max(1, abs(mean_g[g])) ? (value - mean_g[g]) / sd_g[g] : 0),
    robust_z: ({ median_g, spread_g }, value, g) => (spread_g[g] > 1e-6 * abs(median_g[g]) ? (value - median_g[g]) / spread_g[g] : 0),
    zero_one: ({ low_g, high_g }, value, g) => {
      const span = high_g[g] - low_g[g], varies = span > 1e-6 * max(abs(low_g[g]), abs(high_g[g]));
      return varies ? min(max((value - low_g[g]) / span, 0), 1) : 0;
    },
  };

  function columnsOf({ read, choices, duplicates }, found) {
    const copied = read.names.filter((_, g) => found[g].length > 1);
    if (copied.length && duplicates === "refuse") throw new DataError(`${copied.length} gene(s) occur more than once: ${some(copied)}; keep one of each`);
    return found.map((columns, g) => {
      const gene = read.names[g], known = choices[gene] ?? { copy: 0, of: 1 };
      if (columns.length < 2 || duplicates === "mean") return columns;
      if (duplicates === "first") return columns.slice(0, 1);
      if (columns.length !== known.of) throw new DataError(`gene ${gene} has ${columns.length} columns here, ${known.of} in training: it is not known which one to take; keep one`);
      return [columns[known.copy]];
    });
  }

  function checkMissing(genes, columns, limit) {
    const lacking = genes.filter((_, g) => !columns[g].length);
    if (lacking.length > limit * genes.length) {
      throw new DataError(`${lacking.length.toLocaleString("en")} of the ${genes.length.toLocaleString("en")} trained genes (${round((100 * lacking.length) / genes.length)}%) are missing (${some(lacking)}), more than ${round(100 * limit)}%; are these the same kind of gene identifier?`);
    }
  }

  // ---- Views: `anomaly.views`, of samples that a PCA has encoded.
  function encoded({ mean_g, components_kg }, x_g) {
    const off_g = x_g.map((value, g) => value - mean_g[g]);
    const z_k = Float64Array.from(components_kg, (axis_g) => dot(off_g, axis_g));
    return { x_g, z_k: z_k.map(fround), decoded_g: decoded({ mean_g, components_kg }, z_k).map(fround) };
  }

  function decoded({ mean_g, components_kg }, z_k) {
    const x_g = new Float64Array(mean_g);
    components_kg.forEach((axis_g, k) => {
      for (let g = 0; g < x_g.length; g++) x_g[g] += z_k[k] * axis_g[g];
    });
    return x_g;
  }

  const TOP = 0.01, NEAREST = 5, AROUND = 20, LEAST_NEIGHBOUR = 5, SHARE_NEAR = 0.1;

  function rootMeanOfLargest(z_g) {
    const squared = z_g.map((value) => value * value).sort();
    return sqrt(mean(squared.subarray(-max(1, floor(TOP * z_g.length)))));
  }

  const VIEWS = {
    top_residuals: ({ sd_g }, { x_g, decoded_g }) => rootMeanOfLargest(x_g.map((value, g) => (value - decoded_g[g]) / sd_g[g])),
    top_genes: ({ mean_g, weight_g }, { x_g }) => rootMeanOfLargest(x_g.map((value, g) => (value - mean_g[g]) * weight_g[g])),
    kth_neighbour: ({ mean_k, axes_ak, train_ma }, { z_k }) => {
      const off_k = z_k.map((value, k) => value - mean_k[k]);
      const at_a = Array.from(axes_ak, (axis_k) => dot(off_k, axis_k));
      const near_m = sorted(train_ma.map((train_a) => sqrt(sum(at_a.map((value, a) => (value - train_a[a]) ** 2)))));
      const k = min(max(LEAST_NEIGHBOUR, SHARE_NEAR * near_m.length), near_m.length);
      const below = near_m[floor(k) - 1];
      return below + (k - floor(k)) * (near_m[ceil(k) - 1] - below);
    },
    mahalanobis: ({ mean_k, precision_kk }, { z_k }) => {
      const off_k = z_k.map((value, k) => value - mean_k[k]);
      return sqrt(max(0, dot(off_k, precision_kk.map((row_k) => dot(off_k, row_k)))));
    },
    gene_residual: ({ sd_g }, { x_g, decoded_g }) => sqrt(mean(x_g.map((value, g) => ((value - decoded_g[g]) / sd_g[g]) ** 2))),
    nearest: (_, { near }) => near.nearest,
    whitened: (_, { near }) => near.whitened,
    relative: (_, { near }) => near.relative,
  };

  // How near a profile comes to a training profile: `anomaly.parts.profiles`. `along_ma` holds the
  // training profiles on the principal axes, of which `squared_a` are the sums of squares: the axes
  // themselves are sums of training profiles and need not be there.
  function near({ mean_g, weight_g, train_mg, spacing_m, along_ma, squared_a, precision_a, precision }, x_g) {
    const z_g = x_g.map((value, g) => (value - mean_g[g]) * weight_g[g]);
    const along_a = new Float64Array(squared_a.length), squared_m = new Float64Array(train_mg.length);
    train_mg.forEach((train_g, m) => {
      const with_m = dot(z_g, train_g);
      for (let a = 0; a < along_a.length; a++) along_a[a] += (with_m * along_ma[m][a]) / squared_a[a];
      let squared = 0;
      for (let g = 0; g < z_g.length; g++) squared += (z_g[g] - train_g[g]) ** 2;
      squared_m[m] = squared;
    });
    let least = Infinity;
    train_mg.forEach((_, m) => {
      let squared = precision * squared_m[m];
      for (let a = 0; a < along_a.length; a++) squared += (precision_a[a] - precision) * (along_a[a] - along_ma[m][a]) ** 2;
      least = min(least, squared);
    });
    const order = [...squared_m.keys()].sort((a, b) => squared_m[a] - squared_m[b]).slice(0, AROUND);
    const distances = order.map((m) => sqrt(squared_m[m])), root = sqrt(max(1, weight_g.filter((weight) => weight > 0).length));
    const usual = mean(order.map((m) => spacing_m[m]));
    return {
      nearest: distances[0] / root,
      whitened: sqrt(max(0, least)) / root,
      relative: mean(distances.slice(0, NEAREST)) / (usual > 0 ? usual : 1),
    };
  }

  // ---- Combination and calibration: `anomaly.combination`, `anomaly.calibration`.
  const MAD = 1.4826, LEAST_SCALE = 1e-12, ROUNDING = 1e-9, ENOUGH = 100, LEAST_TAIL = 3, TAIL = 0.25, CONFIDENCE = 0.9, MANY = 1000;

  function locationScale(x) {
    const location = median(x), mad = MAD * median(x.map((value) => abs(value - location)));
    const scale = mad > LEAST_SCALE ? mad : sd(x);
    return [location, scale > LEAST_SCALE ? scale : 1];
  }

  function softMaximum(z_v, weight_v) {
    const most = max(...z_v);
    return most + log(dot(z_v.map((z) => exp(z - most)), weight_v) / sum(weight_v));
  }

  // The combined score of a sample, standardised by the calibration samples alone.
  function softly({ views, location_v, scale_v, weight_v }, values) {
    return softMaximum(views.map((view, v) => (values[view] - location_v[v]) / scale_v[v]), weight_v);
  }

  // The combined score of a sample, and those of the calibration samples as seen beside it.
  function combined({ combination, held_out }, value_v) {
    const { weight_v } = combination, columns = held_out[0].length;
    const joined = (row_v, standard) => softMaximum(Array.from(row_v, (value, v) => (value - standard[v][0]) / standard[v][1]), weight_v);
    const standard = held_out.length >= MANY
      ? value_v.map((_, v) => [combination.location_v[v], combination.scale_v[v]])
      : Array.from({ length: columns }, (_, v) => locationScale([value_v[v], ...held_out.map((row_v) => row_v[v])]));
    return { score: joined(value_v, standard), score_c: held_out.map((row_v) => joined(row_v, standard)) };
  }

  function pValue({ rule, weight_c }, score, score_c) {
    const total_c = sum(weight_c), low = score - ROUNDING * max(1, abs(score));
    const plainly = (1 + sum(weight_c.map((weight, c) => (score_c[c] >= low ? weight : 0)))) / (total_c + 1);
    if (rule === "conditional") return { p: conditional(plainly, total_c), extrapolated: false };
    if (rule !== "auto" || total_c >= ENOUGH) return { p: plainly, extrapolated: false };
    const p = withTail(score, score_c, weight_c, plainly);
    return { p, extrapolated: p < (1 - ROUNDING) / (total_c + 1) };
  }

  function withTail(score, score_c, weight_c, plainly) {
    const order = [...score_c.keys()].sort((a, b) => score_c[b] - score_c[a]);
    const total_c = sum(weight_c), wanted = max(LEAST_TAIL, ceil(TAIL * total_c - ROUNDING));
    let start = 0, k = 0;
    while (start < order.length && k + weight_c[order[start]] <= wanted + ROUNDING) k += weight_c[order[start++]];
    if (start === 0 || start >= order.length) return plainly;
    const u = score_c[order[start]];
    const excess = sum(order.slice(0, start).map((c) => weight_c[c] * (score_c[c] - u))) / k;
    if (!(excess > ROUNDING * max(1, abs(u)))) return plainly;
    const atStart = (k + 1) / (total_c + 1);
    return score > u ? atStart * (1 + (score - u) / (k * excess)) ** -k : max(plainly, atStart);
  }

  // The bound of Simes on the share of normal samples with such a rank.
  function conditional(plainly, total_c) {
    const logFactorial = (n) => { let found = 0; for (let i = 2; i <= n; i++) found += log(i); return found; };
    const m = max(halfEven(total_c), 1), k = max(1, floor(m / 2));
    const below = m + 1 - halfEven(plainly * (total_c + 1));
    if (below < k) return 1;
    const falling = logFactorial(below) - logFactorial(below - k), whole = logFactorial(m) - logFactorial(m - k);
    return 1 - exp((log(1 - CONFIDENCE) + falling - whole) / k);
  }

  // Benjamini-Hochberg; NaN stays NaN and is not counted.
  function adjustedPValues(p_n) {
    const known = [...p_n.keys()].filter((n) => !Number.isNaN(p_n[n])).sort((a, b) => p_n[a] - p_n[b]);
    const q_n = new Float64Array(p_n.length).fill(NaN);
    let least = 1;
    for (let i = known.length; i > 0; i--) q_n[known[i - 1]] = least = min(least, (p_n[known[i - 1]] * known.length) / i);
    return q_n;
  }

  // ---- Genes: `training.closest`, `anomaly.null`, `anomaly.gene_scores`.
  const HUBER = 2, REWEIGHTINGS = 8, RIDGE = 1e-8, SHOWN_GENES = 20;

  // The model in units of what is usual for every gene, once for all samples.
  function weighed({ model, error_g }) {
    const w_kg = model.components_kg.map((axis_g) => new Float64Array(axis_g).map((weight, g) => weight / error_g[g]));
    return { ...model, error_g, w_kg, ridge: RIDGE * sum(w_kg.map((row_g) => dot(row_g, row_g))) };
  }

  // What the model decodes from the code that fits the sample's ordinary genes.
  function closest(model, x_g) {
    const { w_kg, ridge, mean_g, components_kg, error_g } = model, k = w_kg.length;
    const centred_g = x_g.map((value, g) => value - mean_g[g]), off_g = centred_g.map((value, g) => value / error_g[g]);
    let code_k = Float64Array.from(components_kg, (axis_g) => dot(centred_g, axis_g));
    for (let i = 0; i < REWEIGHTINGS; i++) {
      const left_g = off_g.slice();
      for (let a = 0; a < k; a++) for (let g = 0; g < left_g.length; g++) left_g[g] -= code_k[a] * w_kg[a][g];
      const size_g = left_g.map(abs).sort(), usual = max(1, size_g[(size_g.length - 1) >> 1] / 0.6745);
      const weight_g = left_g.map((value) => min(1, (HUBER * usual) / max(1e-9, abs(value))));
      const weighed_kg = w_kg.map((row_g) => row_g.map((value, g) => value * weight_g[g]));
      const gram_kk = w_kg.map(() => new Float64Array(k));
      for (let a = 0; a < k; a++) {
        for (let b = 0; b <= a; b++) gram_kk[a][b] = gram_kk[b][a] = dot(weighed_kg[a], w_kg[b]) + (a === b ? ridge : 0);
      }
      code_k = solved(gram_kk, Float64Array.from(weighed_kg, (row_g) => dot(row_g, off_g)));
    }
    return decoded(model, code_k);
  }

  // A symmetric positive definite system, by Cholesky.
  function solved(a_kk, b_k) {
    const l_kk = a_kk.map((row) => Float64Array.from(row)), x_k = Float64Array.from(b_k), k = b_k.length;
    for (let i = 0; i < k; i++) {
      for (let j = 0; j <= i; j++) {
        let value = l_kk[i][j];
        for (let m = 0; m < j; m++) value -= l_kk[i][m] * l_kk[j][m];
        l_kk[i][j] = i === j ? sqrt(value) : value / l_kk[j][j];
      }
      for (let m = 0; m < i; m++) x_k[i] -= l_kk[i][m] * x_k[m];
      x_k[i] /= l_kk[i][i];
    }
    for (let i = k - 1; i >= 0; i--) {
      for (let m = i + 1; m < k; m++) x_k[i] -= l_kk[m][i] * x_k[m];
      x_k[i] /= l_kk[i][i];
    }
    return x_k;
  }

  // The chance to be at least as large: order statistics, and a generalised Pareto tail.
  function chance({ value_q, log_chance_q, shape, scale }, value) {
    const beyond = max(value - value_q.at(-1), 0) / scale;
    return exp(interpolated(value, value_q, log_chance_q) - (shape > 0 ? log1p(shape * beyond) / shape : beyond));
  }

  function geneScores({ usual, normaliser: { scaler } }, model, { observed_g, x_g, genes }) {
    const expected_g = closest(model, x_g).map((value, g) => (scaler ? scaler.mean_g[g] + value * scaler.sd_g[g] : value));
    const z_g = expected_g.map((value, g) => (observed_g[g] - value - usual.mean_g[g]) / (usual.scale_g[g] * sqrt(1 + 1 / max(usual.n_g[g], 1))));
    const p_g = z_g.map((z) => min(1, 2 * (z > 0 ? chance(usual.up, z) : chance(usual.down, -z))));
    const adjusted_g = adjustedPValues(p_g).map((p) => min(1, usual.widening * p));
    const squared = dot(z_g, z_g) || 1;
    const top = [...z_g.keys()].sort((a, b) => p_g[a] - p_g[b] || abs(z_g[b]) - abs(z_g[a])).slice(0, SHOWN_GENES);
    return top.map((g, rank) => ({
      rank: rank + 1, gene: genes[g], of_interest: false, observed: observed_g[g], expected: expected_g[g],
      difference: observed_g[g] - expected_g[g], reference_low: usual.low_g[g], reference_high: usual.high_g[g],
      z: z_g[g], p_value: p_g[g], p_adjusted: adjusted_g[g], share: z_g[g] ** 2 / squared, direction: z_g[g] > 0 ? "up" : "down",
    }));
  }

  // ---- Whether p-values hold: `anomaly.Domain.check` without controls.
  const LOWEST = 0.1, MAX_QUERY = 500;
  const typical = (x) => median(x.map(abs)) / 0.6745;

  function verdict(domain, unscaled_ng) {
    const { says } = domain, usable = [...domain.residual_weight_g.keys()].filter((g) => domain.residual_weight_g[g] > 0);
    const x_ng = unscaled_ng.length > MAX_QUERY ? evenly(MAX_QUERY, unscaled_ng.length).map((n) => unscaled_ng[n]) : unscaled_ng;
    const n = x_ng.length, limit = domain.limit_s[domain.sizes.findLastIndex((size) => size <= n)];
    const profiles = x_ng.map((x_g) => {
      const z_g = x_g.map((value, g) => (value - domain.mean_g[g]) * domain.weight_g[g]);
      const e_g = Float64Array.from(z_g);
      for (const axis_g of domain.axes_kg) {
        const along = dot(z_g, axis_g);
        for (let g = 0; g < e_g.length; g++) e_g[g] -= along * axis_g[g];
      }
      return { z_g: Float64Array.from(usable, (g) => z_g[g]), e_g: Float64Array.from(usable, (g) => e_g[g] * domain.residual_weight_g[g]) };
    });
    if (n === 1) {
      const moved = displacement(domain, usable, profiles);
      if (typical(profiles[0].e_g) <= limit) return ["fine", says.one_is_fine];
      return moved.level > says.LEVEL_OF_ONE ? ["refused", ofLevel(says, moved)] : ["undecidable", says.one_is_off];
    }
    const mean_g = usable.map((_, g) => mean(profiles.map(({ e_g }) => e_g[g])));
    const [middle, spread] = along(domain, usable, mean_g);
    const common_n = profiles.map(({ e_g }) => ((n * dot(e_g, mean_g) - dot(e_g, e_g)) / (n - 1) - middle) / spread);
    if (quantile(common_n, LOWEST) <= max(limit, 0)) return ["fine", says.all_are_fine];
    const least = [...common_n.keys()].sort((a, b) => common_n[a] - common_n[b]).slice(0, max(2, (n + 1) >> 1));
    return ofAll(says, displacement(domain, usable, least.map((i) => profiles[i])), n);
  }

  // Mean and standard deviation of held-out reference samples in a direction.
  function along({ held_out_mg, middle_g, spread_axes_ag, spread_a, spread_rest }, usable, direction_g) {
    const with_g = (x_g) => { let found = 0; usable.forEach((g, i) => (found += x_g[g] * direction_g[i])); return found; };
    if (held_out_mg) {
      const reference = held_out_mg.map(with_g);
      return [mean(reference), max(sd(reference), 1e-12)];
    }
    const along_a = spread_axes_ag.map(with_g), rest = max(0, dot(direction_g, direction_g) - dot(along_a, along_a));
    return [with_g(middle_g), sqrt(max(dot(along_a.map((value) => value * value), spread_a) + spread_rest * rest, 1e-24))];
  }

  function displacement({ weight_g, residual_weight_g, axes_kg, mean_g, n_learning }, usable, profiles) {
    const z_g = usable.map((_, g) => mean(profiles.map((one) => one.z_g[g])));
    const e_g = usable.map((_, g) => mean(profiles.map((one) => one.e_g[g])));
    const gain_g = usable.map((g) => sqrt(max(1 - sum(axes_kg.map((axis_g) => axis_g[g] ** 2)), 1e-12)) * residual_weight_g[g]);
    const noise = 1 / profiles.length + 1 / n_learning;
    const size2 = max(0, typical(e_g) ** 2 - noise) / median(gain_g) ** 2;
    const whole2 = max(noise / 100, typical(z_g) ** 2 - noise);
    const shift_g = e_g.map((e, g) => e / gain_g[g]), d_g = z_g.map((z, g) => z / weight_g[usable[g]]);
    const concentration = (x_g) => sqrt(dot(x_g, x_g) / x_g.length) / max(typical(x_g), 1e-12);
    return {
      size: sqrt(size2),
      unexplained: size2 / whole2,
      fewGenes: min(...[e_g, shift_g, shift_g.map((shift, g) => shift / weight_g[usable[g]])].map(concentration)),
      level: shareOfLevel(usable.map((g) => mean_g[g]), d_g),
    };
  }

  // Share of a displacement that is a cubic polynomial of the rank of the expression level.
  function shareOfLevel(mean_g, d_g) {
    const rank_g = new Float64Array(mean_g.length);
    [...mean_g.keys()].sort((a, b) => mean_g[a] - mean_g[b]).forEach((g, rank) => (rank_g[g] = rank / mean_g.length - 0.5));
    const basis = [];
    let explained = 0;
    for (let power = 0; power < 4; power++) {
      const column_g = rank_g.map((rank) => rank ** power);
      for (let again = 0; again < 2; again++) {
        for (const other_g of basis) {
          const along = dot(column_g, other_g);
          other_g.forEach((value, g) => (column_g[g] -= along * value));
        }
      }
      const length = sqrt(dot(column_g, column_g));
      basis.push(column_g.map((value) => value / length));
      explained += dot(basis[power], d_g) ** 2;
    }
    return explained / max(dot(d_g, d_g), 1e-300);
  }

  function ofAll(says, { size, unexplained, fewGenes, level }, n) {
    const by = `by ${short(size, 2)} standard deviations in the typical gene`;
    if (size < says.SMALL) return ["fine", `the new samples are displaced as a whole, but only ${by}`];
    if (level > says.LEVEL) return ["refused", ofLevel(says, { level })];
    if (size > says.FAR && n >= says.SEVERAL) return ["refused", `the new samples are displaced ${by}: another platform or preparation`];
    if (size < says.MODERATE && unexplained < says.UNEXPLAINED) {
      return ["fine", `the new samples are displaced as a whole, but along the programmes in which the reference varies, which leave ${round(100 * unexplained)}% of what they leave of a shift`];
    }
    if (size < says.MODERATE && fewGenes > says.FEW_GENES) return ["fine", "the new samples are displaced as a whole, but in few genes"];
    return ["undecidable", `the new samples are displaced as a whole, ${by} and regardless of how genes vary together: another laboratory, or samples all of one new kind; ${says.condition}`];
  }

  function ofLevel(says, { level }) {
    return `genes are displaced by how strongly they are expressed (${round(100 * level)}% of the displacement): another scale or normalisation`;
  }

  // Three significant digits, as people read them.
  function short(value, digits = 3) {
    if (value === 0 || !Number.isFinite(value)) return String(value);
    const shown = Number(value.toPrecision(digits));
    return abs(shown) < 1e-4 || abs(shown) >= 10 ** max(digits, 6) ? value.toExponential(digits - 1) : String(shown);
  }

  // ---- Places on the maps of the run: `run.new_samples`, means of those of the nearest known samples.
  function placed({ normaliser, weight_kg, bias_k, rectified, latent_mk, spread_k, places }, samples) {
    const unit_k = spread_k.map((spread) => (spread > 0 ? spread : 1));
    return normalised(normaliser, samples).x_ng.map((x_g) => {
      const z_k = bias_k.map((bias, k) => dot(weight_kg[k], x_g) + bias).map((z) => fround(rectified ? max(z, 0) : z));
      const squared_m = latent_mk.map((known_k) => sum(z_k.map((z, k) => ((z - known_k[k]) / unit_k[k]) ** 2)));
      const near = [...squared_m.keys()].sort((a, b) => squared_m[a] - squared_m[b]).slice(0, NEAREST);
      const weight_j = near.map((m) => 1 / max(sqrt(squared_m[m]), 1e-9)), whole = sum(weight_j);
      const between = (at_m, axis) => sum(near.map((m, j) => weight_j[j] * at_m[m][axis])) / whole;
      return Object.fromEntries(Object.entries(places).map(([map, at_m]) => [map, [between(at_m, 0), between(at_m, 1)]]));
    });
  }

  // ---- All of it: what `tybalt-like score` says of samples, by the default detector.
  const SAME = 0.03, AT_ONCE = 8;

  async function assessed(payload, samples, { onProgress = () => {} } = {}) {
    const scale = scaleOf(samples.rows), other = otherUnits(samples);
    if (other.length) throw new DataError(`${other.length} of ${samples.names.length} samples are on another scale than the others (${some(other)}): some are logged and some are not; give all on one scale`);
    const { genes, filled, unscaled_ng, x_ng } = normalised(payload.normaliser, samples, scale);
    const [outcome, why] = payload.domain ? verdict(payload.domain, unscaled_ng) : ["fine", "whether they come from where the reference does cannot be checked"];
    const rows = [], model = weighed(payload);
    for (let n = 0; n < x_ng.length; n++) {
      if (n % AT_ONCE === 0) {
        onProgress(n, x_ng.length);
        await new Promise((resolve) => setTimeout(resolve));
      }
      const sample = encoded(payload.model, x_ng[n]);
      if (payload.profiles) sample.near = near(payload.profiles, x_ng[n]);
      const views = Object.fromEntries(Object.keys(payload.views).map((name) => [name, VIEWS[name](payload.views[name], sample)]));
      const { score, score_c } = combined(payload, payload.combination.views.map((name) => views[name]));
      const { p, extrapolated } = pValue(payload.calibration, score, score_c);
      const refused = outcome === "refused";
      rows.push({
        name: samples.names[n], views, z_k: sample.z_k, p: refused ? NaN : p, extrapolated: !refused && extrapolated,
        combined: softly(payload.combination, views), genes: geneScores(payload, model, { observed_g: unscaled_ng[n], x_g: x_ng[n], genes }),
      });
    }
    const q_n = adjustedPValues(rows.map((row) => row.p));
    rows.forEach((row, n) => Object.assign(row, { q: q_n[n], flagged: q_n[n] <= payload.fdr }));
    const notes = [];
    if (filled.length) notes.push(`${filled.length.toLocaleString("en")} of the ${genes.length.toLocaleString("en")} genes are missing and hold the reference median: ${some(filled)}`);
    const known = rows.filter((row) => row.views.nearest < SAME).map((row) => row.name);
    if (known.length) notes.push(`${known.length.toLocaleString("en")} of the samples are reference samples (${some(known)}): they look less strange than they are`);
    return { rows, scale, outcome, why, notes };
  }

  tybalt.detector = { DataError, unstored, assessed, placed, short };
}
