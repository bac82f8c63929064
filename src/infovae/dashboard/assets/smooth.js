// Smoothing of curves.

/** The exponential moving average, without the bias of its start; gaps stay gaps. A weight of 0 leaves values as they are. */
function smoothed(values, weight) {
  if (!weight) return values;
  let [sum, count] = [0, 0];
  return values.map((value) => {
    if (value === null || value === undefined) return value;
    sum = weight * sum + (1 - weight) * value;
    count = weight * count + (1 - weight);
    return sum / count;
  });
}
