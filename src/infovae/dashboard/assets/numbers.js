// Numbers as the page reads, shows and averages them.
"use strict";

const MISSING = "–";

/** A number, also one of the strings "nan", "inf", "-inf"; undefined for anything else. */
function asNumber(value) {
  if (typeof value === "number") return value;
  return { nan: NaN, inf: Infinity, "-inf": -Infinity }[value];
}

/** Five significant digits. */
function formatNumber(value) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "−inf";
  const size = Math.abs(value);
  const isPlain = value === 0 || (size >= 1e-4 && size < 1e6) || (Number.isInteger(value) && size < 1e9);
  if (!isPlain) return minus(value.toExponential(3).replace("e+", "e"));
  return minus(String(Number.isInteger(value) ? value : Number(value.toPrecision(5))));
}

/** A minus sign as wide as a plus, of the number; that of an exponent stays as it is typed. */
function minus(text) {
  return text.replace(/^-/, "−");
}

function formatValue(value) {
  if (value === undefined || value === null) return MISSING;
  return typeof value === "number" ? formatNumber(value) : String(value);
}

function mean(values) {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** Standard error of the mean, from the sample variance; undefined for fewer than two values. */
function standardError(values) {
  if (values.length < 2) return undefined;
  const centre = mean(values);
  const squares = values.reduce((sum, value) => sum + (value - centre) ** 2, 0);
  return Math.sqrt(squares / (values.length - 1) / values.length);
}

/** "mean ± standard error", the mean to the digit that the error has two of. */
function formatMean({ mean: centre, error }) {
  if (!error || !Number.isFinite(centre)) return formatNumber(centre);
  const digits = Math.min(8, Math.max(0, 1 - Math.floor(Math.log10(error))));
  const text = Math.abs(centre) >= 1e6 ? formatNumber(centre) : minus(centre.toFixed(digits));
  return `${text} ± ${error >= 1e6 ? formatNumber(error) : error.toFixed(digits)}`;
}
