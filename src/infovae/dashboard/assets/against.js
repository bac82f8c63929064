// Any metric against any config key: a point a run, a line through the means of each group.

function drawAgainst() {
  const { metrics, differing, telling } = state.description;
  offer(byId("against-metric"), metrics, ["test/log_det_covariance", "test/loss"]);
  const numeric = telling.filter((key) => !isSeed(key) && allRuns().some((run) => typeof run.config[key] === "number"));
  const keys = [...telling, ...differing.map(({ key }) => key).filter((key) => !telling.includes(key))];
  offer(byId("against-key"), keys, ["data.train_size", ...numeric]);
  const metric = byId("against-metric").value;
  const key = byId("against-key").value;
  const runs = drawnRuns().filter((run) => run.config[key] !== undefined && Number.isFinite(asNumber(run.metrics[metric])));
  const isNumeric = runs.length > 0 && runs.every((run) => typeof run.config[key] === "number");
  const logarithmic = byId("against-log-x").checked && isNumeric && runs.every((run) => run.config[key] > 0);
  const place = (value) => (isNumeric ? value : plotText(formatValue(value), 40));
  const groups = fewGroups(colouredGroups(runs, key));
  const measured = (run) => run.metrics[metric];
  const traces = groups.flatMap((group) => [
    { ...pointsTrace(group, (run) => place(run.config[key]), measured, (run) => formatValue(measured(run))), legendgroup: group.name },
    ...(group.isRest ? [] : [meansTrace(group, metric, key, place)]),
  ]);
  const notes = ["Lines join the means of finished runs; bars are ± one standard error."];
  if (!keys.length) notes.unshift("The runs differ in no config key.");
  else if (!runs.length) notes.unshift("No run here has both.");
  if (byId("against-log-x").checked && isNumeric && !logarithmic) notes.unshift("Not all values are positive: x is linear.");
  note("against-note", notes);
  const categories = [...new Set(runs.map((run) => run.config[key]))].sort(inOrder).map(place);
  const ticks = [...new Set(runs.map((run) => run.config[key]))].sort((one, other) => one - other);
  const few = logarithmic && ticks.length <= 12 ? { tickvals: ticks, ticktext: ticks.map(formatNumber) } : {};
  return draw("against-plot", traces, {
    xaxis: axis(key || "config key", isNumeric ? { type: logarithmic ? "log" : "linear", ...few } : { type: "category", categoryorder: "array", categoryarray: categories }),
    yaxis: axis(metric, byId("against-log-y").checked ? { type: "log" } : {}),
  });
}

function meansTrace(group, metric, key, place) {
  const values = [...new Set(group.runs.map((run) => run.config[key]))].sort(inOrder);
  const points = values
    .map((value) => ({ value, ...average(group.runs.filter((run) => run.config[key] === value), metric) }))
    .filter((point) => point.count);
  return {
    x: points.map((point) => place(point.value)),
    y: points.map((point) => point.mean),
    error_y: { type: "data", array: points.map((point) => point.error ?? 0), thickness: 1.5, width: 4, color: group.colour },
    legendgroup: group.name,
    showlegend: false,
    mode: "lines",
    line: { color: group.colour, width: 2, dash: group.dash },
    text: points.map((point) => `${wrapped(group.label)}<br>${plotText(key)}=${plotText(formatValue(point.value))}: ${formatMean(point)}, n=${point.count}`),
    hoverinfo: "text",
  };
}
