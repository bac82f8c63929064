// What the page shows, as CSV files.

/** A cell; a text that a spreadsheet would take for a formula is marked as text. */
function csvCell(value) {
  if (value === undefined || value === null) return "";
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function saveCsv(name, rows) {
  const text = rows.map((row) => row.map(csvCell).join(",")).join("\r\n");
  const link = element("a", { href: URL.createObjectURL(new Blob([`${text}\r\n`], { type: "text/csv" })), download: name });
  link.click();
  URL.revokeObjectURL(link.href);
}

/** The rows that the filters let through, in the table's order; a mean has its standard error beside it. */
function tableCsv() {
  const fields = table.getColumns().map((column) => column.getField()).filter((field) => field && !["id", "marks"].includes(field));
  const rows = table.getRows("active").map((row) => row.getData());
  const averaged = new Set(fields.filter((field) => rows.some((row) => row[field]?.mean !== undefined)));
  const heading = (field) => (/^(config|metric):/.test(field) ? splitField(field)[1] : field);
  return [
    fields.flatMap((field) => (averaged.has(field) ? [heading(field), `${heading(field)} standard error`] : [heading(field)])),
    ...rows.map((row) => fields.flatMap((field) => (averaged.has(field) ? [row[field]?.mean, row[field]?.error] : [row[field]]))),
  ];
}

/** The points of the charts on the screen, without the edges of bands. */
function chartCsv() {
  const panel = byId(`panel-${currentView()}`);
  const listed = [...panel.querySelectorAll(".js-plotly-plot")].flatMap((plot) => {
    const metric = plot.layout.yaxis?.title?.text ?? "";
    return plot.data.flatMap((trace) => tracePoints(trace).map((point) => [metric, trace.name, ...point]));
  });
  return [["chart", "line", "x", "y", "standard error", "run"], ...listed];
}

function tracePoints(trace) {
  if (trace.type === "parcoords") {
    return trace.dimensions.flatMap(({ label, values, ticktext, tickvals }) =>
      values.map((value, row) => [label, ticktext?.[tickvals.indexOf(value)] ?? value, undefined, state.paths.get(trace.customdata[row])]));
  }
  if (trace.line?.width === 0) return [];
  return (trace.y ?? trace.x ?? []).map((_, row) => [
    trace.x?.[row],
    trace.y?.[row],
    trace.error_y?.array?.[row],
    state.paths.get(trace.customdata?.[row]),
  ]);
}

function listenToDownloads() {
  byId("table-csv").addEventListener("click", () => saveCsv("runs.csv", tableCsv()));
  byId("chart-csv").addEventListener("click", () =>
    saveCsv(`${currentView()}.csv`, currentView() === "compare" ? compareCsv() : chartCsv()));
}
