// Which way a metric is better, and its ideal, as infovae/metrics/meanings.py says.

const MEANINGS = JSON.parse(document.getElementById("meanings").textContent);

/** {better: "lower", "higher", "nearer" or null, ideal: a number or null, about: text} of a metric. */
function meaningOf(metric) {
  const name = metric.split("/").at(-1);
  const ending = Object.keys(MEANINGS.endings).find((end) => name.endsWith(end));
  const known = Object.hasOwn(MEANINGS.names, name) ? MEANINGS.names[name] : MEANINGS.endings[ending];
  const [better, ideal, about] = known ?? [null, null, ""];
  return { better, ideal, about };
}

/** The ideal of a metric in a run: of the covariance of codes, that of the run's own prior where it was measured. */
function idealIn(run, metric) {
  const ofPrior = run.metrics[metric.replace(/(sampled_)?log_det_covariance$/, "prior_log_det_covariance")];
  return metric.endsWith("log_det_covariance") && ofPrior !== undefined ? asNumber(ofPrior) : meaningOf(metric).ideal;
}

/** How bad a value is: less is better; NaN where neither way is. */
function badness(value, { better, ideal }) {
  return { lower: value, higher: -value, nearer: Math.abs(value - ideal) }[better] ?? NaN;
}
