// How a metric is spread over the runs of each group: boxes or histograms.

function drawSpread() {
  offer(byId("spread-metric"), state.description.metrics, ["test/log_det_covariance", "test/loss"]);
  const metric = byId("spread-metric").value;
  const isBox = byId("spread-kind").value === "box";
  const runs = drawnRuns().filter((run) => Number.isFinite(asNumber(run.metrics[metric])));
  const groups = fewGroups(colouredGroups(runs));
  const traces = groups.map((group) => {
    const values = group.runs.map((run) => run.metrics[metric]);
    const shared = { name: legendText(group), marker: { color: group.colour, size: 6, symbol: group.symbol }, customdata: group.runs.map((run) => run.id) };
    if (!isBox) return { ...shared, type: "histogram", x: values, bingroup: "all", opacity: groups.length > 1 ? 0.6 : 0.9 };
    const text = group.runs.map((run) => `${describeRun(run)}<br>${formatValue(run.metrics[metric])}`);
    return { ...shared, type: "box", y: values, boxpoints: "all", jitter: 0.5, pointpos: 0, text, hoverinfo: "text" };
  });
  note("spread-note", [
    !runs.length && "No run here has this metric.",
    isBox ? "A box holds the middle half of a group's runs, with the median in it; each point is a run." : "The height is the number of runs.",
  ]);
  // Several groups have a legend: their names under the boxes as well would take half the chart.
  const look = isBox
    ? { xaxis: axis("", { showticklabels: groups.length === 1 }), yaxis: axis(metric) }
    : { xaxis: axis(metric), yaxis: axis("runs"), barmode: "overlay" };
  return draw("spread-plot", traces, look);
}
