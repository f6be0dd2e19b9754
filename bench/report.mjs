/** One line of the result: what was measured, and what it was held against. */
export class Report {
  rows = [];

  /** `ours`, `theirs`: `{p50, p99}`; `limit`: the target for `value`, smaller is better unless `atLeast`. */
  add(row) {
    const { value, limit, atLeast = false } = row;
    const met = limit === undefined ? undefined : atLeast ? value >= limit : value <= limit;
    this.rows.push({ ...row, met });
    console.log(line(this.rows.at(-1)));
  }

  note(section, text) {
    this.rows.push({ section, note: text });
    console.log(`   ${text}`);
  }

  printTable() {
    console.log(`\n${this.markdown()}`);
    const judged = this.rows.filter((row) => row.met !== undefined);
    const missed = judged.filter((row) => !row.met);
    console.log(`\n${judged.length - missed.length} of ${judged.length} targets met.`);
    for (const row of missed) console.log(`missed: ${row.name}: ${shown(row)}, target ${target(row)}`);
  }

  markdown() {
    const head =
      '| What | Roundhouse p50 / p99 | Against p50 / p99 | Result | Target | | Pairs |\n|---|---|---|---|---|---|---|';
    const lines = this.rows
      .filter((row) => !row.note)
      .map((row) =>
        [
          row.name,
          figures(row.ours, row.unit),
          figures(row.theirs, row.unit),
          shown(row),
          target(row),
          verdict(row),
          row.pairs,
        ]
          .map((cell) => cell ?? '')
          .join(' | '),
      );
    return [head, ...lines.map((cells) => `| ${cells} |`)].join('\n');
  }
}

function line(row) {
  return `   ${row.name.padEnd(52)} ${shown(row).padStart(12)}  target ${target(row).padEnd(9)} ${verdict(row).padEnd(5)} ${figures(row.ours, row.unit) ?? ''}${row.theirs ? ` against ${figures(row.theirs, row.unit)}` : ''}`;
}

const UNITS = { ratio: '×', count: '' };
const verdict = ({ met }) => (met === undefined ? '' : met ? 'pass' : 'MISS');
const target = ({ limit, atLeast, kind }) =>
  limit === undefined ? 'none' : `${atLeast ? '≥' : '≤'} ${limit}${UNITS[kind] ?? ' ms'}`;
const shown = ({ value, kind }) => `${kind === 'count' ? value : value.toFixed(2)}${UNITS[kind] ?? ' ms'}`;

function figures(side, unit = 'ms') {
  if (!side) return undefined;
  const digits = (value) => value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2);
  return `${digits(side.p50)} / ${digits(side.p99)} ${unit}`;
}
