// What is shown and when it is asked for. The address holds what is chosen, so that it can be shared.

const EVERY_MS = 2000;
const DRIFT_EVERY_MS = 12000;
const chosen = { model: '', feature: '', window: '', compare: '', span: '300' };
let paused = false;
let models = [];
let drift = null;
let driftOf = '';
let driftAt = 0;
let answered = 0;
let timer = 0;

function readAddress() {
  const found = new URLSearchParams(location.hash.slice(1));
  for (const name of Object.keys(chosen)) chosen[name] = found.get(name) ?? (name === 'span' ? '300' : '');
}

function writeAddress() {
  const kept = Object.entries(chosen).filter(
    ([name, value]) => value && !(name === 'span' && value === '300'),
  );
  history.replaceState(null, '', '#' + new URLSearchParams(kept));
}

const sheet = new FeatureSheet((feature, window, compare) => {
  Object.assign(chosen, { feature, window, compare: feature && compare !== 'baseline' ? compare : '' });
  writeAddress();
});
const openFeature = (feature, window) =>
  sheet.open(chosen.model, feature, window, byId('compare').value || 'baseline');
const driftView = new Drift(openFeature);
const trafficView = new Traffic(byId('charts'));

function headline(found) {
  const firing = found.alerts;
  const title = byId('headline');
  const worst = firing.find((alert) => alert.severity === 'high') ?? firing[0];
  if (!found.n_models) {
    title.className = 'waiting';
    return 'No model is deployed';
  }
  title.className = !found.ready || worst?.severity === 'high' ? 'moved' : (worst?.severity ?? 'quiet');
  const idle = found.ready ? '' : plural(found.reasons.length, 'model version') + ' cannot be served';
  if (found.n_firing === 1 && !idle) return `1 alert in ${worst.model}`;
  if (idle || worst) return [idle, worst && plural(found.n_firing, 'alert')].filter(Boolean).join(', ');
  if (found.models.some((model) => model.drift?.features != null)) return 'Nothing moved';
  return found.models.some((model) => model.drift?.baseline_rows)
    ? 'Nothing moved yet; the first window is open'
    : 'All models serve; none is compared with a baseline';
}

function facts(found) {
  const known = found.models.filter((model) => model.now.requests_per_s != null);
  const sum = (name) => (known.length ? known.reduce((total, model) => total + model.now[name], 0) : null);
  const slowest = Math.max(0, ...found.models.map((model) => model.now?.p99_s ?? 0));
  const serving = found.models.filter((model) =>
    model.versions.some((one) => one.active && one.state === 'READY'),
  ).length;
  return [
    fact('models serving', String(serving), make('small', {}, ` of ${found.n_models}`)),
    fact('requests/s', number(sum('requests_per_s'))),
    fact('rows/s', number(sum('rows_per_s'))),
    fact(found.models.length > 1 ? 'p99, slowest model' : 'p99', slowest ? duration(slowest) : DASH),
    fact('not OK/s', number(sum('failures_per_s'), 2)),
    fact('alerts', String(found.n_firing)),
  ];
}

// The model that is shown until somebody chooses: what fires, then what is monitored, then what is busy.
function mostToSay(list) {
  const weight = (model) => [
    model.drift?.firing ?? 0,
    Number(model.drift != null),
    model.now?.requests_per_s ?? 0,
  ];
  const above = (a, b) =>
    weight(b)
      .map((value, i) => value - weight(a)[i])
      .find((value) => value) ?? 0;
  return [...list].sort(above)[0]?.name ?? '';
}

function showOverview(found) {
  models = found.models;
  byId('trouble').hidden = found.ready;
  if (!found.ready) {
    byId('trouble').textContent = found.reasons
      .map((one) =>
        [one.model && `${one.model} version ${one.version}:`, one.reason].filter(Boolean).join(' '),
      )
      .join(' · ');
  }
  byId('headline').textContent = headline(found);
  document.title = (found.n_firing ? `(${found.n_firing}) ` : '') + 'Penstock';
  byId('server').textContent = `${found.server} · up ${age(found.now_s - found.started_s)}`;
  morph(byId('facts'), facts(found));
  morph(
    byId('firing'),
    found.alerts.map((alert) => alertCard(alert, found.now_s, true)),
  );
  if (!models.some((model) => model.name === chosen.model)) chosen.model = mostToSay(models);
  morph(
    byId('deployments'),
    models.length
      ? deploymentsTable(models, chosen.model)
      : make(
          'div',
          { class: 'empty' },
          make(
            'p',
            {},
            'The repository is empty. ',
            make('code', {}, 'penstock pack'),
            ' publishes a model into it.',
          ),
        ),
  );
}

