// Runs that differ in nothing but their seed, taken together.

/** Groups of runs with equal values of the keys, in order of the values. Labels tell the keys that differ among the runs. */
function groupRuns(runs, keys) {
  const differs = (key) => runs.some((run) => (run.config[key] ?? null) !== (runs[0].config[key] ?? null));
  const told = keys.map((key, position) => [key, position]).filter(([key]) => differs(key));
  const short = shortKeys(keys);
  const groups = new Map();
  for (const run of runs) {
    const values = keys.map((key) => run.config[key]);
    const name = JSON.stringify(values.map((value) => value ?? null));
    if (!groups.has(name)) {
      const label = told.map(([key, position]) => `${short.get(key)}=${formatValue(values[position])}`).join(", ");
      groups.set(name, { name, label: label || "all runs", values, runs: [] });
    }
    groups.get(name).runs.push(run);
  }
  const order = (one, other) => keys.map((_, position) => inOrder(one.values[position], other.values[position])).find(Boolean) ?? 0;
  return [...groups.values()].sort(order);
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
