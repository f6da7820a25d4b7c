// the table: which rows and columns, in which order
const STEP = 300;
const ORDER = ['row', 'rank', 'failure', 'evidence', 'magnitude', 'lower', 'upper', 'law', 'quality', 'speed'];
const state = { track: data.tracks[0].name, view: 'pooled', q: '', case: '', sort: '', wide: false, row: '', theme: '', model: '', by: '' };
let limit = STEP;
let route = ''; // the design whose page is shown

const trackNow = () => data.tracks.find((track) => track.name === state.track);
function visibleColumns(track) {
  const wanted = (state.wide ? track.columns : track.screen).filter((name) => !MERGED.includes(name) && name !== 'track');
  if (track.columns.includes('tier') && !wanted.includes('tier')) wanted.push('tier');
  return ORDER.flatMap((group) => wanted.filter((name) => columns[name].group === group));
}
function baseRows(track) { return state.view === 'single' && track.single ? track.single : track.rows; }

// "affine error_pct>10": every word must occur, every comparison must hold
function matcher(track) {
  const tests = state.q.split(/\s+/).filter(Boolean).map((word) => {
    const found = word.match(/^([a-z_0-9]+)(<=|>=|<|>|=)(.+)$/);
    if (found && track.places[found[1]] !== undefined) {
      const limit = /^[+-]?(inf|infinity|∞)$/i.test(found[3]) ? (found[3][0] === '-' ? -Infinity : Infinity) : Number(found[3]);
      return (row) => {
        const value = valueOf(row, track, found[1]);
        if (Number.isNaN(limit)) return found[2] === '=' && String(value).toLowerCase() === found[3].toLowerCase();
        const x = number(value);
        return { '<': x < limit, '>': x > limit, '<=': x <= limit, '>=': x >= limit, '=': x === limit }[found[2]];
      };
    }
    const wanted = word.toLowerCase();
    return (row) => TEXT.some((name) => String(valueOf(row, track, name) ?? '').toLowerCase().includes(wanted));
  });
  return (row) => (!state.case || valueOf(row, track, 'case') === state.case) && tests.every((test) => test(row));
}
function compare(a, b) { // numbers by size, then words; what is missing comes last whichever way
  if (a === null && b === null) return 0;
  if (a === null) return 2;
  if (b === null) return -2;
  const [x, y] = [number(a), number(b)];
  if (!Number.isNaN(x) && !Number.isNaN(y)) return x === y ? 0 : x < y ? -1 : 1;
  return String(a).localeCompare(String(b), 'en', { numeric: true });
}
function currentRows(track) {
  const rows = baseRows(track).filter(matcher(track));
  const [name, way] = state.sort.split(':');
  if (!name || track.places[name] === undefined) return rows;
  const sign = way === 'desc' ? -1 : 1;
  return rows.map((row, k) => [valueOf(row, track, name), k, row])
    .sort(([a, i], [b, j]) => { const c = compare(a, b); return (Math.abs(c) === 2 ? c : sign * c) || i - j; })
    .map(([, , row]) => row);
}
function cell(row, track, name) {
  const value = valueOf(row, track, name);
  if (value === null) {
    const unranked = name === 'tier' && /error|oom|timeout|missing/.test(String(valueOf(row, track, 'status')));
    return make('td', { class: 'none' }, unranked ? 'not ranked' : '–');
  }
  if (name === 'tier') return make('td', {}, make('span', { class: 'tier' }, shown(value, name)));
  const text = TEXT.includes(name);
  const node = make('td', { class: text ? 'text' : undefined }, ...(text ? breakable(shown(value, name)) : [shown(value, name)]));
  if ((value === 'Infinity' && columns[name].better === 'low') || (name === 'sound' && !value)) node.classList.add('bad');
  if (INTERVALS[name]) {
    const [low, high] = INTERVALS[name].map((end) => valueOf(row, track, end));
    if (low !== null && high !== null) node.append(' ', make('span', { class: 'interval' }, `[${shown(low, name)}, ${shown(high, name)}]`), whisker(number(value), number(low), number(high)));
  }
  return node;
}
function breakable(text) { return text.split('/').flatMap((part, place) => (place ? ['/', make('wbr'), part] : [part])); }  // a line may end behind a slash
function identity(row, track) { return `${valueOf(row, track, 'entry')}|${valueOf(row, track, 'case')}`; }

function drawTable(again = true) {
  const track = trackNow();
  const names = visibleColumns(track);
  const rows = currentRows(track);
  const groups = make('tr');
  const titles = make('tr');
  let last = null;
  const firsts = new Set();
  names.forEach((name, k) => {
    const column = columns[name];
    if (last && last.group === column.group) last.node.colSpan += 1;
    else { last = { group: column.group, node: make('th', { scope: 'colgroup', colspan: 1 }, data.groups[column.group]) }; groups.append(last.node); if (k) firsts.add(name); }
    const [sorted, way] = state.sort.split(':');
    const head = make('th', { scope: 'col', class: TEXT.includes(name) ? 'text' : undefined, 'aria-sort': sorted === name ? (way === 'desc' ? 'descending' : 'ascending') : undefined });
    const mark = sorted === name ? (way === 'desc' ? ' ▼' : ' ▲') : '';
    head.append(make('button', { type: 'button', 'data-sort': name, title: `${column.text} ${column.misleads}` }, column.title + mark));
    titles.append(head);
  });
  const body = make('tbody');
  let caseBefore = null;
  for (const row of rows.slice(0, limit)) {
    const line = make('tr', { 'data-row': identity(row, track) });
    names.forEach((name) => {
      if (name === 'entry') line.append(make('th', { scope: 'row' }, make('button', { type: 'button', 'aria-haspopup': 'dialog' }, String(valueOf(row, track, 'entry')))));
      else {
        const node = cell(row, track, name);
        if (firsts.has(name)) node.classList.add('first');
        if (columns[name].group === 'upper') node.classList.add('upper');
        line.append(node);
      }
    });
    const own = valueOf(row, track, 'case');
    if (!state.sort && caseBefore !== null && own !== caseBefore) line.classList.add('next');
    caseBefore = own;
    body.append(line);
  }
  byId('table').replaceChildren(make('thead', {}, groups, titles), body);
  byId('more').hidden = rows.length <= limit;
  const all = baseRows(track).length;
  byId('count').textContent = rows.length ? `${rows.length} of ${all} rows${rows.length > limit ? `, the first ${limit} shown` : ''}` : `None of ${all} rows fits the filter; reset shows them all.`;
  if (again) drawMeanings(track, names);
}
function drawMeanings(track, names) {
  byId('meanings').querySelector('dl').replaceChildren(...names.flatMap((name) => {
    const c = columns[name];
    return [make('dt', {}, `${c.title} `, make('code', {}, name)), make('dd', {}, `${c.text} ${c.tracks[track.name] ?? ''} ${c.formula ? `${c.formula}. ` : ''}`, make('em', {}, `How it can mislead: ${c.misleads}`), ` (${c.source})`)];
  }));
  byId('notes').querySelector('ul').replaceChildren(...track.notes.map((note) => make('li', {}, note)));
}
