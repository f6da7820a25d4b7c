// the overview: a row per design and cure of one model, every number a way to its cells
const overview = data.overview;
const modelNow = () => overview.find((table) => table.id === state.model) ?? overview[0];
const rankText = (rank) => (rank.rank_lo === rank.rank_hi ? `rank ${rank.rank_lo}` : `ranks ${rank.rank_lo}–${rank.rank_hi}`);
const designLink = (entry) => make('a', { href: `#/design/${encodeURIComponent(entry)}` }, entry);

function figureText(figure, column) {
  const ends = figure.lo === undefined ? '' : ` [${shown(figure.lo, column)}, ${shown(figure.hi, column)}]`;
  return [shown(figure.x, column), ends];
}
function figureCell(row, column) {
  const figure = row.figures[column.key];
  if (!figure) return make('td', { class: 'none' }, '–');
  const [text, ends] = figureText(figure, column.column);
  const button = make('button', { type: 'button', class: 'figure', 'data-key': column.key, 'data-name': row.name, 'aria-haspopup': 'dialog' }, text, ends && make('span', { class: 'interval' }, ends));
  if (figure.lo !== undefined) button.append(whisker(number(figure.x), number(figure.lo), number(figure.hi)));
  const node = make('td', { class: column.key }, button);
  if (number(figure.x) === Infinity && column.key === 'largest') node.classList.add('bad');
  if (column.key === 'certified') node.classList.add('upper');
  return node;
}
function tierCell(rank) {
  if (rank.tier === null) return make('td', { class: 'none' }, 'not ranked');
  return make('td', { class: 'tiers' }, make('span', { class: rank.tier === 1 ? 'tier first' : 'tier' }, `tier ${rank.tier}`), make('small', {}, rankText(rank)));
}
function sortedRows(model) {
  const [key, way] = state.by.split(':');
  const read = { name: (row) => row.name, tier: (row) => row.rank.tier }[key] ?? ((row) => row.figures[key]?.x ?? null);
  if (!key || (key !== 'name' && key !== 'tier' && !model.columns.some((column) => column.key === key))) return model.rows;
  const sign = way === 'desc' ? -1 : 1;
  return model.rows.map((row, k) => [read(row), k, row])
    .sort(([a, i], [b, j]) => { const c = compare(a, b); return (Math.abs(c) === 2 ? c : sign * c) || i - j; })
    .map(([, , row]) => row);
}
function headCell(key, title, hint, text) {
  const [sorted, way] = state.by.split(':');
  const mark = sorted === key ? (way === 'desc' ? ' ▼' : ' ▲') : '';
  return make('th', { scope: 'col', class: text ? 'text' : undefined, 'aria-sort': mark ? (way === 'desc' ? 'descending' : 'ascending') : undefined }, make('button', { type: 'button', 'data-by': key, title: hint }, title + mark));
}
function drawOverview() {
  const model = modelNow();
  if (!model) return;
  byId('model').value = model.id;
  byId('verdict').textContent = model.sentences[0];
  byId('verdict-more').textContent = model.sentences.slice(1).join(' ');
  byId('overview-region').setAttribute('aria-label', `Overview: ${model.title}`);
  const hint = (column) => `${columns[column.column]?.text ?? ''} ${columns[column.column]?.misleads ?? ''}`;
  const groups = make('tr', {}, make('td', { colspan: 2 }));
  for (const column of model.columns) {
    const last = groups.lastChild;
    if (last.textContent === column.group) last.colSpan += 1; else groups.append(make('th', { scope: 'colgroup' }, column.group));
  }
  const head = make('tr', {}, headCell('name', 'entry', 'Its own page', true), headCell('tier', 'tier', `Entries of one tier cannot be told apart; by failures, ${model.ranked}.`), ...model.columns.map((column) => headCell(column.key, column.head, hint(column))));
  const body = sortedRows(model).map((row) => {
    const name = make('th', { scope: 'row' }, designLink(row.entry), row.options ? make('small', {}, row.options) : '');
    return make('tr', { class: row.rank.tier === 1 ? 'winner' : undefined }, name, tierCell(row.rank), ...model.columns.map((column) => figureCell(row, column)));
  });
  byId('overview-table').replaceChildren(make('thead', {}, groups, head), make('tbody', {}, ...body));
  byId('overview-meanings').querySelector('dl').replaceChildren(...model.columns.flatMap((column) => {
    const c = columns[column.column];
    return c ? [make('dt', {}, column.title), make('dd', {}, `${c.text} ${c.formula ? `${c.formula}. ` : ''}`, make('em', {}, `How it can mislead: ${c.misleads}`))] : [];
  }));
}
function openFigure(model, row, key) {
  const figure = row.figures[key];
  if (figure.row) { openRow(figure.row[1], data.tracks.find((track) => track.name === figure.row[0])); return; }
  const column = model.columns.find((one) => one.key === key);
  const c = columns[column.column] ?? {};
  const of = [figure.n && `${figure.n} inputs`, figure.photographs && `${figure.photographs} photographs`, figure.seeds && `${figure.seeds} ${figure.seeds > 1 ? 'trainings' : 'training'}`].filter(Boolean).join(', ');
  const said = { changed: 'on changed conditions', clean: 'on clean conditions', attacked: 'of attacks', proof: 'of the certificates' }[figure.o];
  openDialog(`${row.name}: ${column.title}`,
    make('p', {}, make('b', {}, figureText(figure, column.column).join('')), ` ${said} (${[model.title, of].filter(Boolean).join('; ')})`),
    make('p', { class: 'hint' }, `${c.text ?? ''} ${c.misleads ? `How it can mislead: ${c.misleads}` : ''}`),
    ...where({ o: row.o[figure.o] }));
}
function clickFigure(event) {
  const button = event.target.closest('.figure');
  if (!button) return;
  const model = overview.find((table) => table.id === (button.dataset.model ?? modelNow().id));
  openFigure(model, model.rows.find((row) => row.name === button.dataset.name), button.dataset.key);
}
