import { escapeHtml } from '#kernel';
import { type OutwardRules, outwardSet } from '../conversation/secrets/outward.js';
import { redactText } from '../conversation/secrets/redact.js';
import type { SharedPage } from '../sharing/shared-conversation.service.js';
import type { SharedSession } from '../sharing/shared-access.service.js';
import { SHARED_STYLE_PATH } from './shared-page-style.js';

/** Nothing but our stylesheet and our form: what a conversation says can neither run nor fetch anything. */
export const SHARED_POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** A title as strangers may see it; owners can write anything into theirs. */
export const sharedTitle = (title: string | null, rules: OutwardRules | null): string =>
  title === null ? 'Untitled session' : redactText(title, outwardSet(rules)).text;

interface Conversation {
  readonly total: number;
  readonly pieces: AsyncIterable<string>;
}

/** A page of a shared conversation, piece by piece. */
export async function* conversationPage(
  { link, session, rules }: SharedSession,
  page: SharedPage,
  { total, pieces }: Conversation,
): AsyncGenerator<Buffer> {
  const title = sharedTitle(session.title, rules);
  const pages = Math.max(1, Math.ceil(total / page.pageSize));
  const facts = [session.sourceTool, session.modelId, `${total} messages`, day(session.updatedAt)];
  const navigation = navigationHtml(page, pages);
  yield Buffer.from(`${openingHtml(title)}
<header>
<h1 dir="auto">${escapeHtml(title)}</h1>
<p class="facts">${facts
    .flatMap((fact) => fact ?? [])
    .map(escapeHtml)
    .join(' · ')}</p>
</header>
<main>
${navigation}
`);
  for await (const piece of pieces) yield Buffer.from(`${piece}\n`);
  yield Buffer.from(`${navigation}
</main>
<footer><p>Shared with Roundhouse until ${day(link.expiresAt)}. Secrets that were recognised are left out.
<a href="?format=archive" download>Download the archive</a></p></footer>
</body>
</html>
`);
}

/** Where the password is asked for, with what was wrong with the last one. It is sent to the address it is shown at. */
export function passwordPage(problem: string | null): string {
  return simplePage(
    'Password required',
    `<form method="post">
<p>${problem === null ? 'This session is shared with a password.' : `<span role="alert">${escapeHtml(problem)}</span>`}</p>
<label for="password">Password</label>
<input id="password" name="password" type="password" maxlength="200" required autofocus autocomplete="off">
<button type="submit">Open</button>
</form>`,
  );
}

export const failurePage = (message: string): string => simplePage('Not available', `<p>${escapeHtml(message)}</p>`);

function simplePage(title: string, content: string): string {
  return `${openingHtml(title)}
<main><h1>${title}</h1>
${content}
</main>
</body>
</html>
`;
}

/** `title` is text. */
function openingHtml(title: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex, nofollow">
<meta name="referrer" content="no-referrer">
<title>${escapeHtml(title)}</title>
<link rel="stylesheet" href="${SHARED_STYLE_PATH}">
</head>
<body>`;
}

function navigationHtml({ page, pageSize, order }: SharedPage, pages: number): string {
  if (pages === 1 && page === 1) return '';
  const to = (number: number): string => `?page=${number}&amp;page_size=${pageSize}&amp;order=${order}`;
  const previous = page > 1 ? `<a rel="prev" href="${to(Math.min(page - 1, pages))}">← Previous</a>` : '';
  const next = page < pages ? `<a rel="next" href="${to(page + 1)}">Next →</a>` : '';
  return `<nav>${previous}<span>Page ${page} of ${pages}</span>${next}</nav>`;
}

const day = (date: Date): string => date.toISOString().slice(0, 10);
