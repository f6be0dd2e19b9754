/** A rendered mail. */
export interface MailContent {
  readonly subject: string;
  readonly text: string;
  readonly html: string;
}

/** What a mail says, block by block; both its forms are made from this, so that no template can forget to escape. */
export type MailBlock =
  | { readonly kind: 'paragraph'; readonly text: string }
  /** Something to open, on a line of its own. */
  | { readonly kind: 'link'; readonly label: string; readonly url: string }
  /** Something to type. */
  | { readonly kind: 'command'; readonly text: string }
  /** What another person wrote, line breaks kept, marked as theirs. */
  | { readonly kind: 'quote'; readonly text: string }
  /** Labelled values; a null value is left out. */
  | { readonly kind: 'facts'; readonly rows: readonly (readonly [string, string | null])[] };

const MAX_SUBJECT = 150;
/** Line breaks of any kind, other controls, and the marks that turn the direction of the text around them. */
const UNSEEN = /[\p{Cc}\p{Zl}\p{Zp}\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu;
const UNSEEN_BUT_LINES = /[^\P{Cc}\n\t]+|[\u200e\u200f\u202a-\u202e\u2066-\u2069]+/gu;

/** Puts the blocks into plain text and HTML. No text of a person can end a header, a tag or a line that is not its own. */
export function compose(subject: string, blocks: readonly MailBlock[]): MailContent {
  return {
    subject: cut(oneLine(subject), MAX_SUBJECT),
    text: `${blocks.map(asText).join('\n\n')}\n`,
    html: page(blocks.map(asHtml).join('\n')),
  };
}

/** The text on one line, without characters that cannot be seen. */
export function oneLine(text: string): string {
  return text.replace(UNSEEN, ' ').replace(/ {2,}/g, ' ').trim();
}

/** At most `length` characters, an ellipsis included. */
export function cut(text: string, length: number): string {
  const characters = [...text];
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join('')}…`;
}

function manyLines(text: string): string[] {
  return text
    .replace(/\r\n?|[\u2028\u2029]/g, '\n')
    .replace(UNSEEN_BUT_LINES, '')
    .split('\n');
}

function asText(block: MailBlock): string {
  switch (block.kind) {
    case 'paragraph':
      return oneLine(block.text);
    case 'link':
      return `${oneLine(block.label)}:\n${oneLine(block.url)}`;
    case 'command':
      return `    ${oneLine(block.text)}`;
    case 'quote':
      return manyLines(block.text)
        .map((line) => `> ${line}`)
        .join('\n');
    case 'facts':
      return given(block.rows)
        .map(([label, value]) => `${label}: ${oneLine(value)}`)
        .join('\n');
  }
}

function asHtml(block: MailBlock): string {
  switch (block.kind) {
    case 'paragraph':
      return `<p>${escaped(oneLine(block.text))}</p>`;
    case 'link':
      return `<p><a href="${escaped(oneLine(block.url))}">${escaped(oneLine(block.label))}</a></p>`;
    case 'command':
      return `<pre style="background:#f3f3f3;padding:8px;white-space:pre-wrap">${escaped(oneLine(block.text))}</pre>`;
    case 'quote':
      return `<blockquote style="border-left:3px solid #ccc;margin:0;padding-left:12px">${manyLines(block.text)
        .map(escaped)
        .join('<br>')}</blockquote>`;
    case 'facts':
      return `<table>${given(block.rows)
        .map(([label, value]) => `<tr><td>${escaped(label)}</td><td>${escaped(oneLine(value))}</td></tr>`)
        .join('')}</table>`;
  }
}

function given(rows: readonly (readonly [string, string | null])[]): (readonly [string, string])[] {
  return rows.filter((row): row is readonly [string, string] => row[1] !== null && row[1] !== '');
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}

function page(body: string): string {
  return `<!doctype html>
<html><head><meta charset="utf-8"></head>
<body style="font-family:sans-serif;line-height:1.5;max-width:40em">
${body}
</body></html>
`;
}
