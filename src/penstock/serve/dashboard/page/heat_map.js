// Features × windows. A path for each colour holds all its cells, so that 20,000 cells are a dozen elements.

const ROW = 20;
const HEAD = 58;
const GAP = 1;
const OPEN_GAP = 8;
const EFFECTS = [0.02, 0.05, 0.1, 0.2];
const EVIDENCE = [1, 2, 3, 6, 12];
const WINDOW = { open: 'open' };

const VIEWS = {
  alarms: {
    level: (row, i) => (row.alarm[i] ? 1 + EFFECTS.filter((least) => row.effect[i] >= least).length : 0),
    legend: ['no alarm', 'under 2 %', '2 – 5 %', '5 – 10 %', '10 – 20 %', '20 % and more'],
    what: 'Effect of what alarms: share of rows that changed',
    marks: false,
  },
  effect: {
    level: (row, i) => [0.01, ...EFFECTS].filter((least) => row.effect[i] >= least).length,
    legend: ['under 1 %', '1 – 2 %', '2 – 5 %', '5 – 10 %', '10 – 20 %', '20 % and more'],
    what: 'Effect, noise included: share of rows that changed',
    marks: true,
  },
  evidence: {
    level: (row, i) => EVIDENCE.filter((least) => row.evidence[i] >= least).length,
    legend: ['p above 0.1', '0.1 – 0.01', '0.01 – 0.001', '10⁻³ – 10⁻⁶', '10⁻⁶ – 10⁻¹²', 'below 10⁻¹²'],
    what: 'Evidence: corrected p-value',
    marks: true,
  },
};

class HeatMap {
  // open(feature, window id) is called when a cell or a name is chosen.
  constructor(open) {
    this.open = open;
    this.row = this.column = -1;
    this.corner = make(
      'div',
      { class: 'corner' },
      make('span', {}, 'alarms'),
      make('span', {}, 'end of window'),
    );
    this.times = sv('svg', { class: 'times', 'aria-hidden': 'true' });
    this.names = make('div', { class: 'names' });
    this.cells = sv('svg', {
      class: 'cells',
      tabindex: 0,
      role: 'application',
      'aria-roledescription': 'heat map',
    });
    this.said = make('div', { class: 'dim', role: 'status' });
    this.heat = make('div', { class: 'heat' }, this.corner, this.times, this.names, this.cells);
    this.legend = make('div', { class: 'legend' });
    this.element = make('div', {}, this.heat, this.legend, this.said);
    this.cells.addEventListener('pointermove', (event) => this.hover(event));
    this.cells.addEventListener('pointerleave', () => this.leave());
    this.cells.addEventListener('click', (event) => this.choose(...this.under(event)));
    this.cells.addEventListener('keydown', (event) => this.key(event));
    this.cells.addEventListener('blur', () => this.leave());
    this.names.addEventListener('click', (event) => {
      const button = event.target.closest('button');
      if (button) this.open(button.dataset.feature, '');
    });
    new ResizeObserver(() => this.data && this.width !== this.element.clientWidth && this.draw()).observe(
      this.element,
    );
  }

  update(data, view) {
    if (data === this.data && this.view === VIEWS[view]) return;
    const grown = this.data?.windows.length !== data.windows.length;
    Object.assign(this, { data, view: VIEWS[view] });
    this.draw();
    if (grown) this.heat.scrollLeft = this.heat.scrollWidth;
  }

