// What a set of runs has in common and what tells them apart.

// How a run was named, kept, shown or placed on a machine, but not what it trained.
const BOOKKEEPING = /^(name|group|tags|run_dir|resume|ckpt_path|logger|sweep|callbacks|pictures|hydra|trainer\.(accelerator|devices|num_nodes|strategy|logger|callbacks|default_root_dir|log_every_n_steps|enable_\w+))(\.|$)/;

/** Whether a config key never groups runs, names them or makes a column. */
function isBookkeeping(key) {
  return BOOKKEEPING.test(key);
}

/**
 * Config keys that differ between runs, those that tell most first, and all metrics.
 * A key that splits the runs exactly as an earlier one does (data.seed beside seed) is that one's twin.
 */
function describe(runs) {
  const configured = runs.filter((run) => Object.keys(run.config).length);
  const keys = new Set();
  for (const run of configured) for (const key of Object.keys(run.config)) if (!isBookkeeping(key)) keys.add(key);
  const depth = (key) => key.split(".").length;
  const splits = new Map();
  const differing = [];
  for (const key of [...keys].sort((one, other) => depth(one) - depth(other))) {
    const seen = new Map();
    const split = configured.map((run) => {
      const value = Object.hasOwn(run.config, key) ? JSON.stringify(run.config[key]) : undefined;
      if (!seen.has(value)) seen.set(value, seen.size);
      return seen.get(value);
    });
    if (seen.size < 2) continue;
    const signature = split.join();
    differing.push({ key, twin: splits.has(signature), values: seen.size });
    if (!splits.has(signature)) splits.set(signature, key);
  }
  const metrics = new Set();
  for (const run of runs) for (const name of Object.keys(run.metrics)) metrics.add(name);
  const curves = new Set();
  for (const run of runs) for (const name of Object.keys(run.curves)) curves.add(name);
  return {
    keys: [...keys].sort(),
    differing,
    telling: differing.filter(({ twin }) => !twin).map(({ key }) => key),
    metrics: [...metrics].sort(),
    curves: [...curves].filter((name) => !["epoch", "step", "seconds"].includes(name)).sort(),
  };
}

const CHIEF = ["/log_det_covariance", "/mmd", "/elbo", "/reconstruction", "/rate", "/loss"];

/** The metrics that a reader wants first, the chief ones in front. */
function telltaleMetrics(metrics) {
  const rank = (name) => (CHIEF.findIndex((end) => name.endsWith(end)) + CHIEF.length + 1) % (CHIEF.length + 1);
  const plain = metrics.filter((name) => !name.endsWith("_standard_error")).sort((one, other) => rank(one) - rank(other));
  const tests = plain.filter((name) => name.startsWith("test/"));
  const evaluations = plain.filter((name) => name.startsWith("evaluation/test/"));
  const chosen = tests.length ? [...tests.slice(0, 8), ...evaluations.slice(0, 6)] : plain.slice(0, 8);
  return chosen.filter((name) => name !== "epoch");
}

function isSeed(key) {
  return key === "seed" || key.endsWith(".seed");
}

/** The last epoch of a run, where its weights are those of an earlier one. */
function epochGoneBeyond(run) {
  const last = run.curves.epoch?.at(-1);
  return run.metrics.epoch < last ? last : undefined;
}

/** Paths without the folders that all of them begin with. */
function shortPaths(runs) {
  const parts = runs.map((run) => run.path.split("/"));
  const first = parts[0] ?? [];
  let shared = 0;
  while (parts.every((path) => shared < path.length - 1 && path[shared] === first[shared]) && shared < first.length) shared++;
  // A number alone says little: the sweep's folder stays in front of it.
  if (shared && parts.some((path) => path.length - shared === 1 && /^\d+$/.test(path.at(-1)))) shared--;
  return new Map(runs.map((run, position) => [run.id, parts[position].slice(shared).join("/")]));
}

/** "train_size" for "data.train_size" where no other key ends so. */
function shortKeys(keys) {
  const count = new Map();
  const last = (key) => key.split(".").at(-1);
  for (const key of keys) count.set(last(key), (count.get(last(key)) ?? 0) + 1);
  return new Map(keys.map((key) => [key, count.get(last(key)) === 1 && last(key) !== "_target_" ? last(key) : key]));
}
