/** Titles are shown in pages of others' making: markup goes, its text stays. */
export function withoutTags(text: string): string {
  return text.replace(/<[^>]*>/g, '').trim();
}
