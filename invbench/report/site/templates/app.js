// state in the URL's hash, tabs, controls
const DEFAULTS = { ...state };
function readHash() {
  Object.assign(state, DEFAULTS);
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) if (name in DEFAULTS) state[name] = name === 'wide' ? value === '1' : value;
  if (!trackNow()) state.track = DEFAULTS.track;
}
function writeHash() {
  const said = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) if (value !== DEFAULTS[name]) said.set(name, value === true ? '1' : value);
  const hash = said.toString();
  history.replaceState(null, '', hash ? `#${hash}` : location.pathname + location.search);
}
function show() {
  const track = trackNow();
  for (const tab of document.querySelectorAll('[role=tab]')) {
    const chosen = tab.dataset.track === state.track;
    tab.setAttribute('aria-selected', chosen);
    tab.tabIndex = chosen ? 0 : -1;
  }
  byId('panel').setAttribute('aria-labelledby', `tab-${state.track}`);
  byId('table-title').textContent = `Table: track ${state.track}`;
  if (state.theme) document.documentElement.dataset.theme = state.theme; else delete document.documentElement.dataset.theme;
  byId('view-box').hidden = !track.single;
  const cases = [...new Set(baseRows(track).map((row) => String(valueOf(row, track, 'case'))))];
  if (!cases.includes(state.case)) state.case = '';
  byId('case').replaceChildren(make('option', { value: '' }, 'all'), ...cases.map((name) => make('option', { value: name }, name)));
  for (const name of ['q', 'case', 'view', 'theme']) if (byId(name).value !== state[name]) byId(name).value = state[name];
  byId('wide').checked = state.wide;
  let charts = 0;
  for (const chart of document.querySelectorAll('.chart')) { chart.hidden = chart.dataset.track !== state.track; charts += !chart.hidden; }
  byId('no-charts').hidden = charts > 0;
  drawTable();
  writeHash();
  if (state.row) openRow(state.row); else if (byId('detail').open) byId('detail').close();
}
function change(values) { Object.assign(state, values); limit = STEP; show(); }
function openDetail(id) { state.row = id; writeHash(); openRow(id); }

byId('q').addEventListener('input', (event) => { state.q = event.target.value; limit = STEP; drawTable(false); writeHash(); });
for (const name of ['case', 'view', 'theme']) byId(name).addEventListener('change', (event) => change({ [name]: event.target.value }));
byId('wide').addEventListener('change', (event) => change({ wide: event.target.checked }));
byId('reset').addEventListener('click', () => change({ ...DEFAULTS, track: state.track, theme: state.theme }));
byId('controls').addEventListener('submit', (event) => event.preventDefault());
byId('more').addEventListener('click', () => { limit += STEP; drawTable(false); });
byId('csv').addEventListener('click', () => save(`invbench-${state.track}.csv`, 'text/csv', asCsv(trackNow())));
byId('tex').addEventListener('click', () => save(`invbench-${state.track}.tex`, 'application/x-tex', asTex(trackNow())));
byId('table').addEventListener('click', (event) => {
  const sort = event.target.closest('[data-sort]');
  if (sort) {
    const name = sort.dataset.sort;
    const first = columns[name].better === 'high' ? 'desc' : 'asc';
    const now = state.sort === `${name}:${first}` ? (first === 'asc' ? 'desc' : 'asc') : first;
    change({ sort: `${name}:${now}` });
    byId('table').querySelector(`[data-sort="${name}"]`).focus();
    return;
  }
  const row = event.target.closest('[data-row]');
  if (row && !getSelection().toString()) openDetail(row.dataset.row);
});
document.addEventListener('click', (event) => {
  const mark = event.target.closest('.mark');
  const row = mark && trackNow().rows.find((one) => valueOf(one, trackNow(), 'entry') === mark.dataset.entry);
  if (row) openDetail(identity(row, trackNow()));
});
byId('skip').addEventListener('click', (event) => { event.preventDefault(); byId('table-region').focus(); });
byId('close').addEventListener('click', () => byId('detail').close());
byId('detail').addEventListener('close', () => {
  const id = state.row;
  state.row = '';
  writeHash();
  [...document.querySelectorAll('[data-row]')].find((row) => row.dataset.row === id)?.querySelector('button').focus();
});
for (const tab of document.querySelectorAll('[role=tab]')) {
  tab.addEventListener('click', () => change({ ...DEFAULTS, theme: state.theme, wide: state.wide, track: tab.dataset.track }));
  tab.addEventListener('keydown', (event) => {
    const tabs = [...document.querySelectorAll('[role=tab]')];
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const next = step ? tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length] : { Home: tabs[0], End: tabs.at(-1) }[event.key];
    if (next) { event.preventDefault(); next.click(); next.focus(); }
  });
}
addEventListener('hashchange', () => { readHash(); show(); });
readHash();
show();
performance.mark('table');
