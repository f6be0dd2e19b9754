// expect: @typescript-eslint/switch-exhaustiveness-check
export function label(state: 'open' | 'closed'): string {
  switch (state) {
    case 'open':
      return 'Open';
  }
  return '';
}
