// expect: @typescript-eslint/no-misused-promises
export function decide(ask: () => Promise<boolean>): string {
  return ask() ? 'yes' : 'no';
}
