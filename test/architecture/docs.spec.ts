import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from './planted-tree.js';

const GUIDES = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', ...filesIn('docs', '.md')];
/** As many words of an item as tell it from the others of its section. */
const LEAD_WORDS = 5;

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

function filesIn(folder: string, ending: string): string[] {
  const names = readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' });
  return names.filter((name) => name.endsWith(ending)).map((name) => join(folder, name));
}

/** What the server reads, answers and is deployed with: its sources, without their specs. */
function code(): string {
  const sources = ['libs', 'apps']
    .flatMap((folder) => filesIn(folder, '.ts'))
    .filter((path) => !path.endsWith('spec.ts'));
  return [...sources, '.env.example', 'docker-compose.yml'].map(read).join('\n');
}

function found(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, what]) => what!);
}

/** Settings and error codes that a guide names and nobody knows. */
function unknownNames(guide: string, sources: string): string[] {
  const settings = found(guide, /`([A-Z][A-Z0-9]*_[A-Z0-9_]+)(?:=[^`]*)?`/g);
  const codes = found(guide, /\b[45]\d\d (?:"[^"]*" )?`([a-z_.]+)`/g).map((name) => `'${name}'`);
  return [...settings, ...codes].filter((name) => !sources.includes(name));
}

/** Items of one section that begin alike: what two merges have both kept. */
function saidTwice(guide: string): string[] {
  return guide.split(/^#+ /m).flatMap((section) => {
    const leads = found(section, /^- (.*(?:\n {2}.*)?)/gm).map((item) => item.split(/\s+/, LEAD_WORDS).join(' '));
    return leads.filter((lead, index) => leads.indexOf(lead) !== index);
  });
}

describe('the guides', () => {
  it('name settings and error codes that there are', () => {
    const sources = code();
    expect(unknownNames('`NO_SUCH_SETTING`, 409 `no_such_code`', sources)).toEqual([
      'NO_SUCH_SETTING',
      "'no_such_code'",
    ]);
    for (const guide of GUIDES)
      expect({ guide, unknown: unknownNames(read(guide), sources) }).toEqual({ guide, unknown: [] });
  });

  it('lead to files that there are', () => {
    const broken = GUIDES.flatMap((guide) =>
      found(read(guide), /\]\((?!https?:|#)([^)#]+)/g)
        .filter((link) => !existsSync(join(ROOT, dirname(guide), link)))
        .map((link) => `${guide}: ${link}`),
    );
    expect(broken).toEqual([]);
  });

  it('say nothing twice', () => {
    expect(saidTwice('## A\n- **Disk.** What it may hold is so\n- **Disk.** What it may hold is\n  so')).toHaveLength(
      1,
    );
    for (const guide of GUIDES) expect({ guide, twice: saidTwice(read(guide)) }).toEqual({ guide, twice: [] });
  });
});
