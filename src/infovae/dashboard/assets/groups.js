// Runs that differ in nothing but their seed, taken together.

/** Groups of runs with equal values of the keys, by label, in order of label. */
function groupRuns(runs, keys) {
  const short = shortKeys(keys);
  const groups = new Map();
  for (const run of runs) {
    const values = keys.map((key) => run.config[key]);
    const name = JSON.stringify(values.map((value) => value ?? null));
    if (!groups.has(name)) {
      const told = keys.map((key, position) => `${short.get(key)}=${formatValue(values[position] ?? "none")}`);
      groups.set(name, { name, label: told.join(", ") || "all runs", values, runs: [] });
    }
    groups.get(name).runs.push(run);
  }
  return [...groups.values()].sort((one, other) => one.label.localeCompare(other.label, "en", { numeric: true }));
}

/** Mean and standard error of a metric over finished runs; undefined where none has it. A nan makes a nan. */
function average(runs, metric) {
  const values = runs
    .filter((run) => run.status === "finished")
    .map((run) => asNumber(run.metrics[metric]))
    .filter((value) => value !== undefined);
  if (!values.length) return undefined;
  return { mean: mean(values), error: standardError(values), count: values.length };
}