  draw() {
    const { windows, features } = this.data;
    const count = windows.length;
    this.width = this.element.clientWidth;
    morph(
      this.names,
      features.map((row) =>
        make(
          'button',
          { type: 'button', 'data-feature': row.name, title: row.name },
          row.name,
          row.role !== 'feature' && make('small', {}, ' ' + row.role),
        ),
      ),
    );
    const room = this.width - this.names.offsetWidth - OPEN_GAP - 22;
    this.heat.style.scrollPaddingLeft = this.names.offsetWidth + 'px';
    this.size = Math.max(10, Math.min(32, Math.floor(room / Math.max(1, count))));
    const last = count - 1;
    const shift = windows[last]?.id === WINDOW.open && count > 1 ? OPEN_GAP : 0;
    this.left = (i) => i * this.size + 2 + (i === last ? shift : 0);
    const width = this.left(last) + this.size + 4;
    const height = features.length * ROW + 8;
    for (const [svg, tall] of [
      [this.times, HEAD],
      [this.cells, height],
    ]) {
      svg.setAttribute('width', width);
      svg.setAttribute('height', tall);
    }
    this.cells.setAttribute(
      'aria-label',
      `${plural(features.length, 'feature')} in ${plural(count, 'window')}. Arrow keys move, Enter opens.`,
    );
    this.drawTimes();
    this.drawCells(height);
    this.drawLegend();
  }

  drawTimes() {
    const { windows } = this.data;
    const parts = [];
    const most = Math.max(1, ...windows.map((one) => one.alarms ?? 0));
    const versions = windows.filter((one, i) => i && one.version !== windows[i - 1].version).length;
    const open = windows.at(-1)?.id === WINDOW.open;
    const edge = open ? this.left(windows.length - 1) + this.size - 42 : Infinity;
    let free = -Infinity;
    let date = '';
    let version = windows[0]?.version;
    windows.forEach((one, i) => {
      const x = this.left(i);
      const high = (20 * (one.alarms ?? 0)) / most;
      const now = one.id === WINDOW.open;
      if (high)
        parts.push(sv('rect', { class: 'count', x, y: 26 - high, width: this.size - GAP, height: high }));
      if (one.version !== version && versions <= 12) {
        parts.push(sv('text', { class: 'version', x: x + 1, y: 38 }, 'v' + one.version));
      }
      version = one.version;
      const today = day(one.end_s);
      const short = one.end_s - one.begin_s < 60;
      const text = now ? 'so far' : today === date ? clock(one.end_s, short) : today;
      const wide = short ? 56 : 42;
      if (!now && (x < free || x + wide > edge)) return;
      parts.push(
        sv('line', { class: 'tick', x1: x + this.size / 2, x2: x + this.size / 2, y1: HEAD - 4, y2: HEAD }),
        sv('text', { x: now ? x + this.size : x, y: HEAD - 8, 'text-anchor': now ? 'end' : 'start' }, text),
      );
      date = today;
      free = x + wide + 12;
    });
    this.times.replaceChildren(...parts);
  }

  drawCells(height) {
    const { windows, features } = this.data;
    const size = this.size - GAP;
    const shapes = Array.from({ length: 6 }, () => []);
    const blank = [];
    const marks = [];
    features.forEach((row, r) =>
      windows.forEach((_, c) => {
        const x = this.left(c);
        const y = r * ROW + 4;
        if (row.alarm[c] == null) blank.push(`M${x + size / 2 - 2} ${y + 9.5}h4`);
        else {
          shapes[this.view.level(row, c)].push(`M${x} ${y}h${size}v${ROW - GAP}h${-size}Z`);
          if (this.view.marks && row.alarm[c])
            marks.push(`M${x + size / 2 - 2.5} ${y + 9.5}a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0 -5 0`);
        }
      }),
    );
    const parts = shapes.map((shape, level) => sv('path', { class: 'l' + level, d: shape.join('') }));
    parts.push(
      sv('path', { class: 'blank', d: blank.join('') }),
      sv('path', { class: 'marks', d: marks.join('') }),
    );
    windows.forEach((one, i) => {
      if (i && one.version !== windows[i - 1].version) {
        const x = this.left(i) - 1;
        parts.push(sv('line', { class: 'rule', x1: x, x2: x, y1: 0, y2: height }));
      }
    });
    this.cursor = sv('rect', {
      class: 'cursor',
      width: this.size + 1,
      height: ROW + 1,
      visibility: 'hidden',
    });
    this.cells.replaceChildren(...parts, this.cursor);
  }

