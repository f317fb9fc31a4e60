// One feature in one window: histograms, statistics, checks, and how it went.

class FeatureSheet {
  // changed(feature, window, compare) is told what is shown; all are empty when it closes.
  constructor(changed) {
    this.changed = changed;
    this.dialog = byId('feature');
    this.dialog.addEventListener('close', () => {
      this.shown = null;
      changed('', '', '');
    });
    this.dialog.addEventListener('click', (event) => {
      if (event.target === this.dialog) this.dialog.close();
      const button = event.target.closest('button');
      if (button?.dataset.step)
        this.open(this.shown.model, this.shown.name, button.dataset.step, this.shown.compare);
      if (button?.dataset.close != null) this.dialog.close();
    });
  }

  async open(model, name, window, compare) {
    const asked = (this.shown = { model, name, window, compare });
    let sheet;
    try {
      const found = await askModel(model, 'feature', { name, window, compare });
      asked.window = found.window.id;
      sheet = this.sheet(found);
    } catch (error) {
      sheet = [
        this.head(name),
        make('div', { class: 'empty' }, make('p', {}, `Nothing to show: ${error.message}.`)),
      ];
    }
    if (this.shown !== asked) return; // closed meanwhile, or another was asked for
    const focused = document.activeElement?.dataset?.place;
    this.dialog.replaceChildren(make('div', { class: 'sheet' }, sheet));
    if (!this.dialog.open) this.dialog.showModal();
    if (focused) this.dialog.querySelector(`[data-place="${focused}"]`)?.focus();
    this.draw?.();
    this.changed(name, asked.window, compare);
  }

  head(name, ...more) {
    return make(
      'header',
      {},
      make('h2', { id: 'feature-title' }, name),
      ...more,
      make(
        'span',
        { class: 'buttons' },
        make('button', { class: 'plain', type: 'button', 'data-close': true }, 'Close'),
      ),
    );
  }

  sheet(found) {
    const place = found.windows.indexOf(found.window.id);
    const open = found.window.id === WINDOW.open;
    const step = (text, to, name) =>
      make(
        'button',
        { class: 'plain', type: 'button', 'data-step': to ?? '', 'data-place': name, disabled: to == null },
        text,
      );
    const when = open
      ? `Open window, since ${moment(found.window.begin_s)}: no alarm is raised before it closes`
      : `${span(found.window.begin_s, found.window.end_s)}${found.window.complete ? '' : ', closed early'}`;
    const kind = found.role === 'feature' ? found.kind : `${found.role}, ${found.kind}`;
    this.draw = () => this.drawHistory(found);
    this.history = make('div', { class: 'charts' });
    const drawn = panel(found.detail);
    drawn.firstChild.append(this.history);
    return [
      this.head(found.name, make('span', { class: 'dim' }, `${kind}, ${found.type}`)),
      make(
        'div',
        { class: 'steps' },
        step('← Earlier', found.windows[place - 1], 'earlier'),
        step('Later →', found.windows[place + 1], 'later'),
        make('span', {}, `${when}, version ${found.window.version}`),
        make('span', { class: 'key' }, make('i'), 'reference', make('i', { class: 'c' }), 'current'),
      ),
      make(
        'p',
        { class: 'reason' },
        tag(found.alarm ? found.severity : 'none', found.alarm ? found.severity : 'no alarm'),
        '  ',
        found.reason,
      ),
      make(
        'dl',
        {},
        fact('effect', share(found.effect)),
        fact(
          'p, corrected',
          found.p_value == null ? DASH : probability(-Math.log10(Math.max(found.p_value, 1e-300))),
        ),
        fact('rows', found.n_current.toLocaleString('en')),
        fact(
          found.compare === 'baseline' ? 'rows of the baseline' : `rows of ${COMPARED[found.compare]}`,
          found.n_reference.toLocaleString('en'),
        ),
      ),
      found.notes.map((note) => make('p', { class: 'note' }, note)),
      drawn,
    ];
  }

  drawHistory(found) {
    const { history } = found;
    const at = history.end_s;
    if (at.length < 2) return;
    const group = new ChartGroup();
    const add = (title, key, format, more) => {
      if (!history[key]?.some((value) => value)) return;
      const chart = new LineChart(group, title, [['', key]], format, more);
      this.history.append(chart.figure);
      chart.update(at, history, at[0], at.at(-1));
    };
    add('Effect, window by window; dots alarm', 'effect', share, { least: 0.01, marks: 'alarm' });
    add('Mean', 'mean', (value) => number(value, 4), { free: true });
    add('Missing', 'missing', share, { least: 0.01 });
    add('Out of range', 'out_of_range', share, { least: 0.01 });
    add('Unseen', 'unseen', share, { least: 0.01 });
  }
}

const COMPARED = {
  baseline: 'the baseline',
  previous: 'the window before',
  hour: 'the same hour',
  weekday: 'the same weekday',
};
