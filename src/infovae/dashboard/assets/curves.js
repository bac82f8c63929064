// Any metric over epochs or wall time: each run, or mean and standard error of each group.

const MOST_LINES = 300;

const curves = { further: [] }; // metrics of the charts below the first

async function drawCurves() {
  offer(byId("curves-metric"), state.description.curves, ["test/log_det_covariance", "validation/log_det_covariance", "validation/loss"]);
  const further = curves.further.filter((metric) => state.description.curves.includes(metric));
  const grid = byId("curves-further");
  for (const plot of [...grid.children].slice(further.length)) Plotly.purge(plot), plot.remove();
  while (grid.children.length < further.length) grid.append(element("div", { class: "plot", id: `curves-plot-${grid.children.length + 2}` }));
  await drawCurve("curves-plot", byId("curves-metric").value);
  for (const [at, metric] of further.entries()) await drawCurve(`curves-plot-${at + 2}`, metric, { showlegend: false });
  for (const plot of grid.children) Plotly.Plots.resize(plot); // a chart beside it makes it narrower
}

function drawCurve(id, metric, look = {}) {
  const over = byId("curves-over").value;
  const weight = Number(byId("curves-smooth").value);
  const runs = drawnRuns().filter((run) => run.curves[metric]?.length && run.curves.epoch);
  const groups = colouredGroups(runs);
  const notes = [];
  let traces;
  if (byId("curves-lines").value === "mean") {
    if (groups.length > MOST_GROUPS) notes.push(`The first ${MOST_GROUPS} of ${groups.length} groups are drawn: group by fewer keys, or filter.`);
    const some = groups.slice(0, MOST_GROUPS);
    const opacity = Math.min(0.2, 0.8 / some.length); // many bands would become one slab
    traces = some.flatMap((group) => meanTraces(group, metric, over, opacity, weight));
    notes.push("Bands are ± one standard error over the runs that reached the epoch.");
  } else {
    if (runs.length > MOST_LINES) notes.push(`The first ${MOST_LINES} of ${runs.length} runs are drawn: filter or choose runs.`);
    const kept = new Set(runs.slice(0, MOST_LINES));
    traces = groups.flatMap((group) => runTraces({ ...group, runs: group.runs.filter((run) => kept.has(run)) }, metric, over, weight));
  }
  if (!runs.length) notes.unshift("No run here has this metric over epochs.");
  if (weight) notes.push(`Smoothed: a moving average that forgets ${Math.round(100 * (1 - weight))} % at each epoch; hover for the values.`);
  note("curves-note", notes);
  const scale = byId("curves-log").checked ? { type: "log" } : {};
  const title = over === "epoch" ? "epoch" : "wall time (minutes)";
  return draw(id, traces, { xaxis: axis(title), yaxis: axis(metric, scale), ...look });
}

function horizontal(run, over) {
  return over === "epoch" ? run.curves.epoch : (run.curves.seconds ?? []).map((value) => (value === null ? null : value / 60));
}

/** For each epoch the mean over the runs that have it; a nan there makes a gap. */
function meanCurve(runs, metric, over) {
  const epochs = new Map();
  for (const run of runs) {
    const places = horizontal(run, over);
    run.curves.epoch.forEach((epoch, row) => {
      if (!epochs.has(epoch)) epochs.set(epoch, { places: [], values: [] });
      epochs.get(epoch).places.push(places[row]);
      epochs.get(epoch).values.push(run.curves[metric][row]);
    });
  }
  const sorted = [...epochs].sort(([one], [other]) => one - other);
  return sorted.map(([epoch, { places, values }]) => ({
    epoch,
    place: mean(places),
    mean: values.includes(null) ? null : mean(values),
    error: values.includes(null) ? undefined : standardError(values),
    count: values.length,
  }));
}

function meanTraces(group, metric, over, opacity, weight) {
  const points = meanCurve(group.runs, metric, over);
  const shared = { legendgroup: group.name, hoverinfo: "skip", showlegend: false, mode: "lines", line: { width: 0 } };
  const x = points.map((point) => point.place);
  const banded = points.filter((point) => point.error !== undefined);
  const edge = (sign) => smoothed(banded.map((point) => point.mean + sign * point.error), weight);
  return [
    {
      ...shared,
      x: banded.map((point) => point.place),
      y: edge(-1),
    },
    {
      ...shared,
      x: banded.map((point) => point.place),
      y: edge(1),
      fill: "tonexty",
      fillcolor: transparent(group.colour, opacity),
    },
    {
      x,
      y: smoothed(points.map((point) => point.mean), weight),
      name: legendText(group),
      legendgroup: group.name,
      mode: points.length > 60 ? "lines" : "lines+markers",
      line: { color: group.colour, width: 2, dash: group.dash },
      marker: { color: group.colour, size: 5 },
      text: points.map((point) => `${wrapped(group.label)}<br>epoch ${point.epoch}: ${point.mean === null ? "" : formatMean(point)}, n=${point.count}`),
      hoverinfo: "text",
    },
  ];
}

function runTraces(group, metric, over, weight) {
  return group.runs.map((run, position) => ({
    x: horizontal(run, over),
    y: smoothed(run.curves[metric], weight),
    name: legendText(group),
    legendgroup: group.name,
    showlegend: position === 0,
    mode: run.curves.epoch.length > 60 ? "lines" : "lines+markers",
    line: { color: runColour(run, group), width: state.chosen.has(run.id) ? 3 : 1.3, dash: group.dash },
    marker: { color: runColour(run, group), size: 4 },
    customdata: run.curves.epoch.map(() => run.id),
    text: run.curves.epoch.map((epoch, row) => `${describeRun(run)}<br>epoch ${epoch}: ${formatValue(run.curves[metric][row] ?? undefined)}`),
    hoverinfo: "text",
  }));
}
