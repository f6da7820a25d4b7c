// state in the URL's hash, tabs, controls
const DEFAULTS = { ...state };
let front = '#'; // where a design's page goes back to
function readHash() {
  const design = location.hash.match(/^#\/design\/(.+)$/);
  try { route = design ? decodeURIComponent(design[1]) : ''; } catch { route = design[1]; }
  if (route) return;
  Object.assign(state, DEFAULTS);
  for (const [name, value] of new URLSearchParams(location.hash.slice(1))) if (name in DEFAULTS) state[name] = name === 'wide' ? value === '1' : value;
  if (!trackNow()) state.track = DEFAULTS.track;
}
function writeHash() {
  if (route) return;
  const said = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) if (value !== DEFAULTS[name]) said.set(name, value === true ? '1' : value);
  const hash = said.toString();
  history.replaceState(null, '', hash ? `#${hash}` : location.pathname + location.search);
  front = location.hash || '#';
}
function show() {
  byId('front').hidden = Boolean(route);
  byId('design').hidden = !route;
  if (state.theme) document.documentElement.dataset.theme = state.theme; else delete document.documentElement.dataset.theme;
  byId('theme').value = state.theme;
  if (route) { drawDesign(route); byId('back').href = front; return; }
  document.title = 'invbench leaderboard';
  drawOverview();
  const track = trackNow();
  for (const tab of document.querySelectorAll('[role=tab]')) {
    const chosen = tab.dataset.track === state.track;
    tab.setAttribute('aria-selected', chosen);
    tab.tabIndex = chosen ? 0 : -1;
  }
  byId('panel').setAttribute('aria-labelledby', `tab-${state.track}`);
  byId('table-title').textContent = `Table: track ${state.track}`;
  byId('view-box').hidden = !track.single;
  const cases = [...new Set(baseRows(track).map((row) => String(valueOf(row, track, 'case'))))];
  if (!cases.includes(state.case)) state.case = '';
  byId('case').replaceChildren(make('option', { value: '' }, 'all'), ...cases.map((name) => make('option', { value: name }, name)));
  for (const name of ['q', 'case', 'view']) if (byId(name).value !== state[name]) byId(name).value = state[name];
  byId('wide').checked = state.wide;
  let charts = 0;
  for (const chart of document.querySelectorAll('.chart')) { chart.hidden = chart.dataset.track !== state.track; charts += !chart.hidden; }
  byId('no-charts').hidden = charts > 0;
  drawTable();
  writeHash();
  if (state.row) openRow(state.row); else if (byId('detail').open) byId('detail').close();
}
function change(values) { Object.assign(state, values); limit = STEP; show(); }
const kept = () => ({ theme: state.theme, model: state.model, by: state.by }); // whatever the table below shows
function openDetail(id) { state.row = id; writeHash(); openRow(id); }

byId('q').addEventListener('input', (event) => { state.q = event.target.value; limit = STEP; drawTable(false); writeHash(); });
for (const name of ['case', 'view', 'theme']) byId(name).addEventListener('change', (event) => change({ [name]: event.target.value }));
byId('wide').addEventListener('change', (event) => change({ wide: event.target.checked }));
byId('reset').addEventListener('click', () => change({ ...DEFAULTS, track: state.track, ...kept() }));
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
byId('skip').addEventListener('click', (event) => { event.preventDefault(); byId(route ? 'design-title' : overview.length ? 'overview-region' : 'table-region').focus(); });
if (overview.length) {
  byId('model').addEventListener('change', (event) => change({ model: event.target.value === overview[0].id ? '' : event.target.value, by: '' }));
  byId('overview-table').addEventListener('click', (event) => {
    const key = event.target.closest('[data-by]')?.dataset.by;
    if (!key) { clickFigure(event); return; }
    const column = modelNow().columns.find((one) => one.key === key);
    const first = columns[column?.column]?.better === 'high' ? 'desc' : 'asc';
    change({ by: `${key}:${state.by === `${key}:${first}` ? (first === 'asc' ? 'desc' : 'asc') : first}` });
    byId('overview-table').querySelector(`[data-by="${key}"]`).focus();
  });
}
byId('design').addEventListener('click', (event) => {
  const own = event.target.closest('[data-id]');
  if (own) openRow(own.dataset.id, data.tracks.find((track) => track.name === own.dataset.track)); else clickFigure(event);
});
byId('close').addEventListener('click', () => byId('detail').close());
byId('detail').addEventListener('close', () => {
  const id = state.row;
  state.row = '';
  writeHash();
  const row = [...document.querySelectorAll('#table [data-row]')].find((one) => one.dataset.row === id);
  (row?.querySelector('button') ?? opener)?.focus();
});
for (const tab of document.querySelectorAll('[role=tab]')) {
  tab.addEventListener('click', () => change({ ...DEFAULTS, ...kept(), wide: state.wide, track: tab.dataset.track }));
  tab.addEventListener('keydown', (event) => {
    const tabs = [...document.querySelectorAll('[role=tab]')];
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const next = step ? tabs[(tabs.indexOf(tab) + step + tabs.length) % tabs.length] : { Home: tabs[0], End: tabs.at(-1) }[event.key];
    if (next) { event.preventDefault(); next.click(); next.focus(); }
  });
}
addEventListener('hashchange', () => {
  if (byId('detail').open) byId('detail').close();
  const before = route;
  readHash();
  show();
  if (route) { scrollTo(0, 0); byId('design-title').focus(); } else if (before) scrollTo(0, 0);
});
readHash();
show();
if (/[#&]track=/.test(location.hash) && overview.length && !state.row) byId('panel').scrollIntoView();
performance.mark('table');