async function showModel(found) {
  const model = models.find((one) => one.name === chosen.model);
  byId('model').hidden = !model;
  if (!model) return;
  const many = models.length > 1 ? ` of ${model.name}` : '';
  for (const [id, text] of [
    ['traffic', 'Traffic'],
    ['drift', 'Drift'],
    ['versions', 'Versions'],
    ['alerts', 'Earlier alerts'],
  ]) {
    byId(id + '-title').textContent = text + many;
  }
  morph(byId('versions'), versionsTable(model, found.now_s));
  const state = model.drift;
  const settings = driftSettings();
  const wanted = JSON.stringify([model.name, settings, state?.windows, state?.last_end_s, state?.firing]);
  const fresh = state && (wanted !== driftOf || (state.open && Date.now() - driftAt > DRIFT_EVERY_MS));
  const [traffic, newDrift, alerts] = await Promise.all([
    askModel(model.name, 'traffic', { span_s: chosen.span }),
    fresh ? askModel(model.name, 'drift', settings) : null,
    fresh ? askModel(model.name, 'alerts') : null,
  ]);
  if (model.name !== chosen.model) return;
  trafficView.update(traffic, model);
  if (fresh) [drift, driftOf, driftAt] = [newDrift, wanted, Date.now()];
  if (!state) [drift, driftOf] = [null, ''];
  driftView.update(model, drift, found.now_s);
  if (alerts || !state) {
    const ended = (alerts?.alerts ?? []).filter((alert) => !alert.firing);
    byId('alerts').parentElement.hidden = !ended.length;
    morph(
      byId('alerts'),
      ended.map((alert) => alertCard(alert, found.now_s, false)),
    );
  }
}

function driftSettings() {
  return {
    compare: byId('compare').value || 'baseline',
    version: byId('version').value,
    windows: byId('windows').value,
    find: byId('find').value.trim(),
  };
}

async function refresh() {
  clearTimeout(timer);
  try {
    const found = await ask('overview');
    showOverview(found);
    await showModel(found);
    answered = Date.now();
    byId('updated').textContent = paused ? 'paused' : `updated ${clock(found.now_s, true)}`;
    document.body.dataset.state = 'shown';
  } catch (error) {
    if (!error.status) console.error(error);
    const since = answered ? ' since ' + clock(answered / 1000, true) : '';
    byId('trouble').hidden = false;
    byId('trouble').textContent =
      error.status === 503
        ? 'The models are loading.'
        : `No answer from the server${since}: ${error.message}. Trying again.`;
  }
  clearTimeout(timer);
  if (!paused && !document.hidden) timer = setTimeout(refresh, EVERY_MS);
}

function choose(model) {
  chosen.model = model;
  [drift, driftOf] = [null, ''];
  byId('find').value = '';
  byId('version').value = '';
  writeAddress();
  refresh();
}

byId('deployments').addEventListener('click', (event) => {
  const row = event.target.closest('tr.pick');
  if (row && row.dataset.model !== chosen.model) choose(row.dataset.model);
});
for (const id of ['firing', 'alerts']) {
  byId(id).addEventListener('click', (event) => {
    const { model, feature } = event.target.closest('button')?.dataset ?? {};
    if (!feature) return;
    if (model !== chosen.model) choose(model);
    openFeature(feature, '');
  });
}
byId('spans').addEventListener('click', (event) => {
  const button = event.target.closest('button');
  if (!button) return;
  chosen.span = button.dataset.span;
  showSpan();
  writeAddress();
  refresh();
});
for (const id of ['view', 'compare', 'version', 'windows']) byId(id).addEventListener('input', refresh);
let typing = 0;
byId('find').addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(refresh, 250);
});
byId('pause').addEventListener('click', () => {
  paused = !paused;
  byId('pause').setAttribute('aria-pressed', paused);
  byId('updated').textContent = paused ? 'paused' : '';
  if (!paused) refresh();
});

function showSpan() {
  for (const button of byId('spans').children)
    button.setAttribute('aria-pressed', button.dataset.span === chosen.span);
}

// Dark or light: as the system has it until somebody chooses.
const dark = matchMedia('(prefers-color-scheme: dark)');
function showTheme(theme) {
  document.documentElement.dataset.theme =
    theme ?? localStorage.getItem('theme') ?? (dark.matches ? 'dark' : 'light');
}
dark.addEventListener('change', () => showTheme());
byId('theme').addEventListener('click', () => {
  const theme = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
  localStorage.setItem('theme', theme);
  showTheme(theme);
});

document.addEventListener('visibilitychange', () => document.hidden || refresh());
showTheme();
readAddress();
showSpan();
const { feature, window: at, compare } = chosen;
refresh().then(() => feature && chosen.model && sheet.open(chosen.model, feature, at, compare || 'baseline'));