  drawLegend() {
    const swatch = (part) => {
      const drawn = sv('svg', { width: 16, height: 14, 'aria-hidden': 'true' });
      drawn.append(part);
      return drawn;
    };
    const keys = this.view.legend.map((text, level) =>
      make('span', {}, swatch(sv('rect', { class: 'l' + level, width: 16, height: 14 })), text),
    );
    keys.push(make('span', {}, swatch(sv('path', { class: 'blank', d: 'M5 7h6' })), 'not compared'));
    if (this.view.marks)
      keys.push(make('span', {}, swatch(sv('circle', { class: 'marks', cx: 8, cy: 7, r: 2.5 })), 'alarm'));
    this.legend.replaceChildren(make('span', {}, this.view.what + ':'), ...keys);
  }

  under(event) {
    const box = this.cells.getBoundingClientRect();
    const x = event.clientX - box.left;
    const row = Math.floor((event.clientY - box.top - 4) / ROW);
    const last = this.data.windows.length - 1;
    const column =
      x >= this.left(last) ? last : Math.min(Math.floor((x - 2) / this.size), Math.max(0, last - 1));
    return [row, Math.min(column, last)];
  }

  describe(row, column) {
    const feature = this.data.features[row];
    const one = this.data.windows[column];
    const rank = feature.alarm[column];
    const open = one.id === WINDOW.open;
    const when = open ? `so far, since ${moment(one.begin_s)}` : span(one.begin_s, one.end_s);
    const where = [when, `version ${one.version}`, plural(one.rows, 'row')];
    if (!one.complete && !open) where.push('closed early');
    const found = ['not compared: no counterpart, or too few rows'];
    if (rank != null) {
      const said = rank ? SEVERITY[rank] + ' alarm' : 'no alarm';
      const p = probability(feature.evidence[column]);
      found.splice(0, 1, said, `effect ${share(feature.effect[column])}`, `corrected p ${p}`);
    }
    return [feature.name, where.join(', '), found.join(', ')].join('\n');
  }

  point(row, column) {
    const { features, windows } = this.data;
    if (!features[row] || !windows[column]) return false;
    Object.assign(this, { row, column });
    this.cursor.setAttribute('x', this.left(column) - 1);
    this.cursor.setAttribute('y', row * ROW + 3);
    this.cursor.setAttribute('visibility', 'visible');
    return true;
  }

  hover(event) {
    const tip = byId('tip');
    tip.hidden = !this.point(...this.under(event));
    if (tip.hidden) return;
    tip.textContent = this.describe(this.row, this.column);
    const over = event.clientY > innerHeight - 130;
    tip.style.left = Math.max(8, Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8)) + 'px';
    tip.style.top = (over ? event.clientY - tip.offsetHeight - 12 : event.clientY + 18) + 'px';
  }

  leave() {
    byId('tip').hidden = true;
    this.cursor?.setAttribute('visibility', 'hidden');
  }

  choose(row, column) {
    const feature = this.data.features[row];
    const one = this.data.windows[column];
    if (feature && one) this.open(feature.name, feature.alarm[column] == null ? '' : one.id);
  }

  key(event) {
    const { features, windows } = this.data;
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (event.key === 'Enter' || event.key === ' ') this.choose(this.row, this.column);
    else if (event.key === 'Home' || event.key === 'End')
      this.point(Math.max(0, this.row), event.key === 'Home' ? 0 : windows.length - 1);
    else if (step && this.row < 0) this.point(0, windows.length - 1);
    else if (step) {
      this.point(
        Math.max(0, Math.min(this.row + step[0], features.length - 1)),
        Math.max(0, Math.min(this.column + step[1], windows.length - 1)),
      );
    } else return;
    event.preventDefault();
    if (this.row < 0) return;
    this.said.textContent = this.describe(this.row, this.column).replaceAll('\n', ', ');
    this.cursor.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  }
}
