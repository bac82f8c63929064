// The table of runs, or of groups of runs, by Tabulator. Its formatters make elements: strings would be markup.

let table; // the Tabulator
let tableShape; // what it was built for
let settling = false; // while rows are put in, selection events aren't the reader's

function rowsMode() {
  return document.querySelector("input[name=rows]:checked").value;
}

function runRow(run) {
  const row = { id: run.id, run: state.paths.get(run.id), status: run.status, epoch: asNumber(run.metrics.epoch), tags: run.tags.join(", ") };
  for (const field of columnFields()) row[field] = fieldValue(run, field);
  return row;
}

function groupRow(group) {
  const finished = group.runs.filter((run) => run.status === "finished").length;
  const row = { id: group.name, count: group.runs.length, finished, members: group.runs.map((run) => run.id) };
  groupKeys().forEach((key, position) => (row[`config:${key}`] = group.values[position]));
  for (const field of columnFields()) {
    const [kind, name] = splitField(field);
    if (kind === "metric") row[field] = average(group.runs, name);
  }
  return row;
}

function splitField(field) {
  const colon = field.indexOf(":");
  return [field.slice(0, colon), field.slice(colon + 1)];
}

function fieldValue(run, field) {
  const [kind, name] = splitField(field);
  return kind === "metric" ? asNumber(run.metrics[name]) : run.config[name];
}

function tableRows() {
  return rowsMode() === "runs" ? allRuns().map(runRow) : groupRuns(allRuns(), groupKeys()).map(groupRow);
}

/** A number that a cell sorts and filters by, else its text. */
function key(value) {
  return value !== null && typeof value === "object" ? value.mean : value;
}

function compare(one, other, oneRow, otherRow, column, direction) {
  const [a, b] = [key(one), key(other)];
  return rank(a) || rank(b) ? (rank(a) - rank(b)) * (direction === "asc" ? 1 : -1) : inOrder(a, b);
}

/** What is missing comes last, after nan. */
function rank(value) {
  return value === undefined || value === null ? 2 : Number.isNaN(value) ? 1 : 0;
}

/** Order values: numbers by size, then texts, then what is missing. */
function inOrder(a, b) {
  if (rank(a) || rank(b)) return rank(a) - rank(b);
  if (typeof a === "number" && typeof b === "number") return a === b ? 0 : a - b;
  if (typeof a === "number" || typeof b === "number") return typeof a === "number" ? -1 : 1;
  return String(a).localeCompare(String(b), "en", { numeric: true });
}

/** "> 0.5", "<= 3", "= 500" compare; anything else is looked for in the text. */
function matches(typed, value) {
  const comparison = /^\s*(<=|>=|!=|<|>|=)\s*(.*?)\s*$/.exec(typed);
  const cell = key(value);
  const text = formatValue(cell).replace("−", "-").toLowerCase();
  if (!comparison) return text.includes(typed.trim().replace("−", "-").toLowerCase());
  const [, operator, wanted] = comparison;
  if (wanted === "") return true;
  if (operator === "=") return text === wanted.toLowerCase() || cell === Number(wanted);
  if (operator === "!=") return text !== wanted.toLowerCase() && cell !== Number(wanted);
  if (typeof cell !== "number") return false;
  const number = Number(wanted);
  return { "<": cell < number, ">": cell > number, "<=": cell <= number, ">=": cell >= number }[operator];
}

function cellText(value) {
  return value !== null && typeof value === "object" ? formatMean(value) : formatValue(value);
}

function showCell(cell) {
  const value = cell.getValue();
  const text = cellText(value);
  const shown = element("span", { text, title: text });
  const row = cell.getData();
  if (value && value.count < row.finished) shown.append(element("small", { text: ` n=${value.count}` }));
  return shown;
}

function showStatus(cell) {
  const run = state.runs.get(cell.getData().id);
  const shown = element("span", { class: `status ${cell.getValue()}`, text: cell.getValue() });
  if (run?.problems.length) {
    shown.append(element("span", { class: "problem", text: " ⚠", title: run.problems.join("\n"), "aria-label": "has problems" }));
  }
  return shown;
}

