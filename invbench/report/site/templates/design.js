// a design's own page: its formula as curves, its numbers everywhere, pictures, counterexamples, laws, citation
const WORN = ['#0072b2', '#d55e00', '#a87400', '#008f69'];
const LINES = ['', '7 3', '2 3', '9 3 2 3'];
function svg(tag, attributes, ...children) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}
function curve(curves, kind, title, across, up) {
  const [size, pad] = [300, 34];
  const edge = curves.edge;
  const at = (v) => pad + ((v + edge) / (2 * edge)) * (size - 2 * pad);
  const node = svg('svg', { viewBox: `0 0 ${size} ${size}`, role: 'img', class: 'curve' }, svg('title', {}, title));
  for (const v of [-edge, -edge / 2, 0, edge / 2, edge]) {
    node.append(svg('line', { x1: at(v), x2: at(v), y1: pad, y2: size - pad, class: v ? 'grid' : 'axis' }), svg('line', { y1: at(v), y2: at(v), x1: pad, x2: size - pad, class: v ? 'grid' : 'axis' }));
    node.append(svg('text', { x: at(v), y: size - pad + 13, 'text-anchor': 'middle' }, shown(v)), svg('text', { x: pad - 5, y: size - at(v) + 4, 'text-anchor': 'end' }, shown(v)));
  }
  node.append(svg('text', { x: size / 2, y: size - 5, 'text-anchor': 'middle' }, across), svg('text', { x: 10, y: size / 2, 'text-anchor': 'middle', transform: `rotate(-90 10 ${size / 2})` }, up));
  const clip = `clip-${kind}`;
  node.append(svg('clipPath', { id: clip }, svg('rect', { x: pad, y: pad, width: size - 2 * pad, height: size - 2 * pad })));
  curves.lines.forEach((line, k) => {
    const step = (2 * edge) / (line[kind].length - 1);
    let pen = 'M';
    let path = '';
    line[kind].forEach((y, i) => { // a value that is not finite breaks the line
      if (y === null) { pen = 'M'; return; }
      path += `${pen}${at(-edge + i * step).toFixed(1)} ${(size - at(Math.max(-9e3, Math.min(9e3, y)))).toFixed(1)}`;
      pen = 'L';
    });
    node.append(svg('path', { d: path, fill: 'none', stroke: WORN[k % WORN.length], 'stroke-dasharray': LINES[k % LINES.length], 'stroke-width': 2, 'clip-path': `url(#${clip})` }));
  });
  return make('figure', {}, node, make('figcaption', {}, title));
}
function curvesOf(found) {
  if (!found?.curves) return [];
  const names = found.curves.lines.map((line, k) => {
    const mark = svg('svg', { viewBox: '0 0 34 8', class: 'swatch', 'aria-hidden': 'true' }, svg('line', { x1: 0, x2: 34, y1: 4, y2: 4, stroke: WORN[k % WORN.length], 'stroke-width': 3, 'stroke-dasharray': LINES[k % LINES.length] }));
    return make('li', {}, mark, ` ${line.label}`);
  });
  return section('Its formula as curves',
    make('div', { class: 'curves' }, curve(found.curves, 'value', 'Value map c(x; h), data → noise', 'x', 'c(x; h)'), curve(found.curves, 'inverse', 'Inverse c⁻¹(y; h), noise → data', 'y', 'c⁻¹(y; h)')),
    make('ul', { class: 'legend' }, ...names),
    make('p', { class: 'hint' }, 'h: the raw outputs of the conditioner, all zero, and draws from N(0, 1). Steep in the right picture is what amplifies; a jump away from the diagonal is what moves a value.'));
}
function overviewsOf(name) {
  return overview.flatMap((model) => model.rows.filter((row) => row.entry === name).map((row) => {
    const items = model.columns.filter((column) => row.figures[column.key]).map((column) => {
      const [text, ends] = figureText(row.figures[column.key], column.column);
      return make('div', {}, column.title, ' ', make('button', { type: 'button', class: 'figure', 'data-model': model.id, 'data-key': column.key, 'data-name': row.name, 'aria-haspopup': 'dialog' }, text + ends));
    });
    const tier = row.rank.tier === null ? 'not ranked' : `tier ${row.rank.tier}, ${rankText(row.rank)} of ${model.rows.length}, by failures, ${model.ranked}`;
    return [make('h4', {}, `${model.title}${row.options ? ` ${row.options}` : ''}`), make('p', { class: 'hint' }, tier), make('div', { class: 'values' }, ...items)];
  })).flat();
}
function everywhere(name) {
  const head = make('tr', {}, ...['track', 'condition', 'n', 'failing, %', 'largest |x|, log10', 'certified |x|, log10', 'tier'].map((title, k) => make('th', { scope: 'col', class: k < 2 ? 'text' : undefined }, title)));
  const lines = data.tracks.flatMap((track) => track.rows.filter((row) => valueOf(row, track, 'entry') === name).map((row) => {
    const own = make('button', { type: 'button', class: 'figure', 'data-track': track.name, 'data-id': identity(row, track), 'aria-haspopup': 'dialog' }, String(valueOf(row, track, 'case')));
    return make('tr', {}, make('td', { class: 'text' }, track.name), make('th', { scope: 'row' }, own), ...['n', 'error_pct', 'max_abs_log10', 'max_abs_certified', 'tier'].map((column) => cell(row, track, column)));
  }));
  return lines.length ? [make('div', { class: 'scroll', role: 'region', 'aria-label': `Numbers of ${name} everywhere`, tabindex: '0' }, make('table', { class: 'plain' }, make('thead', {}, head), make('tbody', {}, ...lines)))] : [];
}
function lawsOf(name) {
  const track = data.tracks.find((one) => one.places.sound !== undefined);
  const row = track?.rows.find((one) => valueOf(one, track, 'entry') === name);
  if (!row) return [make('p', { class: 'hint' }, `No cell of its laws here: invbench run --track coupling --entry ${name}`)];
  const sound = valueOf(row, track, 'sound');
  const said = sound === null ? 'Soundness was not measured.' : sound ? 'Sound: every law of soundness holds.' : 'Not sound: a law of soundness is broken.';
  const findings = (row.o?.reasons ?? []).map((reason) => make('li', {}, reason));
  return [make('p', {}, said, ' ', make('button', { type: 'button', class: 'figure', 'data-track': track.name, 'data-id': identity(row, track), 'aria-haspopup': 'dialog' }, 'its cells')),
    ...(findings.length ? [make('p', {}, 'What the laws found (laws of design are reported, and count against no soundness):'), make('ul', {}, ...findings)] : []),
    make('p', { class: 'hint' }, 'Again: ', make('code', {}, `invbench check ${name}`))];
}
function casesOf(name) {
  return data.cases.filter((one) => one.entry === name).map((one) => {
    const size = number(one.log10_x);
    const what = one.law ? `law ${one.law}: ${one.kind}, ${one.found}. ${one.message}` : `attack ${one.attack}${one.eps ? `, ε = ${Number(one.eps.toFixed(1))}/255` : ''}, ${one.source}: largest |x| ${Number.isFinite(size) ? `10^${size.toFixed(1)}` : 'not finite'}`;
    return make('li', {}, what, make('code', { class: 'block' }, one.command));
  });
}
function drawDesign(name) {
  const found = data.designs[name];
  const known = found || data.tracks.some((track) => track.entries.includes(name)) || overview.some((model) => model.rows.some((row) => row.entry === name));
  byId('design-title').textContent = name;
  document.title = `${name} · invbench leaderboard`;
  if (!known) { byId('design-body').replaceChildren(make('p', {}, 'No entry of this page has that name. The overview names them all.')); return; }
  const facts = Object.entries(found?.facts ?? {}).filter(([key]) => key !== 'citation');
  if (found?.cure) facts.push(['cure', `${found.cure}, of the design ${found.design}`]);
  if (found) facts.push(['explained by', make('code', {}, `invbench explain ${found.design}`)]);
  const cases = casesOf(name);
  const shots = data.tracks.flatMap((track) => worst(track, name).slice(1));
  byId('design-body').replaceChildren(
    facts.length ? list(facts) : make('p', { class: 'hint' }, 'Not a design that ships with invbench: what it is, its author says.'),
    ...curvesOf(found), ...section('In the overview', ...overviewsOf(name)), ...section('Its numbers everywhere', ...everywhere(name)), ...section('Laws', ...lawsOf(name)),
    ...section('Worst pictures that attacks found', ...shots),
    ...(cases.length ? section('Counterexamples', make('ul', { class: 'cases' }, ...cases)) : []),
    ...(found?.facts.citation ? section('Cite', make('p', { class: 'cite' }, found.facts.citation)) : []));
}
