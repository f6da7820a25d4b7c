// one row: its values with what they mean, the design, conditions one by one, pictures, and where it is from
let pictures = null;
const section = (title, ...children) => (children.length ? [make('h3', {}, title), ...children] : []);
const list = (entries) => make('dl', { class: 'facts' }, ...entries.flatMap(([name, value]) => [make('dt', {}, name), make('dd', {}, value)]));

let opener = null;
function openDialog(title, ...children) {
  if (!byId('detail').open) opener = document.activeElement;
  byId('detail-title').textContent = title;
  byId('detail-body').replaceChildren(...children);
  if (!byId('detail').open) byId('detail').showModal();
  byId('detail').scrollTop = 0;
  byId('detail-title').focus();
}
function openRow(id, track = trackNow()) {
  const has = (rows) => (rows ?? []).find((row) => identity(row, track) === id);
  const row = has(baseRows(track)) ?? has(track.rows) ?? has(track.single);
  if (!row) { state.row = ''; return; }
  const entry = String(valueOf(row, track, 'entry'));
  openDialog(`${entry}, ${valueOf(row, track, 'case')}`, ...values(row, track), ...design(entry), ...where(row), ...conditions(row, track, entry), ...worst(track, entry));
}
function values(row, track) {
  return ORDER.slice(1).flatMap((group) => {
    const names = track.columns.filter((name) => columns[name].group === group && !MERGED.includes(name) && valueOf(row, track, name) !== null);
    const items = names.map((name) => {
      const c = columns[name];
      const ends = INTERVALS[name] ? ` [${INTERVALS[name].map((end) => shown(valueOf(row, track, end), name)).join(', ')}]` : '';
      const said = make('summary', {}, c.title, ' ', make('b', {}, shown(valueOf(row, track, name), name) + ends));
      return make('div', {}, make('details', {}, said, make('p', {}, `${c.text} ${c.tracks[track.name] ?? ''}`), make('p', {}, c.formula), make('p', {}, `How it can mislead: ${c.misleads}`)));
    });
    return items.length ? section(data.groups[group], make('div', { class: 'values' }, ...items)) : [];
  });
}
function design(entry) {
  const found = data.designs[entry];
  const facts = found ? Object.entries(found.facts) : [];
  return section('Design', make('p', {}, 'Everything of ', designLink(entry)), facts.length ? list([...facts, ['explained by', make('code', {}, `invbench explain ${found.design}`)]]) : make('p', { class: 'hint' }, 'Not a design that ships with invbench: what it is, its author says.'));
}
function where(row) {
  if (!row.o) return section('Where it is from', make('p', { class: 'hint' }, 'Too many rows to trace each here; its cells are in the results folder, below track and entry.'));
  const files = row.o.files.map((file) => make('li', {}, make('code', {}, file)));
  if (row.o.count > files.length) files.push(make('li', {}, `and ${row.o.count - files.length} more beside them`));
  const reasons = row.o.reasons.map((reason) => make('li', {}, reason));
  return section('Where it is from',
    make('p', {}, 'Measured again by'), make('code', { class: 'block command' }, row.o.command),
    list(pairs(row.o.facts)),
    make('details', {}, make('summary', {}, 'Settings'), list(pairs(row.o.settings))),
    make('details', {}, make('summary', {}, `${row.o.count} cells`), make('ul', {}, ...files)),
    ...(reasons.length ? [make('p', {}, 'Reports and reasons'), make('ul', {}, ...reasons)] : []));
}
function conditions(row, track, entry) {
  const own = String(valueOf(row, track, 'case'));
  const attacked = own.includes('attack');
  const prefix = own.includes('/') ? `${own.split('/')[0]}/` : '';
  const rows = (track.single ?? []).filter((one) => {
    const name = String(valueOf(one, track, 'case'));
    return valueOf(one, track, 'entry') === entry && name.startsWith(prefix) && name.includes('/attack-') === attacked;
  });
  if (rows.length < 2) return [];
  const families = new Map();
  let most = 1;
  for (const one of rows) {
    const name = String(valueOf(one, track, 'case')).slice(prefix.length);
    const parts = attacked ? null : name.match(/^(.+)-([1-9])( .*)?$/);
    const [family, severity] = parts && !/^shift/.test(name) ? [parts[1] + (parts[3] ?? ''), Number(parts[2])] : [name, 1];
    if (!families.has(family)) families.set(family, []);
    families.get(family)[severity] = one;
    most = Math.max(most, severity);
  }
  const steps = Array.from({ length: most }, (_, k) => k + 1);
  const head = make('tr', {}, make('th', { scope: 'col', class: 'text' }, 'condition'), ...steps.map((k) => make('th', { scope: 'col' }, most > 1 ? `severity ${k}` : 'failing, %')), make('th', { scope: 'col' }, 'largest |x|, log10'));
  const lines = [...families].sort(([a], [b]) => a.localeCompare(b, 'en', { numeric: true })).map(([family, found]) => {
    const sizes = found.filter(Boolean).map((one) => valueOf(one, track, 'max_abs_log10')).filter((v) => v !== null).sort(compare);
    const cells = steps.map((k) => {
      if (!found[k]) return make('td', { class: 'none' }, '–');
      const value = valueOf(found[k], track, 'error_pct');
      const ends = INTERVALS.error_pct.map((end) => shown(valueOf(found[k], track, end), 'error_pct'));
      return make('td', { title: `[${ends.join(', ')}], n = ${shown(valueOf(found[k], track, 'n'), 'n')}` }, shown(value, 'error_pct'));
    });
    return make('tr', {}, make('th', { scope: 'row' }, family), ...cells, make('td', {}, sizes.length ? shown(sizes.at(-1), 'max_abs_log10') : '–'));
  });
  return section(attacked ? 'Attack by attack: inputs that fail, %' : 'Family by family: inputs that fail, %',
    make('div', { class: 'scroll', role: 'region', 'aria-label': 'Conditions one by one', tabindex: '0' }, make('table', {}, make('thead', {}, head), make('tbody', {}, ...lines))));
}
function worst(track, entry) {
  pictures ??= JSON.parse(byId('pictures').textContent);
  const found = pictures.filter((one) => one.entry === entry && one.track === track.name).slice(0, 6);
  return section('Worst that attacks found', ...found.map((one) => {
    const size = number(one.log10_x);
    const said = `attack ${one.attack}${one.eps ? `, ε = ${Number(one.eps.toFixed(1))}/255` : ''}, ${one.source}: largest |x| ${Number.isFinite(size) ? `10^${size.toFixed(1)}` : 'not finite'}; ${one.reached.join('; ')}`;
    return make('figure', { class: 'picture' }, make('img', { src: one.uri, alt: `Condition, change, output, log10 |x| and growth by layer; ${said}`, loading: 'lazy' }), make('figcaption', {}, said), make('code', { class: 'block' }, one.command));
  }));
}
