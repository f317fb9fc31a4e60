// Every deployment in a line, and the versions of one.

const STATES = { READY: 'quiet', LOADING: 'medium', UNLOADING: 'medium', UNAVAILABLE: 'high' };

function driftWord(drift) {
  if (!drift) return make('span', { class: 'dim' }, 'not monitored');
  if (!drift.baseline_rows) {
    return make(
      'span',
      { class: 'dim' },
      drift.learning_rows ? `learning: ${plural(drift.learning_rows, 'row')} to go` : 'no baseline',
    );
  }
  if (drift.features == null) return make('span', { class: 'dim' }, 'first window is open');
  if (!drift.n_moved) return tag('quiet', 'nothing moved');
  return tag(SEVERITY[drift.worst], `${drift.n_moved} of ${drift.features} moved`);
}

function deploymentsTable(models, selected) {
  const rows = models.map((model) => {
    const active = model.versions.find((one) => one.active);
    const now = model.now ?? {};
    const state = active?.state ?? model.versions[0]?.state ?? 'UNAVAILABLE';
    return make(
      'tr',
      { class: 'pick', 'data-model': model.name, 'aria-selected': String(model.name === selected) },
      make('th', { scope: 'row' }, make('button', { class: 'link', type: 'button' }, model.name)),
      make(
        'td',
        {},
        model.active == null ? DASH : 'v' + model.active,
        model.n_versions > 1 && make('small', {}, ` of ${model.n_versions}`),
      ),
      make('td', {}, tag(STATES[state] ?? 'medium', state.toLowerCase())),
      make('td', { class: 'brief' }, driftWord(model.drift)),
      make('td', { class: 'n' }, number(now.requests_per_s)),
      make('td', {}, spark(now.recent ?? [])),
      make('td', { class: 'n' }, number(now.rows_per_s)),
      make('td', { class: 'n' }, number(now.batch_rows)),
      make('td', { class: 'n' }, duration(now.p50_s)),
      make('td', { class: 'n' }, duration(now.p99_s)),
      make('td', { class: 'n' }, number(now.queue_rows)),
      make('td', { class: 'n' + (now.failures_per_s ? ' high' : '') }, number(now.failures_per_s, 2)),
    );
  });
  return table(
    [
      ['Model'],
      ['Active'],
      ['State'],
      ['Drift'],
      ['Requests/s', true],
      ['', true],
      ['Rows/s', true],
      ['Rows a batch', true],
      ['p50', true],
      ['p99', true],
      ['Rows waiting', true],
      ['Not OK/s', true],
    ],
    rows,
  );
}

function versionsTable(model, now) {
  const rows = model.versions.map((one) => {
    const failed = Object.entries(one.codes ?? {}).filter(([code]) => code !== 'OK');
    return make(
      'tr',
      {},
      make('th', { scope: 'row' }, 'v' + one.version, one.active && make('small', {}, ' active')),
      make(
        'td',
        {},
        one.state === 'UNAVAILABLE' && !one.reason
          ? tag('none', 'not loaded')
          : tag(STATES[one.state] ?? 'medium', one.state.toLowerCase()),
      ),
      make('td', { class: 'n' }, number(one.requests ?? null)),
      make('td', { class: 'n' }, number(one.rows ?? null)),
      make('td', { class: 'n' }, one.batches ? number(one.rows / one.batches) : DASH),
      make('td', { class: 'n' }, one.batches ? duration(one.base_cost_s) : DASH),
      make('td', { class: 'n' }, one.batches ? duration(one.row_cost_s) : DASH),
      make('td', { class: 'n' }, one.last_inference_s ? ago(one.last_inference_s, now) : DASH),
      make(
        'td',
        { class: 'why' },
        one.reason || failed.map(([code, count]) => `${code} ${count.toLocaleString('en')}`).join(', '),
      ),
    );
  });
  return table(
    [
      ['Version'],
      ['State'],
      ['Requests', true],
      ['Rows', true],
      ['Rows a batch', true],
      ['Cost of a batch', true],
      ['of a row more', true],
      ['Last answer', true],
      ['Why, and what was not OK'],
    ],
    rows,
  );
}
