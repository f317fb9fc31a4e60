// Throughput, latency and batch sizes of the chosen model.

class Traffic {
  constructor(host) {
    const group = new ChartGroup();
    const rate = (value) => number(value);
    this.lines = [
      new LineChart(group, 'Requests per second', [['', 'requests_per_s']], rate, { least: 1 }),
      new LineChart(
        group,
        'Latency',
        [
          ['p50', 'p50_s'],
          ['p95', 'p95_s'],
          ['p99', 'p99_s'],
        ],
        duration,
        { least: 1e-4 },
      ),
      new LineChart(group, 'Not OK per second', [['', 'failures_per_s']], rate, { least: 1 }),
      new LineChart(group, 'Rows per second', [['', 'rows_per_s']], rate, { least: 1 }),
      new LineChart(group, 'Rows a batch, mean', [['', 'batch_rows']], rate, { least: 1 }),
    ];
    this.bars = sv('svg', { class: 'plot', height: HEIGHT, role: 'img' });
    this.limits = el('span', null, 'read');
    const batches = make('figure', {}, make('figcaption', {}, 'Batches by size', this.limits), this.bars);
    this.host = host;
    this.figures = [...this.lines.map((line) => line.figure), batches];
    new ResizeObserver(() => this.total && this.drawBars()).observe(this.bars);
  }

  update(found, model) {
    const steps = found.steps;
    if (!steps) {
      const text =
        model.active == null
          ? 'No version is serving.'
          : 'Collecting: the first rates come within some seconds.';
      morph(this.host, make('div', { class: 'empty' }, make('p', {}, text)));
      return;
    }
    if (this.host.firstChild !== this.figures[0]) this.host.replaceChildren(...this.figures);
    const to = steps.at_s.at(-1);
    this.lines.forEach((line) => line.update(steps.at_s, steps, to - found.span_s, to));
    this.total = found.total;
    this.drawBars();
  }

  drawBars() {
    const { bounds, counts } = this.total.batch_rows;
    const width = this.bars.clientWidth;
    const all = counts.reduce((sum, n) => sum + n, 0);
    if (!width) return;
    const used = counts.map((n, i) => (n ? i : -1)).filter((i) => i >= 0);
    const first = used[0] ?? 0;
    const last = Math.min(Math.max((used.at(-1) ?? 0) + 1, first + 6), counts.length);
    const shown = counts.slice(first, last);
    const top = Math.max(...shown, 1);
    const step = (width - LEFT - RIGHT) / shown.length;
    const y = (n) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - n / top);
    const parts = [0, 0.5, 1].flatMap((part) => [
      sv('line', { class: 'axis', x1: LEFT, x2: width - RIGHT, y1: y(top * part), y2: y(top * part) }),
      sv(
        'text',
        { x: LEFT - 6, y: y(top * part) + 4, 'text-anchor': 'end' },
        all ? pct((top * part) / all) : '0 %',
      ),
    ]);
    shown.forEach((n, i) => {
      const low = first + i ? bounds[first + i - 1] + 1 : 1;
      const high = bounds[first + i];
      const text = high == null ? `${low}+` : low === high ? String(low) : `–${high}`;
      const rows = low === high ? plural(low, 'row') : `${low} ${high ? 'to ' + high : 'and more'} rows`;
      const bar = sv('rect', {
        class: 'bar0',
        x: LEFT + i * step + 2,
        width: Math.max(1, step - 4),
        y: y(n),
        height: y(0) - y(n),
      });
      bar.append(sv('title', {}, `${rows}: ${plural(n, 'batch', 'batches')}`));
      parts.push(
        bar,
        sv('text', { x: LEFT + (i + 0.5) * step, y: HEIGHT - 5, 'text-anchor': 'middle' }, text),
      );
    });
    this.bars.replaceChildren(...parts);
    this.bars.setAttribute('aria-label', `Sizes of ${plural(all, 'batch', 'batches')}`);
    const limits = Object.entries(this.total.limits)
      .filter(([, n]) => n)
      .sort((a, b) => b[1] - a[1])
      .slice(0, 2);
    morph(
      this.limits,
      all
        ? 'limited by ' + limits.map(([name, n]) => `${LIMITS[name] ?? name} ${pct(n / all)}`).join(', ')
        : 'none in this time',
    );
  }
}

const LIMITS = {
  all: 'what waited',
  max_rows: 'max_batch_rows',
  latency: 'latency objective',
  throughput: 'throughput',
  deadline: 'deadlines',
  alone: 'other inputs',
};
