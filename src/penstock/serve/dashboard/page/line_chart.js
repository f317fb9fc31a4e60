// Lines over time, with a cross-hair that all charts of a group share.

const HEIGHT = 132;
const LEFT = 46;
const RIGHT = 6;
const TOP = 8;
const BOTTOM = 20;

function rounded(top) {
  const unit = 10 ** Math.floor(Math.log10(top || 1));
  return unit * [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((step) => step * unit >= top * 0.999);
}

class LineChart {
  // series: [[name, key]]; format writes a value; least is the smallest top of the scale.
  constructor(group, title, series, format, { least = 0, marks = null, free = false } = {}) {
    Object.assign(this, { group, title, series, format, least, marks, free, at: [], columns: {} });
    this.svg = sv('svg', { class: 'plot', height: HEIGHT, role: 'img' });
    this.read = el('span', null, 'read');
    this.figure = make('figure', {}, make('figcaption', {}, title, this.read), this.svg);
    this.svg.addEventListener('pointermove', (event) => {
      const box = this.svg.getBoundingClientRect();
      const part = (event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT);
      this.group.point(this.from + Math.min(1, Math.max(0, part)) * (this.to - this.from));
    });
    this.svg.addEventListener('pointerleave', () => this.group.point(null));
    new ResizeObserver(() => this.draw()).observe(this.svg);
    group.charts.push(this);
  }

  update(at, columns, from, to) {
    Object.assign(this, { at, columns, from, to });
    this.draw();
  }

  draw() {
    const width = this.svg.clientWidth;
    if (!width || !this.at.length) return;
    const values = this.series.flatMap(([, key]) => this.columns[key] ?? []).filter((value) => value != null);
    let low = 0;
    let top = rounded(Math.max(this.least, ...values) || 1);
    if (this.free && values.length) {
      low = Math.min(...values);
      top = Math.max(...values);
      const room = (top - low) * 0.1 || Math.abs(top) * 0.1 || 1;
      low -= room;
      top += room;
    }
    const x = (t) => LEFT + ((width - LEFT - RIGHT) * (t - this.from)) / (this.to - this.from || 1);
    const y = (v) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - (v - low) / (top - low));
    this.x = x;
    const parts = [];
    for (let k = 0; k <= 2; k++) {
      const value = low + ((top - low) * k) / 2;
      parts.push(
        sv('line', { class: 'axis', x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }),
        sv('text', { x: LEFT - 6, y: y(value) + 4, 'text-anchor': 'end' }, this.format(value)),
      );
    }
    const fine = this.to - this.from < 120;
    const days = this.to - this.from > 129600;
    [
      [0, 'start'],
      [0.5, 'middle'],
      [1, 'end'],
    ].forEach(([part, anchor]) => {
      const t = this.from + part * (this.to - this.from);
      const text = days ? day(t) : clock(t, fine);
      parts.push(sv('text', { x: x(t), y: HEIGHT - 5, 'text-anchor': anchor }, text));
    });
    this.series.forEach(([, key], index) => {
      const line = this.path(this.columns[key] ?? [], x, y);
      if (index === 0 && !this.free)
        parts.push(sv('path', { class: 'area', d: this.area(this.columns[key] ?? [], x, y) }));
      parts.push(sv('path', { class: 's' + index, d: line }));
    });
    const [, first] = this.series[0];
    (this.marks ? (this.columns[this.marks] ?? []) : []).forEach((mark, i) => {
      const value = this.columns[first][i];
      if (mark && value != null)
        parts.push(
          sv('circle', { class: 'dot', cx: x(this.at[i]), cy: y(value), r: this.at.length > 60 ? 2.5 : 4 }),
        );
    });
    this.cross = sv('line', { class: 'cross', y1: TOP, y2: HEIGHT - BOTTOM, visibility: 'hidden' });
    this.svg.replaceChildren(...parts, this.cross);
    this.point(this.group.at);
  }

  path(column, x, y) {
    let text = '';
    let pen = false;
    column.forEach((value, i) => {
      if (value == null) pen = false;
      else {
        const alone = !pen && column[i + 1] == null;
        text += `${pen ? 'L' : 'M'}${x(this.at[i]).toFixed(1)} ${y(value).toFixed(1)}${alone ? 'h1.5' : ''}`;
        pen = true;
      }
    });
    return text;
  }

  area(column, x, y) {
    let text = '';
    let start = null;
    column.forEach((value, i) => {
      if (value == null) return;
      const at = x(this.at[i]).toFixed(1);
      if (start == null) text += `M${(start = at)} ${y(0)}`;
      text += `L${at} ${y(value).toFixed(1)}`;
      if (column[i + 1] == null) {
        text += `L${at} ${y(0)}Z`;
        start = null;
      }
    });
    return text;
  }

  // Show the values at a moment, of the newest step where there is none.
  point(at) {
    if (!this.cross || !this.at.length) return;
    let index = this.at.length - 1;
    if (at != null) {
      index = this.at.reduce((best, t, i) => (Math.abs(t - at) < Math.abs(this.at[best] - at) ? i : best), 0);
      const where = this.x(this.at[index]);
      this.cross.setAttribute('x1', where);
      this.cross.setAttribute('x2', where);
    }
    this.cross.setAttribute('visibility', at == null ? 'hidden' : 'visible');
    const read = this.series.map(([name, key], i) => [
      this.series.length > 1 && make('i', { class: 's' + i }),
      name && name + ' ',
      make('b', {}, this.format(this.columns[key]?.[index] ?? null)),
    ]);
    const when = at == null ? '' : ` at ${clock(this.at[index], this.to - this.from < 7200)}`;
    morph(this.read, ...read.flat(), when);
    const said = this.series.map(
      ([name, key]) => `${name} ${this.format(this.columns[key]?.[index] ?? null)}`,
    );
    this.svg.setAttribute('aria-label', `${this.title}: ${said.join(', ')}`);
  }
}

class ChartGroup {
  constructor() {
    this.charts = [];
    this.at = null;
  }

  point(at) {
    this.at = at;
    this.charts.forEach((chart) => chart.point(at));
  }
}

function spark(values, width = 96, height = 24) {
  const top = Math.max(...values, 1e-9);
  const step = width / Math.max(1, values.length - 1);
  const line = values.map(
    (value, i) => `${(i * step).toFixed(1)} ${(height - 2 - ((height - 4) * (value ?? 0)) / top).toFixed(1)}`,
  );
  const drawn = sv('svg', {
    class: 'spark',
    width,
    height,
    viewBox: `0 0 ${width} ${height}`,
    'aria-hidden': 'true',
  });
  if (values.length > 1) {
    drawn.append(
      sv('path', { class: 'area', d: `M0 ${height}L${line.join('L')}V${height}Z` }),
      sv('path', { d: 'M' + line.join('L') }),
    );
  }
  return drawn;
}
