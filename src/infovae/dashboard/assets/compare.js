// Chosen runs side by side: their metrics, with the best marked, and their config; only what differs.

function comparedRows(runs, isShort) {
  const { metrics, keys } = state.description;
  const chief = telltaleMetrics(metrics);
  const ordered = [...chief, ...metrics.filter((name) => !chief.includes(name) && !name.endsWith("_standard_error"))];
  const measured = ordered.map((name) => {
    const values = runs.map((run) => asNumber(run.metrics[name]));
    const errors = runs.map((run) => asNumber(run.metrics[`${name}_standard_error`]));
    const texts = values.map((value, at) => (value !== undefined && errors[at] ? formatMean({ mean: value, error: errors[at] }) : formatValue(value)));
    const meaning = meaningOf(name);
    const ideals = runs.map((run) => idealIn(run, name));
    const best = bestOf(values.map((value, at) => badness(value, { ...meaning, ideal: ideals[at] })));
    return { kind: "Metrics", name, values, texts, best, ...meaning, ideal: new Set(ideals).size === 1 ? ideals[0] : null };
  });
  const configured = keys.map((name) => {
    const values = runs.map((run) => run.config[name]);
    return { kind: "Config", name, values, texts: values.map(formatValue), best: new Set(), ideal: null, better: null, about: "" };
  });
  const tells = ({ texts }) => texts.some((text) => text !== MISSING) && (!isShort || runs.length < 2 || new Set(texts).size > 1);
  return [...measured, ...configured].filter(tells);
}

/** Positions of the least bad values, if one way is better and they aren't all the same. */
function bestOf(bad) {
  const least = Math.min(...bad.filter(Number.isFinite));
  const best = bad.flatMap((value, at) => (value === least ? [at] : []));
  return new Set(best.length < bad.length ? best : []);
}

function drawCompare() {
  const runs = picturedRuns();
  const rows = comparedRows(runs, byId("compare-differing").checked);
  const corner = ["", "ideal"].map((text) => element("th", { scope: "col", text }));
  const heads = runs.map((run) => element("th", { scope: "col", children: [heading(run)] }));
  const body = [];
  for (const [at, row] of rows.entries()) {
    if (row.kind !== rows[at - 1]?.kind) body.push(element("tr", { children: [element("th", { colspan: 2 + runs.length, class: "section", text: row.kind })] }));
    body.push(element("tr", { children: [
      element("th", { scope: "row", text: row.name, title: row.about }),
      element("td", { class: "ideal", text: idealText(row) }),
      ...row.texts.map((text, column) => element("td", row.best.has(column) ? { class: "best", text: `${text} ★`, title: "the best here" } : { text })),
    ] }));
  }
  byId("compared").replaceChildren(element("table", { children: [element("thead", { children: [element("tr", { children: [...corner, ...heads] })] }), element("tbody", { children: body })] }));
  note("compare-note", [
    !state.chosen.size && runs.length && "No run is chosen: these are the table's first three.",
    state.chosen.size > MOST_PICTURED && `The first ${MOST_PICTURED} of ${state.chosen.size} chosen runs.`,
    "★ marks the best value. It says nothing of chance: compare means over seeds before you conclude.",
  ]);
}

/** "0, nearer": the ideal and the direction. */
function idealText({ ideal, better }) {
  return [ideal === null ? undefined : formatNumber(ideal), better].filter(Boolean).join(", ");
}

function compareCsv() {
  const runs = picturedRuns();
  const rows = comparedRows(runs, byId("compare-differing").checked);
  return [["name", "ideal", ...runs.map((run) => state.paths.get(run.id))], ...rows.map((row) => [row.name, row.ideal, ...row.values])];
}
