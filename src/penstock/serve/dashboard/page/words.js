// Numbers, times and small pieces of the page.

const DASH = '–';

function number(value, digits = 3) {
  if (value == null) return DASH;
  if (value !== 0 && Math.abs(value) < 0.001) return value.toExponential(1);
  const places =
    Math.abs(value) >= 100 ? 0 : Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value) || 1)));
  return value.toLocaleString('en', { maximumFractionDigits: Math.min(places, 4) });
}

function share(value) {
  return value == null ? DASH : pct(value);
}

function duration(seconds) {
  if (seconds == null) return DASH;
  if (seconds === 0) return '0 s';
  if (seconds < 1e-3) return number(seconds * 1e6) + ' µs';
  if (seconds < 1) return number(seconds * 1e3) + ' ms';
  if (seconds < 90) return number(seconds) + ' s';
  if (seconds < 5400) return Math.round(seconds / 60) + ' min';
  if (seconds < 172800) return number(seconds / 3600, 2) + ' h';
  return Math.round(seconds / 86400) + ' days';
}

function probability(evidence) {
  if (evidence == null) return DASH;
  if (evidence >= 300) return '< 10⁻³⁰⁰';
  if (evidence < 3) return number(10 ** -evidence, 2);
  return '10' + ('-' + Math.round(evidence)).replace(/./g, (c) => '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'['-0123456789'.indexOf(c)]);
}

const CLOCK = { hour: '2-digit', minute: '2-digit' };
const DAY = { day: 'numeric', month: 'short' };

function clock(seconds, fine = false) {
  return new Date(seconds * 1000).toLocaleTimeString('en-GB', fine ? { ...CLOCK, second: '2-digit' } : CLOCK);
}

function day(seconds) {
  return new Date(seconds * 1000).toLocaleDateString('en-GB', DAY);
}

function moment(seconds) {
  const today = day(seconds) === day(Date.now() / 1000);
  return (today ? '' : day(seconds) + ', ') + clock(seconds);
}

function span(begin, end) {
  const fine = end - begin < 120;
  const to = day(begin) === day(end) ? '' : day(end) + ', ';
  return `${day(begin)}, ${clock(begin, fine)} – ${to}${clock(end, fine)}`;
}

const age = (seconds) => duration(seconds < 90 ? Math.round(Math.max(0, seconds)) : seconds);
const ago = (seconds, now) => age(now - seconds) + ' ago';
const plural = (count, one, many = one + 's') => `${count.toLocaleString('en')} ${count === 1 ? one : many}`;

const SEVERITY = ['none', 'low', 'medium', 'high'];

// What is there to be put into the page: no gaps, and text as nodes.
function nodes(content) {
  return content
    .flat()
    .filter((part) => part != null && part !== false && part !== '')
    .map((part) => (part instanceof Node ? part : document.createTextNode(part)));
}

// An element with content: strings are text, never markup.
function make(tag, attributes, ...content) {
  const made = el(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === true) made.setAttribute(name, '');
    else if (value != null && value !== false) made.setAttribute(name, value);
  }
  made.append(...nodes(content));
  return made;
}

const tag = (severity, text = severity) => make('span', { class: 'tag ' + severity }, text);
const fact = (name, ...value) => make('div', {}, make('dt', {}, name), make('dd', {}, ...value));
const byId = (id) => document.getElementById(id);

function table(heads, rows, more = {}) {
  const head = heads.map(([text, numeric]) => make('th', { scope: 'col', class: numeric && 'n' }, text));
  return make(
    'table',
    { class: 'list', ...more },
    make('thead', {}, make('tr', {}, head)),
    make('tbody', {}, rows),
  );
}

// Bring an element to what `wanted` holds and touch only what differs, so that focus, selection
// and open details outlive a refresh.
function morph(host, ...wanted) {
  const list = nodes(wanted);
  while (host.childNodes.length > list.length) host.lastChild.remove();
  list.forEach((fresh, index) => {
    const old = host.childNodes[index];
    if (!old) host.append(fresh);
    else if (!old.isEqualNode(fresh)) {
      if (old.nodeName !== fresh.nodeName || old.nodeType !== 1 || old.id !== fresh.id)
        old.replaceWith(fresh);
      else {
        for (const { name } of [...old.attributes]) {
          if (!fresh.hasAttribute(name) && name !== 'open') old.removeAttribute(name);
        }
        for (const { name, value } of fresh.attributes) {
          if (old.getAttribute(name) !== value) old.setAttribute(name, value);
        }
        morph(old, ...fresh.childNodes);
      }
    }
  });
}