function showEpoch(cell) {
  const shown = showCell(cell);
  const last = epochGoneBeyond(state.runs.get(cell.getData().id));
  if (last !== undefined) {
    shown.append(element("small", { text: ` of ${last}` }));
    shown.title = `ended with epoch ${last}; weights and metrics are those of epoch ${shown.title}`;
  }
  return shown;
}

function showRun(cell) {
  const run = state.runs.get(cell.getData().id);
  return linkToDetails(run, cell.getValue(), run.path);
}

function showCommand(cell) {
  const run = state.runs.get(cell.getData().id);
  return linkToDetails(run, "reproduce", run.command ?? "no command recorded");
}

function linkToDetails(run, text, title) {
  const link = element("a", { text, href: detailsLink(run), title });
  link.addEventListener("click", (event) => {
    event.stopPropagation(); // it doesn't choose the row
    event.preventDefault();
    linkDetails(run);
  });
  return link;
}

function showFinished(cell) {
  const { finished, count } = cell.getData();
  return element("span", { text: finished === count ? String(count) : `${finished} of ${count}` });
}

/** A button, so that the keyboard sorts too. */
function showTitle(heading) {
  const title = heading.getValue();
  return element("button", { type: "button", class: "sort", text: title, title });
}

function column(field, title, more = {}) {
  return {
    field,
    title,
    formatter: showCell,
    sorter: compare,
    headerFilter: "input",
    headerFilterFunc: matches,
    headerFilterParams: { elementAttributes: { "aria-label": `Filter ${title}` } },
    headerFilterPlaceholder: "filter",
    titleFormatter: showTitle,
    maxInitialWidth: 260,
    minWidth: 84,
    ...more,
  };
}

function metricColumn(field) {
  return column(field, splitField(field)[1], { hozAlign: "right", headerHozAlign: "right", cssClass: "number" });
}

function tableColumns() {
  const fields = columnFields();
  const metrics = fields.filter((field) => field.startsWith("metric:")).map(metricColumn);
  const configured = rowsMode() === "runs" ? fields.filter((field) => field.startsWith("config:")) : groupKeys().map((name) => `config:${name}`);
  const short = shortKeys(configured.map((field) => splitField(field)[1]));
  const config = configured.map((field) => column(field, short.get(splitField(field)[1])));
  if (rowsMode() === "groups") {
    const own = { field: "marks", title: "", formatter: showMarks, headerSort: false, width: 84, resizable: false };
    const count = column("finished", "finished", { formatter: showFinished, hozAlign: "right", headerHozAlign: "right" });
    return [own, ...config, count, ...metrics];
  }
  return [
    { field: "marks", title: "", formatter: showMarks, headerSort: false, frozen: true, width: 84, resizable: false },
    column("run", "run", { formatter: showRun, maxInitialWidth: innerWidth < 700 ? 130 : 320, frozen: true }),
    column("status", "status", { formatter: showStatus, minWidth: 110 }),
    ...config,
    column("epoch", "epoch", { formatter: showEpoch, hozAlign: "right", headerHozAlign: "right", cssClass: "number", minWidth: 70 }),
    ...metrics,
    ...(allRuns().some((run) => run.tags.length) ? [column("tags", "tags")] : []),
    { title: "command", field: "id", formatter: showCommand, headerSort: false, minWidth: 84 },
  ];
}

