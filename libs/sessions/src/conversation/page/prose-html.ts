import { escapeHtml } from '#kernel';

const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const HEADING = /^#{1,6} +(.+)$/;
const CODE_SPAN = /(`[^`\n]{1,500}`)/;
const STRONG = /\*\*([^*\n]{1,500})\*\*/g;

/**
 * Text as agents write it (paragraphs, fenced code, headings, `code`, **strong**) as HTML. Everything of the text is
 * escaped first; links and images stay text, so that a page leads nowhere its reader did not ask for.
 */
export function proseHtml(text: string): string {
  const parts: string[] = [];
  let lines: string[] = [];
  let fence: string | null = null;
  const flush = (): void => {
    if (fence !== null) parts.push(codeHtml(lines.join('\n')));
    else if (lines.some((line) => line.trim() !== '')) parts.push(paragraphsHtml(lines.join('\n')));
    lines = [];
  };
  for (const line of text.split('\n')) {
    const mark = FENCE.exec(line)?.[1] ?? null;
    const isEnd: boolean = fence !== null && mark !== null && mark.startsWith(fence) && line.trim() === mark;
    if (isEnd || (fence === null && mark !== null)) {
      flush();
      fence = isEnd ? null : mark;
    } else lines.push(line);
  }
  flush();
  return parts.join('');
}

export const codeHtml = (text: string): string => `<pre><code>${escapeHtml(text)}</code></pre>`;

function paragraphsHtml(text: string): string {
  return text
    .split(/\n[ \t]*\n/)
    .filter((paragraph) => paragraph.trim() !== '')
    .map((paragraph) => {
      const heading = HEADING.exec(paragraph.trim())?.[1];
      return heading === undefined
        ? `<p>${spansHtml(paragraph.replace(/^\n+/, '').trimEnd())}</p>`
        : `<h3>${spansHtml(heading)}</h3>`;
    })
    .join('');
}

function spansHtml(text: string): string {
  return text
    .split(CODE_SPAN)
    .map((part, index) =>
      index % 2 === 1
        ? `<code>${escapeHtml(part.slice(1, -1))}</code>`
        : escapeHtml(part).replace(STRONG, '<strong>$1</strong>'),
    )
    .join('');
}
