// Drift of the chosen model: the heat map, and what moved in the newest window.

class Drift {
  constructor(open) {
    this.open = open;
    this.map = new HeatMap((feature, window) => open(feature, window));
    this.host = byId('drift');
    this.moved = make('div', { class: 'moved-list' });
    this.moved.addEventListener('click', (event) => {
      const button = event.target.closest('button');
      if (button) open(button.dataset.feature, button.dataset.window);
    });
  }

  update(model, data, now) {
    const drift = model.drift;
    byId('drift-controls').hidden = !data?.features.length && !byId('find').value;
    morph(byId('window-state'), drift ? this.state(drift, now) : '');
    byId('report').hidden = !data?.features.length;
    byId('report').href = `api/models/${encodeURIComponent(model.name)}/report.html`;
    const empty = this.empty(model, data, now);
    if (empty) {
      morph(this.host, empty);
      return;
    }
    this.choices(data);
    if (this.host.firstChild !== this.map.element) this.host.replaceChildren(this.map.element, this.moved);
    this.map.update(data, byId('view').value);
    this.list(data);
  }

  state(drift, now) {
    const parts = [plural(drift.false_alarms_per_week, 'false alarm') + ' a week accepted'];
    if (drift.baseline_rows) parts.push(`baseline of ${plural(drift.baseline_rows, 'row')}`);
    if (drift.open) {
      const left = drift.open.begin_s - (drift.open.begin_s % drift.window_s) + drift.window_s - now;
      const rows = drift.window_rows
        ? ` or ${plural(Math.max(0, drift.window_rows - drift.open.rows), 'row')}`
        : '';
      parts.push(
        `open window: ${plural(drift.open.rows, 'row')}, closes in ${duration(Math.max(0, left))}${rows}`,
      );
    }
    const failed = Object.entries(drift.failures);
    if (failed.length)
      parts.push(
        `failures of the monitor: ${failed.map(([part, n]) => `${part} ${n}`).join(', ')}; see the log`,
      );
    return parts.join(' · ');
  }

  empty(model, data, now) {
    const drift = model.drift;
    const box = (...content) =>
      make(
        'div',
        { class: 'empty' },
        content.map((part) => make('p', {}, part)),
      );
    if (!drift && model.active == null) return box('No version is serving, so nothing is counted.');
    if (!drift) {
      return box([
        make('strong', {}, 'Not monitored. '),
        'Give the model data to compare with when it is packed: ',
        make('code', {}, `penstock pack ${model.name} model.onnx --reference training.parquet`),
        ', or let the first live rows be that: ',
        make('code', {}, 'baseline_rows'),
        ' in its ',
        make('code', {}, 'monitor'),
        ' settings.',
      ]);
    }
    if (!drift.baseline_rows) {
      return drift.learning_rows
        ? box([
            make('strong', {}, 'Learning a baseline. '),
            `${plural(drift.learning_rows, 'more live row')} and there is something to compare with.`,
          ])
        : box([
            make('strong', {}, 'No baseline. '),
            'Rows are counted, but there is nothing to compare with. Pack the model with ',
            make('code', {}, '--reference'),
            ', or set ',
            make('code', {}, 'baseline_rows'),
            '.',
          ]);
    }
    if (data && (data.features.length || byId('find').value)) return null;
    if (!data) return box('Looking …');
    if (data.compare !== 'baseline' && data.windows.length) return null;
    return box([
      make('strong', {}, drift.open ? 'The first window is open. ' : 'No rows yet. '),
      drift.open
        ? `It has ${plural(drift.open.rows, 'row')}; this shows how they compare within some seconds.`
        : 'Features appear here as soon as requests are answered.',
    ]);
  }

  choices(data) {
    const fill = (select, options) => {
      const was = select.value;
      morph(
        select,
        options.map(([value, text]) => make('option', { value }, text)),
      );
      if (options.some(([value]) => value === was)) select.value = was;
      select.parentElement.hidden = options.length < 2;
    };
    fill(
      byId('compare'),
      data.comparisons.map((name) => [name, COMPARED[name]]),
    );
    fill(
      byId('version'),
      data.versions.length > 1
        ? [['', 'all'], ...data.versions.map((one) => [String(one), 'v' + one])]
        : [['', 'all']],
    );
    const shown = data.features.length;
    byId('matching').textContent =
      shown === data.n_features
        ? plural(shown, 'feature')
        : `${shown} of ${plural(data.n_features, 'feature')}`;
  }

  list(data) {
    const closed = data.windows.findLastIndex((one) => one.id !== WINDOW.open);
    const place = closed < 0 ? data.windows.length - 1 : closed;
    const found = data.features.filter((row) => row.alarm[place]);
    const one = data.windows[place];
    if (!found.length || !one) {
      morph(this.moved);
      return;
    }
    const rows = found
      .slice(0, 20)
      .map((row) =>
        make(
          'tr',
          {},
          make(
            'th',
            { scope: 'row' },
            make(
              'button',
              { class: 'link', type: 'button', 'data-feature': row.name, 'data-window': one.id },
              row.name,
            ),
          ),
          make('td', {}, tag(SEVERITY[row.alarm[place]])),
          make('td', { class: 'n' }, share(row.effect[place])),
          make('td', { class: 'n' }, probability(row.evidence[place])),
          make('td', { class: 'why' }, row.reason),
        ),
      );
    morph(
      this.moved,
      make(
        'h3',
        {},
        `Moved in the newest ${one.id === WINDOW.open ? 'rows' : 'window'}, ${span(one.begin_s, one.end_s)}`,
      ),
      make(
        'div',
        { class: 'wrap' },
        table([['Feature'], ['Severity'], ['Effect', true], ['p, corrected', true], ['What moved']], rows),
      ),
    );
  }
}
