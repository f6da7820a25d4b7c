// values as people read them; every text from an entry becomes a text node
const data = JSON.parse(document.getElementById('data').textContent);
const columns = data.columns;
const byId = (id) => document.getElementById(id);
const INTERVALS = { inf_pct: ['inf_lo', 'inf_hi'], error_pct: ['error_lo', 'error_hi'] };
const MERGED = ['inf_lo', 'inf_hi', 'error_lo', 'error_hi'];
const TEXT = ['entry', 'track', 'case', 'status'];

function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) node.setAttribute(name, value);
  node.append(...children.filter((child) => child !== undefined && child !== ''));
  return node;
}
function number(value) {
  if (value === 'Infinity') return Infinity;
  if (value === '-Infinity') return -Infinity;
  return typeof value === 'number' ? value : NaN;
}
function shown(value, column) {
  if (value === null || value === undefined) return '–';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  const x = number(value);
  if (Number.isNaN(x)) return String(value);
  if (!Number.isFinite(x)) return x > 0 ? '∞' : '−∞';
  const digits = columns[column] && columns[column].digits;
  let text;
  if (digits !== null && digits !== undefined) text = x.toFixed(digits);
  else if (Number.isInteger(x) && Math.abs(x) < 1e6) text = String(x);
  else if (x !== 0 && (Math.abs(x) >= 1e5 || Math.abs(x) < 1e-3)) text = x.toExponential(2).replace('e+', 'e');
  else text = String(Number(x.toPrecision(4)));
  return text.replace(/^-/, '−');
}
function whisker(middle, low, high) {
  const names = 'http://www.w3.org/2000/svg';
  const svg = document.createElementNS(names, 'svg');
  for (const [k, v] of Object.entries({ class: 'whisker', viewBox: '0 0 100 12', preserveAspectRatio: 'none', 'aria-hidden': 'true' })) svg.setAttribute(k, v);
  const line = (x1, y1, x2, y2, width, opacity) => {
    const l = document.createElementNS(names, 'line');
    for (const [k, v] of Object.entries({ x1, y1, x2, y2, stroke: 'currentColor', 'stroke-width': width, 'stroke-opacity': opacity, 'vector-effect': 'non-scaling-stroke' })) l.setAttribute(k, v);
    svg.append(l);
  };
  line(0, 6, 100, 6, 1, 0.25);
  line(low, 6, high, 6, 2, 1);
  line(low, 2, low, 10, 1, 1);
  line(high, 2, high, 10, 1, 1);
  line(middle, 0, middle, 12, 4, 1);
  return svg;
}
const pairs = (places) => places.flatMap((place, k) => (k % 2 ? [] : [[data.words[place], data.words[places[k + 1]]]])); // texts that many rows share
function valueOf(row, track, column) {
  const place = track.places[column];
  return place === undefined ? null : row.v[place];
}
for (const track of data.tracks) track.places = Object.fromEntries(track.columns.map((name, k) => [name, k]));
