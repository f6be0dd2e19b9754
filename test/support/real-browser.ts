import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import { onAbleMachines as withSandboxes } from './sandboxes.js';

const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome'];
/** A name that only the browser knows, for the machine that it is on. */
export const DISTANT_NAME = 'distant.test';
const TIMEOUT_MS = 20_000;

const found = await launch();
if (typeof found === 'string') console.warn(`Nothing is looked at in a browser: ${found}`);

export const closeBrowser = async (): Promise<void> => {
  if (typeof found !== 'string') await found.close();
};

/** Where there is none, nothing can be looked at; the warning says so. */
export const withBrowser = typeof found === 'string' ? describe.skip : describe;
/** Able of both sandboxes and a browser. */
export const onAbleMachines = typeof found === 'string' ? describe.skip : withSandboxes;

/** A page of a user of its own, and what it has complained of. */
export async function newPage(): Promise<{ page: Page; complaints: string[] }> {
  if (typeof found === 'string') throw new Error(found);
  const context = await found.newContext();
  context.setDefaultTimeout(TIMEOUT_MS);
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  return { page, complaints };
}

/** Why there is none, where there is none. */
async function launch(): Promise<Browser | string> {
  const paths = (process.env['PATH'] ?? '').split(delimiter);
  const executablePath = PROGRAMS.flatMap((name) => paths.map((folder) => join(folder, name))).find((path) =>
    existsSync(path),
  );
  if (executablePath === undefined) return `none of ${PROGRAMS.join(', ')} is installed`;
  // Its own sandbox needs another user than root. What it shows here is ours.
  const args = ['--no-sandbox', `--host-resolver-rules=MAP ${DISTANT_NAME} 127.0.0.1`];
  return chromium
    .launch({ executablePath, args, timeout: TIMEOUT_MS })
    .catch((error: unknown) => `${executablePath} does not start: ${String(error).slice(0, 500)}`);
}
