// What panels ask Prometheus, as Grafana asks it.

/** A time range and the server that is asked about it. Times are in seconds. */
export class Prometheus {
  constructor({ url, from, to, scrape, points }) {
    Object.assign(this, { url, from, to });
    // As Grafana computes them from the range, the data source's `timeInterval` and the panel's width.
    this.step = Math.max(scrape, Math.ceil((to - from) / points));
    this.rateInterval = Math.max(this.step + scrape, 4 * scrape);
  }

  async get(path, parameters) {
    const answer = await fetch(`${this.url}/api/v1/${path}?${new URLSearchParams(parameters)}`);
    const { status, data, error } = await answer.json();
    if (status !== 'success') throw new Error(`${parameters.query}: ${error}`);
    return data;
  }

  /** Series of `{ metric, samples }`, a sample being `[time, value]`, with `null`
   *  for a step that has none. An instant query is for the end of the range. */
  async query(expression, instant = false) {
    if (instant) {
      const { result } = await this.get('query', { query: expression, time: this.to });
      return result.map(({ metric, value }) => ({ metric, samples: [value] }));
    }
    // Grafana aligns a range to its step: the same points at each refresh.
    const [start, end] = [this.from, this.to].map((time) => Math.floor(time / this.step) * this.step);
    const { result } = await this.get('query_range', { query: expression, start, end, step: this.step });
    const times = Array.from({ length: (end - start) / this.step + 1 }, (_, index) => start + index * this.step);
    return result.map(({ metric, values }) => {
      const known = new Map(values);
      return { metric, samples: times.map((time) => [time, known.get(time) ?? null]) };
    });
  }

  /** Exemplars behind a query, as `{ time, value, labels }`: those that lie apart, as Grafana thins them out. */
  async exemplars(expression) {
    const series = await this.get('query_exemplars', { query: expression, start: this.from, end: this.to });
    const all = series.flatMap(({ exemplars }) => exemplars);
    const found = all.map(({ timestamp, value, labels }) => ({ time: timestamp, value: Number(value), labels }));
    return apart(found, this.step);
  }
}

/** In each step the highest, and of the others those that are a standard deviation lower than the last one taken. */
function apart(exemplars, step) {
  const mean = exemplars.reduce((sum, { value }) => sum + value, 0) / exemplars.length;
  const variance = exemplars.reduce((sum, { value }) => sum + (value - mean) ** 2, 0) / exemplars.length;
  const steps = Object.values(Object.groupBy(exemplars, ({ time }) => Math.floor(time / step)));
  return steps.flatMap((step) => {
    let last = Infinity;
    return step
      .toSorted((one, other) => other.value - one.value)
      .filter(({ value }) => {
        const taken = last - value >= Math.sqrt(variance);
        if (taken) last = value;
        return taken;
      });
  });
}

/** An expression with the dashboard's variables at their defaults. */
export function resolve(expression, dashboard, { rateInterval }) {
  const values = dashboard.templating.list.map(({ name, current, allValue }) => {
    const value = [current.value].flat().join('|');
    return [name, value === '$__all' ? allValue : value];
  });
  return [['__rate_interval', `${rateInterval}s`], ...values].reduce(
    (text, [name, value]) => text.replaceAll(`$${name}`, value),
    expression,
  );
}
