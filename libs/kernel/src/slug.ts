const SLUG = /^[a-z0-9](?:[a-z0-9-]{0,98}[a-z0-9])?$/;

/** Whether `text` follows the grammar of repositories, namespaces and accounts (coregit.md §1.6): 1–100 characters. */
export function isSlug(text: string): boolean {
  return SLUG.test(text) && !text.includes('--');
}
