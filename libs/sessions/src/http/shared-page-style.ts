import { createHash } from 'node:crypto';

/** The one stylesheet of shared pages; its address changes with its text. */
export const SHARED_STYLE = `:root {
  color-scheme: light dark;
  --page: #f7f7f8; --card: #ffffff; --ink: #1c1d21; --soft: #62656e; --line: #dfe1e6; --code: #f1f2f4; --accent: #3056d3;
}
@media (prefers-color-scheme: dark) {
  :root { --page: #131417; --card: #1c1e22; --ink: #e6e7ea; --soft: #9a9ea8; --line: #32353c; --code: #25272c; --accent: #8fa8ff; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; overflow-wrap: anywhere; }
main, body > header, body > footer { max-width: 52rem; margin: 0 auto; padding: 1.25rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: 0.5rem 0; }
h3 { font-size: 1.05rem; margin: 1rem 0 0.4rem; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
p { margin: 0.5rem 0; white-space: pre-wrap; }
pre { background: var(--code); border-radius: 6px; padding: 0.75rem; margin: 0.5rem 0; max-height: 30rem; overflow: auto; }
code { font: 0.875em/1.5 ui-monospace, Menlo, Consolas, monospace; }
:not(pre) > code { background: var(--code); border-radius: 4px; padding: 0.1em 0.3em; }
.facts, .note, footer, .message > header { color: var(--soft); font-size: 0.875rem; }
.facts { margin: 0; }
.message { background: var(--card); border: 1px solid var(--line); border-left-width: 3px; border-radius: 8px; padding: 0.75rem 1rem; margin: 0 0 0.9rem; }
.message.user { border-left-color: var(--accent); }
.message:target { outline: 2px solid var(--accent); }
.message > header { display: flex; gap: 0.75rem; align-items: baseline; }
.message > header b { color: var(--ink); }
.message > header a { margin-left: auto; color: inherit; }
details { border: 1px solid var(--line); border-radius: 6px; padding: 0.3rem 0.7rem; margin: 0.5rem 0; }
summary { cursor: pointer; font-size: 0.9rem; color: var(--soft); }
nav { display: flex; gap: 1rem; justify-content: center; padding: 0.75rem 0; }
form { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 1.25rem; max-width: 24rem; }
label { display: block; margin-bottom: 0.35rem; }
input, button { font: inherit; padding: 0.5rem 0.75rem; border-radius: 6px; border: 1px solid var(--line); background: var(--page); color: inherit; }
input { width: 100%; }
button { margin-top: 0.75rem; background: var(--accent); border-color: var(--accent); color: var(--card); cursor: pointer; }
[role='alert'] { color: #c0362c; }
`;

export const SHARED_STYLE_PATH = `/api/v1/sessions/share/page.css?v=${createHash('sha256').update(SHARED_STYLE).digest('hex').slice(0, 12)}`;
