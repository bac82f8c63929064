// Two metrics against each other, and the finished runs that no other beats in both.

const BADNESS = { low: (value) => value, high: (value) => -value, zero: (value) => Math.abs(value) };
const SIDES = { lower: "low", higher: "high", nearer: "zero" };

/** Of points [x, y], smaller being better, the positions of those that no other is at least as good as in both and better in one. */
function paretoFront(points) {
  const order = points.map((_, position) => position).sort((a, b) => points[a][0] - points[b][0] || points[a][1] - points[b][1]);
  const front = [];
  let [bestX, bestY] = [NaN, Infinity];
  for (const position of order) {
    const [x, y] = points[position];
    if (y < bestY || (y === bestY && x === bestX)) {
      front.push(position);
      [bestX, bestY] = [x, y];
    }
  }
  return front;
}

function drawPareto() {
  const { metrics } = state.description;
  for (const [side, preferred] of [["x", "test/log_det_covariance"], ["y", "test/reconstruction"]]) {
    const select = byId(`pareto-${side}`);
    offer(select, metrics, [preferred, "test/loss"]);
    if (select.dataset.guessed === select.value) continue;
    select.dataset.guessed = select.value;
    byId(`pareto-${side}-better`).value = SIDES[meaningOf(select.value).better] ?? "low";
  }
  const [xName, yName] = [byId("pareto-x").value, byId("pareto-y").value];
  const [xBad, yBad] = [BADNESS[byId("pareto-x-better").value], BADNESS[byId("pareto-y-better").value]];
  const runs = drawnRuns().filter((run) => Number.isFinite(asNumber(run.metrics[xName])) && Number.isFinite(asNumber(run.metrics[yName])));
  const finished = runs.filter((run) => run.status === "finished");
  const front = paretoFront(finished.map((run) => [xBad(run.metrics[xName]), yBad(run.metrics[yName])])).map((position) => finished[position]);
  const groups = fewGroups(colouredGroups(runs));
  const [x, y] = [xName, yName].map((name) => (run) => run.metrics[name]);
  const tell = (run) => `${plotText(xName)}: ${formatValue(x(run))}<br>${plotText(yName)}: ${formatValue(y(run))}`;
  const traces = groups.map((group) => pointsTrace(group, x, y, tell));
  const line = [...front].sort((one, other) => x(one) - x(other));
  const ink = isDark() ? "#e6edf3" : "#1f2328";
  traces.push({
    x: line.map(x),
    y: line.map(y),
    name: `Pareto front (${front.length})`,
    mode: "lines+markers",
    line: { dash: "dot", width: 1.5, color: ink },
    marker: { symbol: "circle-open", size: 15, color: ink },
    hoverinfo: "skip",
  });
  note("pareto-note", [
    `${front.length} of ${finished.length} finished runs are on the front: none is better in one and no worse in the other. Click a point to choose its run.`,
  ]);
  const scale = (side) => (byId(`pareto-log-${side}`).checked ? { type: "log" } : {});
  return draw("pareto-plot", traces, { xaxis: axis(xName, scale("x")), yaxis: axis(yName, scale("y")) });
}
