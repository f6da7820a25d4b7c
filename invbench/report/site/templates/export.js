// what is shown, as csv (every column, full precision, inf as pandas reads it) and as tex (the visible columns)
function save(name, type, text) {
  const link = make('a', { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
function asCsv(track) {
  const quote = (text) => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const said = (value) => {
    if (value === null) return '';
    if (typeof value === 'boolean') return value ? 'True' : 'False';
    if (value === 'Infinity') return 'inf';
    if (value === '-Infinity') return '-inf';
    return quote(String(value));
  };
  return [track.columns.join(','), ...currentRows(track).map((row) => row.v.map(said).join(','))].join('\n') + '\n';
}
const TEX = { '&': '\\&', '%': '\\%', $: '\\$', '#': '\\#', _: '\\_', '{': '\\{', '}': '\\}', '~': '\\textasciitilde{}', '^': '\\textasciicircum{}', '\\': '\\textbackslash{}', '<': '\\textless{}', '>': '\\textgreater{}', '|': '\\textbar{}', '∞': '$\\infty$', '−': '$-$', '–': '--', τ: '$\\tau$', κ: '$\\kappa$', ε: '$\\varepsilon$', '…': '\\dots{}', '→': '$\\to$' };
const tex = (text) => [...text].map((c) => TEX[c] ?? c).join('');
function asTex(track) {
  const names = visibleColumns(track);
  const said = (row, name) => {
    const value = valueOf(row, track, name);
    if (!INTERVALS[name] || value === null) return tex(shown(value, name));
    const [low, high] = INTERVALS[name].map((end) => shown(valueOf(row, track, end), name));
    return `$${shown(value, name)}_{${low}}^{${high}}$`;
  };
  const lines = currentRows(track).map((row) => names.map((name) => said(row, name)).join(' & ') + ' \\\\');
  const form = names.map((name) => (TEXT.includes(name) ? 'l' : 'r')).join('');
  const notes = track.notes.map((note) => `% ${note.replace(/\s+/g, ' ')}`);
  return [`% needs \\usepackage{booktabs}; track ${tex(track.name)}`, `\\begin{tabular}{${form}}`, '\\toprule', names.map((name) => tex(columns[name].title)).join(' & ') + ' \\\\', '\\midrule', ...lines, '\\bottomrule', '\\end{tabular}', ...notes].join('\n') + '\n';
}
