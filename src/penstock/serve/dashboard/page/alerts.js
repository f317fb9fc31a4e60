// Alerts: what moved, since when, and what to do next.

function findings(alert) {
  const rows = alert.findings.map((found) =>
    make(
      'tr',
      {},
      make(
        'th',
        { scope: 'row' },
        make(
          'button',
          { class: 'link', type: 'button', 'data-model': alert.model, 'data-feature': found.subject },
          found.subject,
        ),
      ),
      make('td', {}, tag(found.severity)),
      make('td', { class: 'why' }, found.reason),
      make('td', { class: 'n' }, share(found.effect)),
      make(
        'td',
        { class: 'n' },
        found.evidence == null ? DASH : probability(-Math.log10(Math.max(found.evidence, 1e-300))),
      ),
      make('td', { class: 'dim' }, `${found.check}, ${found.compared_with}`),
      make('td', { class: 'n dim' }, moment(found.since_s)),
    ),
  );
  const heads = [
    ['What'],
    ['Severity'],
    ['What moved'],
    ['Effect', true],
    ['By chance', true],
    ['Test'],
    ['Since', true],
  ];
  return make('div', { class: 'wrap' }, table(heads, rows));
}

function alertCard(alert, now, open) {
  const meta = [
    `${alert.model} version ${alert.version}`,
    alert.kind,
    `since ${moment(alert.since_s)} (${ago(alert.since_s, now)})`,
  ];
  if (alert.share != null) meta.push(`about ${share(alert.share)} of the traffic`);
  if (!alert.firing) meta.push(`resolved ${moment(alert.at_s)}`);
  const shown = alert.findings.length;
  const left = alert.n_findings - shown;
  return make(
    'article',
    { class: `alert ${alert.firing ? alert.severity : 'ended'}`, 'data-alert': alert.id },
    make(
      'header',
      {},
      tag(alert.firing ? alert.severity : 'none', alert.firing ? alert.severity : 'resolved'),
      make('h3', {}, alert.title),
    ),
    make('p', {}, meta.join(' · ')),
    alert.firing &&
      alert.next_steps.length > 0 &&
      make(
        'ul',
        {},
        alert.next_steps.map((step) => make('li', {}, step)),
      ),
    shown > 0 &&
      make(
        'details',
        { open: open && shown <= 8 },
        make('summary', {}, plural(alert.n_findings, 'finding')),
        findings(alert),
        left > 0 && make('p', {}, `and ${plural(left, 'more finding')}`),
      ),
  );
}
