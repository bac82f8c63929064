// Parallel coordinates over a sweep: a line a run, an axis a config key or a metric; drag along an axis to narrow.

// Viridis without the end that fades into the background.
const ON_LIGHT = [[0, "#440154"], [0.3, "#3b528b"], [0.6, "#1f8a85"], [0.8, "#3a9a4a"], [1, "#b09a00"]];
const ON_DARK = [[0, "#6d7fd6"], [0.35, "#2aa9a0"], [0.7, "#5ec962"], [1, "#fde725"]];
const parallel = { axes: undefined };

function parallelAxes() {
  const { telling, metrics } = state.description;
  const usual = [...telling.filter((key) => !isSeed(key)).slice(0, 6).map((key) => `config:${key}`), ...telltaleMetrics(metrics).slice(0, 4).map((name) => `metric:${name}`)];
  return parallel.axes ?? usual;
}

function drawParallel() {
  const { metrics } = state.description;
  offer(byId("parallel-colour"), metrics, ["test/loss", "test/log_det_covariance"]);
  const coloured = byId("parallel-colour").value;
  const fields = parallelAxes();
  const all = drawnRuns();
  const runs = all.filter((run) => [...fields, `metric:${coloured}`].every((field) => !field.startsWith("metric:") || Number.isFinite(fieldValue(run, field))));
  const notes = ["Drag along an axis to narrow, drag its name to move it."];
  if (runs.length < all.length) notes.unshift(`${all.length - runs.length} runs lack one of the metrics and are left out.`);
  note("parallel-note", notes);
  if (!runs.length || !fields.length) return draw("parallel-plot", [], { xaxis: { visible: false }, yaxis: { visible: false } });
  const trace = {
    type: "parcoords",
    customdata: runs.map((run) => run.id),
    dimensions: fields.map((field) => dimension(runs, field)),
    line: {
      color: runs.map((run) => asNumber(run.metrics[coloured])),
      colorscale: isDark() ? ON_DARK : ON_LIGHT,
      showscale: true,
      colorbar: { title: { text: plotText(coloured, 30), side: "right" }, thickness: 14 },
    },
    labelangle: -12,
    labelside: "top",
    rangefont: { color: "rgba(0, 0, 0, 0)" }, // the ends of an axis would stand in its name
    unselected: { line: { opacity: 0.06 } },
  };
  return draw("parallel-plot", [trace], { margin: { l: 70, r: 30, t: 80, b: 30 } });
}

function dimension(runs, field) {
  const values = runs.map((run) => fieldValue(run, field));
  const label = plotText(splitField(field)[1], 28);
  if (values.every((value) => typeof value === "number") && (field.startsWith("metric:") || new Set(values).size > 12)) {
    return { label, values };
  }
  // Few values, or words: evenly spaced, numbers in their order.
  const kinds = [...new Set(values)].sort(inOrder);
  const position = new Map(kinds.map((value, place) => [value, place]));
  const shown = kinds.length > 20 ? kinds.filter((_, place) => place % Math.ceil(kinds.length / 20) === 0) : kinds;
  return {
    label,
    values: values.map((value) => position.get(value)),
    range: kinds.length === 1 ? [-1, 1] : [0, kinds.length - 1],
    tickvals: shown.map((value) => position.get(value)),
    ticktext: shown.map((value) => plotText(formatValue(value), 24)),
  };
}
