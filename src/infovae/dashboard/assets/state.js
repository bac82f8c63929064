// All that the page knows: the runs, what is known about them, and what the reader chose.

const state = {
  live: false,
  version: 0,
  runs: new Map(),
  description: { keys: [], differing: [], telling: [], metrics: [], curves: [] },
  paths: new Map(),
  groupKeys: undefined, // undefined: all that tell, without seeds
  columns: undefined, // undefined: the telling keys and the telltale metrics
  inTable: [], // numbers of the runs that the filters let through, in the table's order
  chosen: new Set(),
  instance: undefined, // the server's, which takes notes from its own pages alone
};

function allRuns() {
  return [...state.runs.values()];
}

function groupKeys() {
  return state.groupKeys ?? state.description.telling.filter((key) => !isSeed(key));
}

/** Fields of the table: "config:KEY" and "metric:NAME". */
function columnFields() {
  return (
    state.columns ?? [
      ...state.description.telling.slice(0, 10).map((key) => `config:${key}`),
      ...telltaleMetrics(state.description.metrics).map((name) => `metric:${name}`),
    ]
  );
}

/** The runs that charts draw: those that the scope says and those that are pinned, without hidden ones. */
function drawnRuns() {
  const numbers = document.getElementById("scope").value === "chosen" ? [...state.chosen] : state.inTable;
  const pinned = allRuns().filter((run) => marks.pinned.has(run.path));
  const runs = new Set([...pinned, ...numbers.map((number) => state.runs.get(number)).filter(Boolean)]);
  return [...runs].filter((run) => !marks.hidden.has(run.path));
}

/** Take in what the server or the file tells; true where anything changed. */
function takeIn(data) {
  for (const number of data.gone) {
    state.runs.delete(number);
    state.chosen.delete(number);
  }
  for (const run of data.runs) state.runs.set(run.id, run);
  state.version = data.version;
  groupsOf.clear();
  if (!data.gone.length && !data.runs.length) return false;
  state.description = describe(allRuns());
  state.paths = shortPaths(allRuns());
  return true;
}