/** Build the table anew where its columns changed, else put the rows in; filters, order and choice stay. */
async function drawTable() {
  const columns = tableColumns();
  const shape = JSON.stringify([rowsMode(), columns.map(({ field, title }) => [field, title])]);
  if (shape === tableShape) {
    settling = true;
    const rows = tableRows();
    const kept = new Set(rows.map((row) => row.id));
    const gone = table.getData().map((row) => row.id).filter((id) => !kept.has(id));
    if (gone.length) await table.deleteRow(gone);
    await table.updateOrAddData(rows);
    settling = false;
    table.setSort(table.getSorters().map(({ field, dir }) => ({ column: field, dir })));
    table.refreshFilter();
    return;
  }
  const fields = new Set(columns.map(({ field }) => field));
  const before = table && {
    sort: table.getSorters().filter(({ field }) => fields.has(field)).map(({ field, dir }) => ({ column: field, dir })),
    filters: table.getHeaderFilters().filter(({ field }) => fields.has(field)),
  };
  settling = true;
  table?.destroy();
  tableShape = shape;
  const made = new Tabulator("#table", {
    data: tableRows(),
    columns,
    nestedFieldSeparator: false,
    layout: "fitDataFill",
    maxHeight: "min(56vh, 620px)",
    rowHeight: 30,
    frozenRows: (row) => isPinned(row.getData()),
    placeholder: element("span", { text: state.live ? "No runs yet" : "No runs" }),
    initialSort: before?.sort ?? view.sort.filter(({ column: field }) => fields.has(field)),
    initialHeaderFilter: before?.filters ?? view.filters.filter(({ field }) => fields.has(field)),
    columnDefaults: { resizable: "header" },
    selectableRows: true,
    selectableRowsPersistence: true,
    rowHeader: {
      formatter: "rowSelection",
      titleFormatter: "rowSelection",
      titleFormatterParams: { rowRange: "active" },
      headerSort: false,
      resizable: false,
      frozen: true,
      hozAlign: "center",
      headerHozAlign: "center",
      width: 40,
      minWidth: 40,
    },
  });
  table = made;
  await new Promise((built) => made.on("tableBuilt", built));
  made.on("dataFiltered", (filters, rows) => noteFiltered(rows));
  made.on("dataSorted", (sorters, rows) => noteFiltered(rows));
  made.on("rowSelectionChanged", (data) => chooseRows(data));
  search();
  const chosen = made.getRows().filter((row) => isChosen(row.getData()));
  if (chosen.length) made.selectRow(chosen);
  settling = false;
  noteFiltered(made.getRows("active"));
}

function isChosen(row) {
  return row.members ? row.members.length > 0 && row.members.every((number) => state.chosen.has(number)) : state.chosen.has(row.id);
}

function noteFiltered(rows) {
  if (settling) return;
  view.sort = table.getSorters().map(({ field, dir }) => ({ column: field, dir }));
  view.filters = table.getHeaderFilters().map(({ field, value }) => ({ field, value: String(value) }));
  saveViewSoon();
  const before = new Set(state.inTable);
  state.inTable = rows.flatMap((row) => row.getData().members ?? [row.getData().id]);
  const isSame = before.size === state.inTable.length && state.inTable.every((number) => before.has(number));
  if (!isSame || ["compare", "pictures"].includes(currentView())) drawViewsSoon(); // charts don't show the order
  noteChoice();
}

function chooseRows(rows) {
  if (settling) return;
  state.chosen = new Set(rows.flatMap((row) => row.members ?? [row.id]));
  noteChoice();
  drawViewsSoon();
}

/** Choose or unchoose a run from a chart. */
function toggleRun(number) {
  state.chosen.has(number) ? state.chosen.delete(number) : state.chosen.add(number);
  showChoice();
}

function showChoice() {
  settling = true;
  table.deselectRow();
  table.selectRow(table.getRows().filter((row) => isChosen(row.getData())));
  settling = false;
  noteChoice();
  drawViewsSoon();
}

function noteChoice() {
  saveViewSoon();
  byId("chosen-count").textContent = `${state.chosen.size} chosen`;
  byId("clear-choice").disabled = !state.chosen.size;
  const shown = new Set(state.inTable).size;
  const filtered = shown < state.runs.size ? `${shown} of ${state.runs.size} runs pass the filters. ` : "";
  const means = rowsMode() === "groups" ? "Means are over finished runs. " : "";
  byId("table-note").textContent = `${filtered}${means}Filters take text, or comparisons: > 0.5, <= 3, = 500, != vae.`;
}

function search() {
  const typed = byId("search").value.trim().toLowerCase();
  if (!table) return;
  table.clearFilter();
  const contains = (value) => cellText(value).toLowerCase().includes(typed);
  const searched = ([field, value]) => field !== "id" && field !== "members" && contains(value);
  if (typed) table.setFilter((row) => Object.entries(row).some(searched));
}
