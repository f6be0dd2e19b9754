const BLOCK = /^\ufeff?---[ \t]*\r?\n([^]*?)\r?\n---[ \t]*(?:\r?\n|$)/;
const MEMBER = /^([A-Za-z_-]+):[ \t]*(.*)$/;

/** The simple members of a Markdown file's front matter: texts of one line, quoted or not, and indented ones below a key. */
export function frontMatter(text: string): { readonly name?: string; readonly description?: string } {
  const members: Record<string, string> = {};
  let key = '';
  for (const line of BLOCK.exec(text)?.[1]?.split(/\r?\n/) ?? []) {
    const [, name, value = ''] = MEMBER.exec(line) ?? [];
    if (name !== undefined) {
      key = name;
      members[key] = /^[>|][+-]?$/.test(value.trim()) ? '' : bare(value.trim());
    } else if (key !== '' && /^\s+\S/.test(line)) {
      members[key] = `${members[key]} ${line.trim()}`.trim();
    }
  }
  const { name, description } = members;
  return { ...(name !== undefined && { name }), ...(description !== undefined && { description }) };
}

function bare(value: string): string {
  return /^"[^"]*"$|^'[^']*'$/.test(value) ? value.slice(1, -1) : value;
}
